using System.Net;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;

namespace Wake.WebConsole;

/// <summary>
/// Log-in at an OpenID Connect provider: the code flow with PKCE. What it ends in is a session like that of a key: the
/// key of the person's role, and their name with it.
/// </summary>
static class OpenIdConnectLogin
{
    /// <summary>Where a log-in at the provider begins.</summary>
    public const string StartPath = $"{ConsoleAccess.LoginPath}/openid";

    // Where the provider sends the browser back to; the provider has to know it.
    const string CallbackPath = $"{StartPath}/callback";

    // Nobody waits longer for a page.
    static readonly TimeSpan ProviderTimeout = TimeSpan.FromSeconds(10);

    public static void AddOpenIdConnectLogin(this IServiceCollection services, OpenIdConnectProvider provider) =>
        services
            .AddAuthentication()
            .AddOpenIdConnect(connect =>
            {
                connect.Authority = provider.Authority!.AbsoluteUri;
                connect.ClientId = provider.ClientId;
                connect.ClientSecret = provider.ClientSecret;
                connect.RequireHttpsMetadata = !provider.Authority.IsLoopback;
                connect.ResponseType = OpenIdConnectResponseType.Code;
                connect.UsePkce = true;
                connect.CallbackPath = CallbackPath;
                connect.MapInboundClaims = false;
                // What the scopes ask for need not be in the token (OpenID Connect Core 5.4): Okta leaves it here.
                connect.GetClaimsFromUserInfoEndpoint = true;
                connect.ClaimActions.MapJsonKey(provider.RoleClaim, provider.RoleClaim);
                connect.ClaimActions.MapUniqueJsonKey(provider.NameClaim, provider.NameClaim);
                connect.ClaimActions.MapUniqueJsonKey("email_verified", "email_verified");
                connect.BackchannelTimeout = ProviderTimeout;
                connect.BackchannelHttpHandler = new SocketsHttpHandler
                {
                    AllowAutoRedirect = false,
                    UseProxy = !provider.Authority.IsLoopback,
                };
                connect.Scope.Clear();
                foreach (var scope in provider.Scopes is [] ? OpenIdConnectProvider.UsualScopes : provider.Scopes)
                    connect.Scope.Add(scope);

                // The way back is a link, which a browser sends cookies along with that are Lax; a form of the
                // provider's would need cookies that any page can send.
                connect.ResponseMode = OpenIdConnectResponseMode.Query;
                foreach (var cookie in (CookieBuilder[])[connect.NonceCookie, connect.CorrelationCookie])
                    (cookie.SameSite, cookie.SecurePolicy) = (SameSiteMode.Lax, CookieSecurePolicy.SameAsRequest);

                connect.Events.OnTicketReceived = LetIn;
                connect.Events.OnRemoteFailure = Refuse;
            });

    public static void MapOpenIdConnectLogin(this IEndpointRouteBuilder routes)
    {
        routes.MapGet(StartPath, Start);
        routes.MapGet(CallbackPath, Finish);
    }

    static async Task Start(HttpContext http, ILogger<ConsoleSession> log, string? to = null)
    {
        try
        {
            await http.ChallengeAsync(
                OpenIdConnectDefaults.AuthenticationScheme,
                new() { RedirectUri = ConsoleAccess.LocalPath(to) }
            );
        }
        // The handler says by this that it could not read the provider's discovery document.
        catch (InvalidOperationException away)
        {
            log.LogWarning("The OpenID Connect provider cannot be asked: {Reason}", away.GetBaseException().Message);
            Refuse(http, "provider", to);
        }
    }

    static async Task Finish(HttpContext http)
    {
        var handlers = http.RequestServices.GetRequiredService<IAuthenticationHandlerProvider>();
        if (
            await handlers.GetHandlerAsync(http, OpenIdConnectDefaults.AuthenticationScheme)
                is not IAuthenticationRequestHandler handler
            || !await handler.HandleRequestAsync()
        )
            Refuse(http, "begun", to: null);
    }

    static async Task LetIn(TicketReceivedContext received)
    {
        received.HandleResponse();
        var (http, to) = (received.HttpContext, received.ReturnUri);
        var services = http.RequestServices;
        var provider = services.GetRequiredService<IOptions<ConsoleOptions>>().Value.OpenIdConnect!;
        var log = services.GetRequiredService<ILogger<ConsoleSession>>();
        if (provider.FindPerson(received.Principal!) is not { } person)
        {
            log.LogWarning("The provider names nobody: it sent neither {Claim} nor sub.", provider.NameClaim);
            Refuse(http, "name", to);
            return;
        }

        if (provider.Roles.FindKey(received.Principal!, provider.RoleClaim) is not { } key)
        {
            log.LogInformation("{Person} has logged in and has no role here.", person);
            Refuse(http, "role", to);
            return;
        }

        try
        {
            await LoginEndpoints.LetIn(http, new(key, person), LoginEndpoints.OpenIdConnectWay);
        }
        catch (ApiException refused)
        {
            log.LogWarning(
                "The API does not let {Person} in by the key of their role: {Reason}",
                person,
                refused.Message
            );
            Refuse(
                http,
                refused.Status switch
                {
                    HttpStatusCode.BadRequest => "name",
                    HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => "rolekey",
                    _ => "away",
                },
                to
            );
            return;
        }

        // Not by redirect: a browser that comes from the provider's page sends no cookie on that is SameSite=Strict.
        await LoginEndpoints.WriteForwarder(http, ConsoleAccess.LocalPath(to));
    }

    static Task Refuse(RemoteFailureContext failed)
    {
        failed.HandleResponse();
        var log = failed.HttpContext.RequestServices.GetRequiredService<ILogger<ConsoleSession>>();
        log.LogWarning(
            "A log-in at the OpenID Connect provider failed: {Reason}",
            failed.Failure?.GetBaseException().Message
        );
        Refuse(
            failed.HttpContext,
            failed.Failure switch
            {
                _ when !IsBegunHere(failed) => "begun",
                _ when failed.Request.Query["error"] == "access_denied" => "denied",
                HttpRequestException or TaskCanceledException => "provider",
                { InnerException: HttpRequestException or IOException } => "provider",
                _ => "token",
            },
            failed.Properties?.RedirectUri
        );
        return Task.CompletedTask;
    }

    // The cookie that the beginning has left in this browser. Without it somebody else's log-in is handed on.
    static bool IsBegunHere(RemoteFailureContext failed) =>
        failed.Properties is not null
        && failed.Request.Cookies.Keys.Any(x =>
            x.StartsWith(failed.Options.CorrelationCookie.Name!, StringComparison.Ordinal)
        );

    static void Refuse(HttpContext http, string reason, string? to) =>
        LoginEndpoints.Refuse(http, reason, to, LoginEndpoints.OpenIdConnectWay);
}
