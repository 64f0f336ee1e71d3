using System.Security.Claims;
using Wake.Contracts;
using Wake.Store;

namespace Wake.Gateway;

/// <summary>Who came in, and what they may do.</summary>
/// <param name="Id">Tells callers apart; no secret.</param>
/// <param name="Scopes">What they may do.</param>
sealed record Caller(string Id, IReadOnlyList<string> Scopes)
{
    /// <summary>A program of the user this Wake belongs to.</summary>
    public static Caller Owner { get; } = new("owner", [ApiScopes.Admin]);

    /// <summary>A browser that the owner has let in.</summary>
    public static Caller Browser { get; } = new("browser", [ApiScopes.Admin]);

    /// <summary>For whom a program calls that people log in to, by its word; null when it names nobody.</summary>
    public string? Person { get; init; }

    /// <summary>As whom the ledger has them: a person is named together with whoever vouches for that.</summary>
    public string Name => Person is null ? Id : $"{Person} ({Id})";

    /// <summary>The session whose turn calls; null when it is nobody's turn.</summary>
    public RunningSession? Run { get; init; }

    /// <summary>What runs in a session's turn, which has no scopes: it comes in where an endpoint says so
    /// (<see cref="AllowsRunTokens"/>).</summary>
    public static Caller From(RunningSession run) => new($"run of {run.Id}", []) { Run = run };

    /// <summary>Whether it may speak for a session: what runs in a turn for its own alone.</summary>
    public bool MayActFor(string session) => Run is null || Run.Key == session;

    /// <summary>What events they may publish.</summary>
    public PublishPermissions Rights { get; init; } = PublishPermissions.Unrestricted;

    /// <summary>Namespace of the caller's dedup keys; null is the namespace shared by all admin callers.</summary>
    public string? Namespace { get; init; }

    /// <summary>Whoever has a key that was made here.</summary>
    public static Caller FromKey(ApiKey key) =>
        new($"{key.Id}", key.Scopes)
        {
            Rights = key.PublishPermissions,
            Namespace = key.Scopes.Contains(ApiScopes.Admin) ? null : $"key:{key.Namespace ?? $"{key.Id}"}",
        };

    /// <summary>Whoever sent a request that was let in.</summary>
    public static Caller From(HttpContext http) => ((CallerIdentity)http.User.Identity!).Caller;

    /// <summary>The answer to events that they may not publish; null when they may.</summary>
    public IResult? Refusal(params IEnumerable<ExternalEventObserved> events)
    {
        foreach (var observed in events)
        {
            var why =
                observed.Urgent && !HasScope(ApiScopes.SessionsWrite)
                    ? "An urgent event is a person's word: it needs a key with the scope "
                        + $"{ApiScopes.SessionsWrite}. Leave urgent out."
                : observed.Sessions is { Count: > 0 } && Rights.Subjects is not [] && !HasScope(ApiScopes.SessionsWrite)
                    ? "A key that is for some subjects names no sessions without the scope "
                        + $"{ApiScopes.SessionsWrite}: any session could be meant. Leave sessions out."
                : Rights.DenialReason(observed);
            if (why is not null)
                return ProblemResults.Create(StatusCodes.Status403Forbidden, why);
        }

        return null;
    }

    public bool HasScope(string scope) => Scopes.Contains(scope) || Scopes.Contains(ApiScopes.Admin);
}

/// <summary>The caller as the user of a request.</summary>
sealed class CallerIdentity(Caller caller) : ClaimsIdentity(ApiKeyHandler.SchemeName)
{
    public Caller Caller => caller;
}
