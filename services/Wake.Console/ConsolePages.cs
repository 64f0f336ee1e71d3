using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.AspNetCore.Components.Server;
using Microsoft.AspNetCore.Components.Server.Circuits;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Options;
using Wake.WebConsole.Components;
using Wake.WebConsole.Components.Parts;

namespace Wake.WebConsole;

/// <summary>
/// Draws the pages, with services and a routing of its own that are put together when somebody opens the first: a
/// process in which nobody does has none of it, and the API's requests are matched against none of its pages.
/// </summary>
sealed class ConsolePages(IServiceProvider host) : IAsyncDisposable
{
    // A payload that somebody edits or pastes, each of its characters escaped: four times EventLimits.MaxBytes.
    const int MaxMessageBytes = 1024 * 1024;

    readonly Lazy<(ServiceProvider Services, RequestDelegate Pipeline)> pages = new(() => Build(host));

    /// <summary>Answers a request for a page, or for the circuit of one.</summary>
    public async Task Serve(HttpContext http)
    {
        var outer = http.RequestServices;
        await using var scope = pages.Value.Services.CreateAsyncScope();
        http.RequestServices = scope.ServiceProvider;
        try
        {
            await pages.Value.Pipeline(http);
        }
        finally
        {
            http.RequestServices = outer;
        }
    }

    public ValueTask DisposeAsync() => pages.IsValueCreated ? pages.Value.Services.DisposeAsync() : default;

    static (ServiceProvider, RequestDelegate) Build(IServiceProvider host)
    {
        var services = new ServiceCollection();
        Share<ILoggerFactory>(services, host);
        Share<IConfiguration>(services, host);
        Share<IHostEnvironment>(services, host);
        Share<IWebHostEnvironment>(services, host);
        Share<IHostApplicationLifetime>(services, host);
        Share<IMeterFactory>(services, host);
        Share<DiagnosticListener>(services, host);
        Share<DiagnosticSource>(services, host);
        Share<ActivitySource>(services, host);
        Share<DistributedContextPropagator>(services, host);
        Share<TimeProvider>(services, host);
        Share<GatewayConnection>(services, host);
        Share<ConsoleSessions>(services, host);
        Share<LiveFeed>(services, host);
        Share<BrowserLimit>(services, host);
        Share<LocalBrowsers>(services, host);
        Share<IOptions<ConsoleOptions>>(services, host);
        services.AddLogging();
        services.AddRouting();
        services.AddScoped<CircuitMarks>();
        services.AddScoped<Toasts>();
        services.AddScoped<GatewayClient>();
        services.AddScoped<CircuitHandler, BrowserCounter>();
        services
            .AddRazorComponents()
            .AddInteractiveServerComponents()
            .AddHubOptions(hub => hub.MaximumReceiveMessageSize = MaxMessageBytes);
        services.AddCascadingAuthenticationState();
        var provider = host.GetRequiredService<IOptions<ConsoleOptions>>().Value.OpenIdConnect;
        if (provider is not null)
            services.AddOpenIdConnectLogin(provider);

        // What protects forms and circuits need not outlive the process, as no log-in does. Else its keys would be
        // stored in the user's home.
        services.AddDataProtection().UseEphemeralDataProtectionProvider();
        services.Configure<CircuitOptions>(circuits =>
        {
            // A page that comes back after a moment is as it was. Each costs memory meanwhile.
            circuits.DisconnectedCircuitMaxRetained = 32;
            circuits.DisconnectedCircuitRetentionPeriod = TimeSpan.FromMinutes(1);
        });

        var built = services.BuildServiceProvider(host.GetRequiredService<IHostEnvironment>().IsDevelopment());
        var pages = new ApplicationBuilder(built);
        pages.UseRouting();
        pages.UseAntiforgery();
        pages.UseEndpoints(endpoints =>
        {
            endpoints.MapLogin();
            if (provider is not null)
                endpoints.MapOpenIdConnectLogin();
            endpoints.MapRazorComponents<App>().AddInteractiveServerRenderMode();
        });
        return (built, pages.Build());
    }

    // The host's own, which it disposes of.
    static void Share<T>(IServiceCollection services, IServiceProvider host)
        where T : class
    {
        if (host.GetService<T>() is { } shared)
            services.AddSingleton(shared);
    }

    // One for each circuit. Its end is told of more than once.
    sealed class BrowserCounter(BrowserLimit limit) : CircuitHandler
    {
        bool isCounted,
            isLetIn;

        // Between the answer to the first request of a circuit and this one others may have come.
        public override Task OnConnectionUpAsync(Circuit circuit, CancellationToken cancellationToken)
        {
            isCounted = true;

            // One that comes back was let in before. To refuse it here would leave its circuit behind, and its place.
            isLetIn |= limit.TryEnter();
            return isLetIn
                ? Task.CompletedTask
                : Task.FromException(new InvalidOperationException("As many browsers have the console open as may."));
        }

        public override Task OnConnectionDownAsync(Circuit circuit, CancellationToken cancellationToken)
        {
            if (isCounted)
                limit.Leave();
            isCounted = false;
            return Task.CompletedTask;
        }
    }
}
