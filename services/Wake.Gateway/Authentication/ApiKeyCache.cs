using System.Security.Cryptography;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.Store;

namespace Wake.Gateway;

/// <summary>
/// API keys cached in memory, at most 5 s old (1 s for an unknown key). Tokens of turns are looked up on every request,
/// because they end with the turn.
/// </summary>
sealed class ApiKeyCache(ApiKeys keys, RunTokens runs, IOptions<GatewayOptions> options, TimeProvider time)
    : IDisposable
{
    /// <summary>How long a key that was revoked elsewhere may still open this door.</summary>
    static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(5);

    /// <summary>How often, at most, it looks for a key that it does not know, which may have been made a moment
    /// ago.</summary>
    static readonly TimeSpan UnknownKeyMaxAge = TimeSpan.FromSeconds(1);

    /// <summary>How exact the last use is.</summary>
    static readonly TimeSpan LastUsedResolution = TimeSpan.FromMinutes(1);

    /// <summary>How many tokens of runs it looks for at a time: wrong ones cost a look each, and shall not take the
    /// database from others.</summary>
    const int MaxConcurrentRunLookups = 4;

    readonly SemaphoreSlim refreshing = new(1);
    readonly SemaphoreSlim findingRuns = new(MaxConcurrentRunLookups);
    readonly CachedKey[] configured =
    [
        .. from key in options.Value.ApiKeys
        let hash = SecretTokens.Hash(key)
        select new CachedKey(null, hash, new(Convert.ToHexStringLower(hash[..8]), [ApiScopes.Admin])),
        .. options.Value.TokenFile is { Length: > 0 } file
            ? [new CachedKey(null, SecretTokens.Hash(OwnerToken.Issue(file)), Caller.Owner)]
            : (CachedKey[])[],
    ];

    KeySnapshot snapshot = new([], null);

    /// <summary>What to tell whoever brings nothing.</summary>
    public string MissingKeyHint { get; } =
        options.Value.TokenFile is { Length: > 0 } own
            ? $"This needs the token in {own}, or a key: send Authorization: Bearer TOKEN. The wake command finds "
                + "the token by itself in the data folder, which --data or WAKE_DATA names; wake keys create makes "
                + "keys for other programs; a browser comes in by wake open."
            : "This needs a key: send Authorization: Bearer KEY. The wake command takes it from WAKE_API_KEY.";

    /// <summary>Whose key it is; null when it is nobody's.</summary>
    public async ValueTask<Caller?> Find(string key, CancellationToken cancel)
    {
        var hash = SecretTokens.Hash(key);
        if (Find(configured, hash) is { } chosen)
            return chosen.Caller;

        if (key.StartsWith(RunTokens.Prefix, StringComparison.Ordinal))
            return await FindRunToken(key, cancel);

        if (!key.StartsWith(ApiKeys.Prefix, StringComparison.Ordinal))
            return null;

        var held =
            Find((await GetSnapshot(MaxAge, cancel)).Keys, hash)
            ?? Find((await GetSnapshot(UnknownKeyMaxAge, cancel)).Keys, hash);
        if (held is null || held.Key!.ExpiresAt <= time.GetUtcNow())
            return null;

        if (held.TryMarkUsed(time.GetUtcNow(), LastUsedResolution))
            await keys.MarkUsed(held.Key.Id, cancel);
        return held.Caller;
    }

    /// <summary>Makes the next request look again, because the keys were changed here.</summary>
    public async Task Invalidate()
    {
        // Whoever reads at the moment may have read before the change.
        await refreshing.WaitAsync();
        snapshot = new([], null);
        refreshing.Release();
    }

    public void Dispose()
    {
        refreshing.Dispose();
        findingRuns.Dispose();
    }

    // Asked for every time, because it ends with its turn.
    async Task<Caller?> FindRunToken(string token, CancellationToken cancel)
    {
        await findingRuns.WaitAsync(cancel);
        try
        {
            return await runs.FindSession(token, cancel) is { } run ? Caller.From(run) : null;
        }
        finally
        {
            findingRuns.Release();
        }
    }

    // All of them, so that how long it takes says nothing of which.
    static CachedKey? Find(CachedKey[] all, byte[] hash)
    {
        CachedKey? found = null;
        foreach (var one in all)
        {
            if (CryptographicOperations.FixedTimeEquals(one.Sha256, hash))
                found = one;
        }

        return found;
    }

    async ValueTask<KeySnapshot> GetSnapshot(TimeSpan age, CancellationToken cancel)
    {
        if (snapshot is { LoadedAt: { } read } recent && time.GetElapsedTime(read) < age)
            return recent;

        await refreshing.WaitAsync(cancel);
        try
        {
            if (snapshot is { LoadedAt: { } readNow } others && time.GetElapsedTime(readNow) < age)
                return others;

            var begun = time.GetTimestamp();
            var all = await keys.List(cancel);
            return snapshot = new([.. all.Select(x => new CachedKey(x.Key, x.Sha256, Caller.FromKey(x.Key)))], begun);
        }
        finally
        {
            refreshing.Release();
        }
    }

    sealed record KeySnapshot(CachedKey[] Keys, long? LoadedAt);

    sealed class CachedKey(ApiKey? key, byte[] sha256, Caller caller)
    {
        long used = key?.LastUsedAt?.Ticks ?? 0;

        public ApiKey? Key => key;

        public byte[] Sha256 => sha256;

        public Caller Caller => caller;

        // True for one of those that ask at the same time.
        public bool TryMarkUsed(DateTimeOffset now, TimeSpan every)
        {
            var before = Interlocked.Read(ref used);
            return now.UtcTicks - before >= every.Ticks
                && Interlocked.CompareExchange(ref used, now.UtcTicks, before) == before;
        }
    }
}
