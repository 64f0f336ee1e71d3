using System.Collections.Concurrent;
using Npgsql;

namespace Wake.Producers.GitHub;

/// <summary>Backoff per host after a rate limit response, shared by all replicas and kept across restarts.</summary>
sealed class RateLimitBackoff(NpgsqlDataSource database)
{
    // What another process saved is known here this much later.
    static readonly TimeSpan CacheTtl = TimeSpan.FromSeconds(10);

    readonly ConcurrentDictionary<string, (DateTimeOffset Until, int Strikes, DateTimeOffset Read)> cache = new();

    /// <summary>Until when to ask this host nothing, and how many limits in a row led to it.</summary>
    public async ValueTask<(DateTimeOffset Until, int Strikes)> Get(
        string host,
        DateTimeOffset now,
        CancellationToken cancel
    )
    {
        if (cache.TryGetValue(host, out var pause) && pause.Read + CacheTtl > now)
            return (pause.Until, pause.Strikes);

        await using var command = database.CreateCommand("select until, strikes from github.pauses where host = $1");
        command.Parameters.AddWithValue(host);
        await using var row = await command.ExecuteReaderAsync(cancel);
        var (until, consecutiveLimits) = await row.ReadAsync(cancel)
            ? (row.GetFieldValue<DateTimeOffset>(0), row.GetInt32(1))
            : (default, 0);
        cache[host] = (until, consecutiveLimits, now);
        return (until, consecutiveLimits);
    }

    public async Task Start(
        string host,
        DateTimeOffset until,
        int consecutiveLimits,
        DateTimeOffset now,
        CancellationToken cancel
    )
    {
        await using var command = database.CreateCommand(
            """
            insert into github.pauses (host, until, strikes) values ($1, $2, $3)
            on conflict (host) do update set until = greatest(pauses.until, excluded.until), strikes = excluded.strikes
            """
        );
        command.Parameters.AddWithValue(host);
        command.Parameters.AddWithValue(until.ToUniversalTime());
        command.Parameters.AddWithValue(consecutiveLimits);
        await command.ExecuteNonQueryAsync(cancel);
        cache[host] = (until, consecutiveLimits, now);
    }

    /// <summary>The host has answered again: the next pause without a date is a short one.</summary>
    public async Task Clear(string host, DateTimeOffset now, CancellationToken cancel)
    {
        await using var command = database.CreateCommand("delete from github.pauses where host = $1");
        command.Parameters.AddWithValue(host);
        await command.ExecuteNonQueryAsync(cancel);
        cache[host] = (default, 0, now);
    }
}
