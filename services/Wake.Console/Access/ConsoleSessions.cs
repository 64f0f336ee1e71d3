using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Options;

namespace Wake.WebConsole;

/// <summary>Who is logged in, in memory only: a restart ends it.</summary>
sealed class ConsoleSessions(GatewayConnection gateway, IOptions<ConsoleOptions> options, TimeProvider time)
{
    /// <summary>The cookie of a browser that has logged in with a key.</summary>
    public const string Cookie = "wake-console";

    // A few hundred bytes each. The oldest go first.
    const int MaxSessions = 10_000;

    readonly Lock mutex = new();
    readonly Dictionary<string, ConsoleSession> sessions = [];

    /// <summary>Lets somebody in who has a key, and returns what their browser is to send.</summary>
    /// <param name="key">The key.</param>
    /// <param name="isOwnUsersAlone">Whether the cookie counts from browsers of this process's own user alone.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="ApiException">The API does not take the key.</exception>
    public async Task<(string Cookie, ConsoleSession Session)> LogIn(
        Credential.Key key,
        bool isOwnUsersAlone,
        CancellationToken cancel
    )
    {
        var secret = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
        return (secret, await Open(secret, key, isOwnUsersAlone, cancel));
    }

    /// <summary>The session of a cookie; null when it has none, or no longer.</summary>
    public ConsoleSession? Find(string cookie)
    {
        lock (mutex)
            return
                sessions.GetValueOrDefault(Hash(cookie)) is { IsEnded: false } session
                && session.Ends > time.GetUtcNow()
                ? session
                : null;
    }

    /// <summary>The session of a browser that the gateway of the same process has let in.</summary>
    public async Task<ConsoleSession?> FindLocal(string cookie, CancellationToken cancel)
    {
        if (Find(cookie) is { } known)
            return known;

        try
        {
            return await Open(cookie, new Credential.Browser(cookie), isOwnUsersAlone: true, cancel);
        }
        catch (ApiException refused) when (refused.Status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
        {
            return null;
        }
    }

    async Task<ConsoleSession> Open(
        string secret,
        Credential credential,
        bool isOwnUsersAlone,
        CancellationToken cancel
    )
    {
        var caller = await gateway.FindCaller(credential, cancel);
        var session = new ConsoleSession(
            credential,
            caller.Id,
            caller.Scopes,
            time.GetUtcNow() + options.Value.SessionLifetime
        )
        {
            IsOwnUsersAlone = isOwnUsersAlone,
        };
        lock (mutex)
        {
            if (sessions.Count >= MaxSessions)
                RemoveOldest();
            sessions[Hash(secret)] = session;
        }

        return session;
    }

    void RemoveOldest()
    {
        foreach (
            var (hash, session) in sessions
                .OrderBy(x => x.Value.IsEnded ? DateTimeOffset.MinValue : x.Value.Ends)
                .Take(MaxSessions / 10)
                .ToList()
        )
        {
            session.End();
            sessions.Remove(hash);
        }
    }

    // What is stored here lets nobody in.
    static string Hash(string secret) => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));
}
