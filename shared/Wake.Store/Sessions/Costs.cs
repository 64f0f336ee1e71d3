using Npgsql;

namespace Wake.Store;

/// <summary>What sessions have cost so far, and which day it was paid on. Days are UTC, by the database's
/// clock.</summary>
public sealed class Costs(NpgsqlDataSource database)
{
    /// <summary>What counts against the budgets of a session's next turn.</summary>
    public async Task<Spent> GetSpent(Guid sessionId, string profile, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            $"""
            select (select coalesce(sum(usd), 0) from spending where session_id = $1),
                   (select coalesce(sum(x.usd), 0) from spending x join sessions s on s.id = x.session_id
                    where x.day = today.day and s.profile = $2),
                   (today.day + 1)::timestamp at time zone 'utc' - clock_timestamp()
            from (select {Sql.TodayUtc} as day) today
            """
        );
        command.Parameters.AddWithValue(sessionId);
        command.Parameters.AddWithValue(profile);
        await using var rows = await command.ExecuteReaderAsync(cancel);
        await rows.ReadAsync(cancel);
        return new(rows.GetDecimal(0), rows.GetDecimal(1), rows.GetFieldValue<TimeSpan>(2));
    }

    /// <summary>The sessions of each profile together, within the last days, the dearest first.</summary>
    public async Task<IReadOnlyList<ProfileCost>> ListProfiles(int days, int limit, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            $"""
            select s.profile, sum(x.usd), coalesce(sum(x.usd) filter (where x.day = today.day), 0),
                   count(distinct x.session_id)::int
            from (select {Sql.TodayUtc} as day) today
            join spending x on x.day > today.day - $1 and x.day <= today.day
            join sessions s on s.id = x.session_id
            group by s.profile
            order by 2 desc, 1
            limit $2
            """
        );
        command.Parameters.AddWithValue(days);
        command.Parameters.AddWithValue(limit);
        return await command.ReadAll(
            row => new ProfileCost(row.GetString(0), row.GetDecimal(1), row.GetDecimal(2), row.GetInt32(3)),
            cancel
        );
    }

    /// <summary>All sessions together, by day, the newest first; days on which nothing was paid are left out.</summary>
    public async Task<IReadOnlyList<DayCost>> ListDays(int limit, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            with recursive newest as (
                (select day, 1 as n from spending order by day desc limit 1)
                union all
                select (select s.day from spending s where s.day < newest.day order by s.day desc limit 1), n + 1
                from newest
                where n < $1 and newest.day is not null
            )
            select day, sum(usd), sum(input_tokens)::bigint, sum(output_tokens)::bigint, sum(cache_read_tokens)::bigint,
                   sum(cache_creation_tokens)::bigint, count(*)::int
            from spending
            where day = any (array(select day from newest))
            group by day
            order by day desc
            limit $1
            """
        );
        command.Parameters.AddWithValue(limit);
        return await command.ReadAll(
            row => new DayCost(
                row.GetFieldValue<DateOnly>(0),
                row.GetDecimal(1),
                new(row.GetInt64(2), row.GetInt64(3), row.GetInt64(4), row.GetInt64(5)),
                row.GetInt32(6)
            ),
            cancel
        );
    }
}

/// <summary>What the sessions of a profile cost.</summary>
/// <param name="Profile">The profile.</param>
/// <param name="CostUsd">What was paid within the days asked for.</param>
/// <param name="CostTodayUsd">What of it today.</param>
/// <param name="Sessions">How many sessions it was paid for.</param>
public sealed record ProfileCost(string Profile, decimal CostUsd, decimal CostTodayUsd, int Sessions);

/// <summary>What has been spent of a session's budgets.</summary>
/// <param name="Session">By the session, ever.</param>
/// <param name="Today">By all sessions of its profile, today.</param>
/// <param name="UntilTomorrow">How long today still lasts.</param>
public readonly record struct Spent(decimal Session, decimal Today, TimeSpan UntilTomorrow);

/// <summary>What a day cost.</summary>
/// <param name="Day">The day, UTC.</param>
/// <param name="CostUsd">What was paid.</param>
/// <param name="Tokens">What was read and written for it.</param>
/// <param name="Sessions">How many sessions it was paid for.</param>
public sealed record DayCost(DateOnly Day, decimal CostUsd, TokenUsage Tokens, int Sessions);
