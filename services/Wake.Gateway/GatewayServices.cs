using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Wake.Contracts;
using Wake.Prompting;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Gateway;

/// <summary>Registers the HTTP API, the event socket and the spool.</summary>
public static class GatewayServices
{
    /// <summary>The largest body of a request that carries no events, in bytes.</summary>
    internal const int MaxBodyBytes = 64 * 1024;

    /// <summary>The HTTP door's services.</summary>
    public static IHostApplicationBuilder AddGateway(this IHostApplicationBuilder builder)
    {
        builder.Services.AddValidatedOptions<GatewayOptions>(GatewayOptions.Section);
        builder.Services.AddValidatedOptions<Profiles>(Profiles.Section);
        builder.AddPrompts();
        builder.Services.AddKnownProxies();
        builder.Services.AddProblemResponses();
        builder.Services.AddSingleton<EventIngress>();
        builder.Services.AddSingleton<ApiKeys>();
        builder.Services.AddSingleton<ApiKeyCache>();
        builder.Services.AddSingleton<BrowserSessions>();
        builder.AddApiKeyAuthentication();
        builder.Services.AddSingleton<PreferWait>();
        builder.Services.AddSingleton<LedgerFeed>();
        builder.Services.AddSingleton<TranscriptFeed>();
        builder.Services.AddSingleton<TerminalTurns>();
        builder.Services.AddSingleton<TerminalHooks>();
        builder.Services.AddSingleton<TerminalConnections>();
        builder.Services.AddHostedService(services => services.GetRequiredService<TerminalConnections>());
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddHttpServerDefaults();
        builder.Services.Configure<KestrelServerOptions>(kestrel => kestrel.Limits.MaxRequestBodySize = MaxBodyBytes);
        builder.Services.Configure<JsonOptions>(json =>
            json.SerializerOptions.NumberHandling = JsonNumberHandling.Strict
        );
        builder.Services.AddOpenApiDocument();
        return builder;
    }

    /// <summary>The spool folder and the socket, where they are configured.</summary>
    public static IHostApplicationBuilder AddLocalIngress(this IHostApplicationBuilder builder)
    {
        builder.Services.AddValidatedOptions<LocalOptions>(LocalOptions.Section);
        builder.Services.AddHostedService<SpoolReader>();
        builder.Services.AddHostedService<EventSocket>();
        return builder;
    }

    /// <summary>The HTTP door.</summary>
    public static void MapGateway(this WebApplication app)
    {
        // It writes the owner's token, which programs look for before they ask anything.
        app.Services.GetRequiredService<ApiKeyCache>();

        app.UseForwardedHeaders();
        app.UseExceptionHandler();
        app.UseStatusCodePages();
        app.UseBodyLimits();
        app.UseAuthentication();
        app.UseAuthorization();
        app.UseIdempotencyKeys();

        app.MapOpenApi().RequireScope(ApiScopes.SessionsRead);
        var api = app.MapGroup("").WithCommonErrorResponses();
        api.MapEvents();
        api.MapReplay();
        api.MapSessions();
        api.MapSessionBatch();
        api.MapTranscripts();
        api.MapTerminals();
        api.MapSchedule();
        api.MapCosts();
        api.MapRunners();
        api.MapAudit();
        api.MapConfig();
        api.MapWatches();
        api.MapRoutes();
        api.MapQuestions();
        api.MapPauses();
        api.MapBreakers();
        api.MapNotifications();
        api.MapDeadLetters();
        api.MapExplain();
        api.MapKeys();
        api.MapBrowser();
        api.MapCaller();
    }
}
