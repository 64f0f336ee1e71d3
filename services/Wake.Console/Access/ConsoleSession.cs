using System.Security.Claims;
using Wake.Contracts;

namespace Wake.WebConsole;

/// <summary>Somebody who is logged in. Their credential stays here; the browser has a cookie that names the
/// session.</summary>
public sealed class ConsoleSession
{
    readonly Action end;

    internal ConsoleSession(Credential credential, string callerId, IReadOnlyList<string> scopes, DateTimeOffset ends)
    {
        (Credential, CallerId, Scopes, Ends) = (credential, callerId, scopes, ends);

        // Without a timer there is nothing to dispose of.
        var source = new CancellationTokenSource();
        (Ended, end) = (source.Token, source.Cancel);
    }

    internal Credential Credential { get; }

    /// <summary>As whom the ledger has them.</summary>
    public string CallerId { get; }

    /// <summary>What they are called on a page: the person where the provider names one.</summary>
    public string Name => Credential is Credential.Key { Person: { } person } ? person : CallerId;

    /// <summary>Whether its cookie counts from browsers of this process's own user alone.</summary>
    internal bool IsOwnUsersAlone { get; init; }

    /// <summary>What they may do.</summary>
    public IReadOnlyList<string> Scopes { get; }

    /// <summary>When it ends by itself.</summary>
    public DateTimeOffset Ends { get; }

    /// <summary>Whether it was ended: by signing out, or because the API no longer takes the credential.</summary>
    public bool IsEnded => Ended.IsCancellationRequested;

    /// <summary>Cancelled when it was ended, for what would go on by itself.</summary>
    internal CancellationToken Ended { get; }

    /// <summary>Whether an action that needs this scope is offered. The API decides anyway.</summary>
    public bool HasScope(string scope) => Scopes.Contains(scope) || Scopes.Contains(ApiScopes.Admin);

    internal void End() => end();
}

/// <summary>A logged-in person as the user of a request and of the circuit that it opens.</summary>
sealed class ConsoleIdentity(ConsoleSession session) : ClaimsIdentity("console")
{
    public ConsoleSession Session => session;

    // Forms are protected for whoever has this name.
    public override string Name => session.Name;
}
