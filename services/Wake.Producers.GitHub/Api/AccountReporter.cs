using System.Collections.Concurrent;
using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Producers.GitHub;

/// <summary>Notes for people how the accounts are: what is left of their requests, and what a gap cost.</summary>
sealed class AccountReporter(
    SourceReports reports,
    RateLimitBackoff backoff,
    IOptions<GitHubOptions> options,
    TimeProvider time,
    ILogger<AccountReporter> log
)
{
    // A person looks once; each of many repositories would write otherwise.
    static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    readonly ConcurrentDictionary<string, long> notedAt = new();

    /// <summary>Notes what is left of an account's requests, once a minute.</summary>
    public async Task Note(string account, GitHubRateLimit? left, CancellationToken cancel)
    {
        var now = time.GetTimestamp();
        if (notedAt.TryGetValue(account, out var last) && time.GetElapsedTime(last, now) < Interval)
            return;

        if (await Write(account, left, gap: null, cancel))
            notedAt[account] = now;
    }

    /// <summary>Notes that deliveries of an account's hook had to be asked for again.</summary>
    public Task NoteGap(string account, int deliveries, CancellationToken cancel) =>
        Write(account, left: null, deliveries, cancel);

    async Task<bool> Write(string account, GitHubRateLimit? left, int? gap, CancellationToken cancel)
    {
        try
        {
            var host = options.Value.Accounts[account].Host;
            var (until, _) = await backoff.Get(host, time.GetUtcNow(), cancel);
            await reports.NoteAccount(
                new(account, host)
                {
                    Limit = left?.Limit,
                    Remaining = left?.Remaining,
                    ResetAt = left?.Reset,
                    PausedUntil = until > time.GetUtcNow() ? until : null,
                    Gap = gap,
                },
                cancel
            );
            return true;
        }
        catch (Exception away) when (PostgresErrors.IsFailure(away))
        {
            log.LogDebug("How the account {Account} is could not be noted: {Reason}", account, away.Message);
            return false;
        }
    }
}
