using System.Reflection;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;

namespace Wake.WebConsole;

/// <summary>Registers the console.</summary>
public static class ConsoleServices
{
    // Of a page, its scripts and styles come from here, and it talks to nobody else. The component library sets
    // attributes "style"; elements of that name it does not need, since its theme is a file.
    const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src-elem 'self'; style-src-attr 'unsafe-inline'; img-src 'self' "
        + "data:; connect-src 'self'; form-action 'self'; base-uri 'self'; frame-ancestors 'none'";

    // A form that logs in, and nothing else: what a page sends goes through its circuit.
    const int MaxRequestBytes = 64 * 1024;

    /// <summary>The services of the console. What draws pages is made when somebody opens one.</summary>
    public static IHostApplicationBuilder AddConsole(this IHostApplicationBuilder builder)
    {
        builder.Services.AddValidatedOptions<ConsoleOptions>(ConsoleOptions.Section);
        builder.Services.AddHttpServerDefaults();
        builder.Services.Configure<KestrelServerOptions>(kestrel =>
            kestrel.Limits.MaxRequestBodySize = MaxRequestBytes
        );
        builder.Services.AddKnownProxies();
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<GatewayConnection>();
        builder.Services.AddSingleton<ConsoleSessions>();
        builder.Services.AddSingleton<LiveFeed>();
        builder.Services.AddSingleton<BrowserLimit>();
        builder.Services.AddSingleton<ConsolePages>();
        return builder;
    }

    /// <summary>Readiness of a console by itself: the API answers.</summary>
    public static IHostApplicationBuilder AddGatewayHealth(this IHostApplicationBuilder builder)
    {
        builder.Services.AddHealthChecks().AddCheck<GatewayHealth>("gateway", tags: [Health.ReadyTag]);
        return builder;
    }

    /// <summary>Serves the console at those paths that are its own and that nothing else of the process
    /// answers.</summary>
    public static void UseConsole(this WebApplication app)
    {
        // What is wrong with a setting the start says, which comes after this.
        var pathBase = new Lazy<PathString>(() =>
            app.Services.GetRequiredService<IOptions<ConsoleOptions>>().Value.PathBase
        );
        var pipeline = new Lazy<RequestDelegate>(() => BuildPipeline(app.Services, pathBase.Value));
        app.Use(
            (http, next) =>
                http.GetEndpoint() is null
                && http.Request.Path.StartsWithSegments(pathBase.Value, out var below)
                && ConsolePaths.Includes(below)
                    ? pipeline.Value(http)
                    : next(http)
        );
    }

    static RequestDelegate BuildPipeline(IServiceProvider services, PathString pathBase)
    {
        var console = new ApplicationBuilder(services);
        if (pathBase.HasValue)
            console.UsePathBase(pathBase);
        console.Use(RejectLargeBodies);
        console.UseForwardedHeaders();

        // A proxy that ends TLS says so. Whoever else says so loses nothing but their own cookie.
        console.Use(
            (http, next) =>
            {
                if (http.Request.Headers["X-Forwarded-Proto"] == "https")
                    http.Request.Scheme = "https";
                return next(http);
            }
        );
        console.Use(
            (http, next) =>
            {
                http.Response.Headers.ContentSecurityPolicy = ContentSecurityPolicy;

                // Without one a browser calls the origin of the console's own forms null.
                http.Response.Headers["Referrer-Policy"] = "same-origin";
                return next(http);
            }
        );
        console.UseMiddleware<ConsoleAssets>();
        console.UseMiddleware<ConsoleAccess>();
        console.Use(RejectOneTooMany);
        console.Run(services.GetRequiredService<ConsolePages>().Serve);
        return console.Build();
    }

    // What does not say how long it is the server cuts at the same length.
    static Task RejectLargeBodies(HttpContext http, RequestDelegate next)
    {
        if (http.Request.ContentLength is not > MaxRequestBytes)
            return next(http);

        http.Response.StatusCode = StatusCodes.Status413PayloadTooLarge;
        http.Response.Headers.Connection = "close";
        return Task.CompletedTask;
    }

    // Asked of a page first, since one without its circuit shows nothing, and of what connects without a page. Who is
    // connected goes on.
    static Task RejectOneTooMany(HttpContext http, RequestDelegate next)
    {
        var (path, isCircuit) = (http.Request.Path, http.Request.Path.StartsWithSegments("/_blazor"));
        var isNew = isCircuit
            ? path == "/_blazor/negotiate" || path == "/_blazor" && !http.Request.Query.ContainsKey("id")
            : HttpMethods.IsGet(http.Request.Method) && !path.StartsWithSegments(ConsoleAccess.LoginPath);
        if (!isNew || !http.RequestServices.GetRequiredService<BrowserLimit>().IsReached)
            return next(http);

        http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        http.Response.Headers.RetryAfter = "10";
        if (isCircuit)
            return Task.CompletedTask;

        // The browser asks again by itself.
        http.Response.Headers["Refresh"] = "10";
        http.Response.ContentType = "text/plain; charset=utf-8";
        return http.Response.WriteAsync(
            "As many browsers have the console open as may (Console__MaxBrowsers). This page tries again every ten "
                + "seconds."
        );
    }

    sealed class GatewayHealth(GatewayConnection gateway) : IHealthCheck
    {
        public async Task<HealthCheckResult> CheckHealthAsync(
            HealthCheckContext context,
            CancellationToken cancellationToken = default
        )
        {
            try
            {
                if (await gateway.IsAlive(cancellationToken))
                    return HealthCheckResult.Healthy();
            }
            catch (HttpRequestException)
            {
                // Said below.
            }

            return HealthCheckResult.Unhealthy("The API at Console__GatewayUrl does not answer.");
        }
    }
}

/// <summary>The paths of the console: those of its pages, and what a browser loads for them.</summary>
static class ConsolePaths
{
    /// <summary>The first segments of all of them.</summary>
    public static IReadOnlySet<string> Segments => FirstSegments.Value;

    static readonly Lazy<HashSet<string>> FirstSegments = new(() =>
        [
            "",
            ConsoleAssets.Folder,
            "_blazor",
            "logout",
            .. typeof(ConsolePaths)
                .Assembly.GetTypes()
                .SelectMany(x => x.GetCustomAttributes<RouteAttribute>(inherit: false))
                .Select(x => FirstSegment(x.Template)),
        ]
    );

    public static bool Includes(PathString path) => FirstSegments.Value.Contains(FirstSegment(path.Value ?? ""));

    static string FirstSegment(string path) => path.TrimStart('/').Split('/', 2)[0];
}
