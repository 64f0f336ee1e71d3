using System.Globalization;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;

namespace Wake.Gateway;

/// <summary>
/// Authenticates requests: API keys, the owner token of the data folder, tokens of turns, and browser cookies. Owner
/// token and cookie are accepted only on a loopback host name, which defeats DNS rebinding.
/// </summary>
/// <remarks>Its base says of every refusal that there was one, so it gets no log: a stranger would fill it.</remarks>
sealed class ApiKeyHandler(
    IOptionsMonitor<AuthenticationSchemeOptions> options,
    ApiKeyCache keyCache,
    BrowserSessions browsers,
    [FromKeyedServices(ApiKeyHandler.SchemeName)] AuthenticationFailureLimiter failures,
    ILogger<ApiKeyHandler> log
) : AuthenticationHandler<AuthenticationSchemeOptions>(options, NullLoggerFactory.Instance, UrlEncoder.Default)
{
    /// <summary>The scheme's name, which the OpenAPI document has too.</summary>
    public const string SchemeName = "key";

    // The answer to whoever is not let in.
    IResult? refusal;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        // Webhooks prove themselves by a signature of their own. A token that they send is no guess at a key.
        if (Context.GetEndpoint()?.Metadata.GetMetadata<IAllowAnonymous>() is not null)
            return AuthenticateResult.NoResult();

        var header = Request.Headers.Authorization.ToString();
        if (header.Length == 0)
        {
            return Request.Cookies[BrowserApi.Cookie] is { Length: > 0 } cookie && browsers.IsValid(cookie)
                ? Accept(
                    Caller.Browser,
                    ApiKeyAuthentication.RejectNonLocal(Context) ?? ApiKeyAuthentication.RejectCrossSite(Context)
                )
                : Reject(Unauthorized("Bearer", keyCache.MissingKeyHint));
        }

        return
            header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)
            && await keyCache.Find(header[7..].Trim(), Context.RequestAborted) is { } caller
            ? Accept(caller, caller == Caller.Owner ? ApiKeyAuthentication.RejectNonLocal(Context) : null)
            : Reject(RejectWrongKey());
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties) => refusal!.ExecuteAsync(Context);

    AuthenticateResult Accept(Caller caller, IResult? refused)
    {
        if ((refused ?? OnBehalfOf.Reject(Request, caller)) is { } answer)
            return Reject(answer);

        var named = caller with { Person = OnBehalfOf.Person(Request) };
        return AuthenticateResult.Success(new(new(new CallerIdentity(named)), SchemeName));
    }

    AuthenticateResult Reject(IResult answer)
    {
        refusal = answer;
        return AuthenticateResult.Fail("The request is refused.");
    }

    IResult RejectWrongKey()
    {
        // Only failed attempts are throttled. Keys cannot be guessed, so a valid key from a throttled address is still
        // accepted.
        var address = Context.Connection.RemoteIpAddress;
        failures.RecordFailure(address);
        if (failures.RetryAfter(address) is { } wait)
        {
            Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
            return ProblemResults.Create(
                StatusCodes.Status429TooManyRequests,
                "Too many wrong keys came from this address."
            );
        }

        log.LogWarning("A wrong key came from {Address}.", address);
        return Unauthorized(
            "Bearer error=\"invalid_token\"",
            "The key is invalid or has expired. Create another with wake keys create (needs a key with the scope "
                + "admin)."
        );
    }

    IResult Unauthorized(string challenge, string detail)
    {
        Response.Headers.WWWAuthenticate = challenge;
        return ProblemResults.Create(StatusCodes.Status401Unauthorized, detail);
    }
}
