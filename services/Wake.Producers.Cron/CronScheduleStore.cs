using Npgsql;
using NpgsqlTypes;

namespace Wake.Producers.Cron;

/// <summary>
/// Where each schedule stands. What is to fire is decided once, under the row's lock, and committed before it is
/// published: whoever dies in between leaves it for another, who publishes the same with the same dedup keys.
/// </summary>
sealed class CronScheduleStore(NpgsqlDataSource database)
{
    // A claim older than this is taken over: its replica died or the broker is down, for which every replica would have
    // to wait.
    const string ClaimTimeout = "5 seconds";

    /// <summary>Decides what to fire now; nothing while another replica is at it.</summary>
    public async Task<FireTimesClaim> ClaimDueTimes(
        string name,
        string terms,
        Func<DateTimeOffset, DateTimeOffset, IReadOnlyList<DateTimeOffset>> due,
        CancellationToken cancel
    )
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);

        // A new schedule begins now, and so does one whose terms are new.
        await using (
            var begin = new NpgsqlCommand(
                """
                insert into cron_schedules as known (name, terms, decided_until) values ($1, $2, now())
                on conflict (name) do update set terms = excluded.terms, decided_until = now() where known.terms <> excluded.terms
                """,
                connection,
                transaction
            )
        )
        {
            begin.Parameters.AddWithValue(name);
            begin.Parameters.AddWithValue(terms);
            await begin.ExecuteNonQueryAsync(cancel);
        }

        DateTimeOffset until,
            now;
        DateTime[] owed;
        bool givenUp;
        await using (
            var look = new NpgsqlCommand(
                $"""
                select decided_until, now(), owed, owed_at is null or owed_at < now() - interval '{ClaimTimeout}'
                from cron_schedules where name = $1 for update
                """,
                connection,
                transaction
            )
        )
        {
            look.Parameters.AddWithValue(name);
            await using var row = await look.ExecuteReaderAsync(cancel);
            await row.ReadAsync(cancel);
            (until, now) = (row.GetFieldValue<DateTimeOffset>(0), row.GetFieldValue<DateTimeOffset>(1));
            (owed, givenUp) = (row.GetFieldValue<DateTime[]>(2), row.GetBoolean(3));
        }

        if (owed is not [] && !givenUp)
            return new([], now, LockedByAnotherReplica: true);

        var takenOver = owed is not [];
        if (!takenOver)
            owed = [.. due(until, now).Select(x => x.UtcDateTime)];

        // Never back, or a clock that is set back would have some of them fire twice.
        await using (
            var decide = new NpgsqlCommand(
                """
                update cron_schedules
                set owed = $2, owed_at = case when $2 = '{}' then null else now() end, decided_until = greatest(decided_until, $3)
                where name = $1
                """,
                connection,
                transaction
            )
        )
        {
            decide.Parameters.AddWithValue(name);
            decide.Parameters.Add(TimesParameter(owed));
            decide.Parameters.AddWithValue(takenOver ? until : now);
            await decide.ExecuteNonQueryAsync(cancel);
        }

        await transaction.CommitAsync(cancel);
        return new([.. owed.Select(x => new DateTimeOffset(x))], now, LockedByAnotherReplica: false);
    }

    /// <summary>Notes that these were published.</summary>
    public async Task MarkPublished(string name, IReadOnlyList<DateTimeOffset> fired, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            "update cron_schedules set owed = '{}', owed_at = null where name = $1 and owed = $2"
        );
        command.Parameters.AddWithValue(name);
        command.Parameters.Add(TimesParameter([.. fired.Select(x => x.UtcDateTime)]));
        await command.ExecuteNonQueryAsync(cancel);
    }

    static NpgsqlParameter TimesParameter(DateTime[] times) =>
        new() { Value = times, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.TimestampTz };
}

/// <summary>What a replica has to publish.</summary>
/// <param name="FireTimes">The fire times.</param>
/// <param name="Now">The database's clock.</param>
/// <param name="LockedByAnotherReplica">Another replica publishes something of this schedule right now.</param>
sealed record FireTimesClaim(IReadOnlyList<DateTimeOffset> FireTimes, DateTimeOffset Now, bool LockedByAnotherReplica);
