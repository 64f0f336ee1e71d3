using System.Security.Cryptography;
using Wake.Store;

namespace Wake.Gateway;

/// <summary>
/// Browser sessions, in memory only: a restart ends them. <c>wake open</c> gets a one-time code valid for a minute; the
/// browser exchanges it for a cookie.
/// </summary>
sealed class BrowserSessions(TimeProvider time)
{
    /// <summary>How long a code is good for: a browser that has to start first takes a few seconds.</summary>
    public static readonly TimeSpan CodeLifetime = TimeSpan.FromMinutes(1);

    /// <summary>How long a browser is let in: a day's work.</summary>
    public static readonly TimeSpan SessionLifetime = TimeSpan.FromHours(12);

    // One person has few browsers. The oldest go first.
    const int MaxEntries = 16;

    readonly Lock mutex = new();
    readonly List<Entry> codes = [],
        cookies = [];

    /// <summary>A code for one browser.</summary>
    public (string Code, DateTimeOffset Ends) CreateCode() => Issue(codes, CodeLifetime);

    /// <summary>What a browser gets for a code, which is used up by that; null when it is none.</summary>
    public (string Cookie, DateTimeOffset Ends)? ExchangeCode(string code)
    {
        lock (mutex)
            return Find(codes, code) is { } invited && codes.Remove(invited) ? Issue(cookies, SessionLifetime) : null;
    }

    /// <summary>Whether a browser was let in and still is.</summary>
    public bool IsValid(string cookie)
    {
        lock (mutex)
            return Find(cookies, cookie) is not null;
    }

    /// <summary>Lets a browser in no more.</summary>
    public void End(string cookie)
    {
        lock (mutex)
        {
            if (Find(cookies, cookie) is { } entry)
                cookies.Remove(entry);
        }
    }

    (string, DateTimeOffset) Issue(List<Entry> entries, TimeSpan lasts)
    {
        var (secret, ends) = (SecretTokens.Generate(), time.GetUtcNow() + lasts);
        lock (mutex)
        {
            entries.Add(new(SecretTokens.Hash(secret), ends));
            if (entries.Count > MaxEntries)
                entries.RemoveAt(0);
        }

        return (secret, ends);
    }

    Entry? Find(List<Entry> entries, string secret)
    {
        var hash = SecretTokens.Hash(secret);
        return entries.Find(x => x.Ends > time.GetUtcNow() && CryptographicOperations.FixedTimeEquals(x.Hash, hash));
    }

    sealed record Entry(byte[] Hash, DateTimeOffset Ends);
}
