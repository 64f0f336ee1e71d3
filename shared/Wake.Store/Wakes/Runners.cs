using Npgsql;

namespace Wake.Store;

/// <summary>The runners: what each said of itself when it started, and what it does now.</summary>
public sealed class Runners(NpgsqlDataSource database)
{
    // Longer than anybody asks what became of one.
    const string RememberedFor = "1 day";

    /// <summary>Notes a runner that has taken its name, and forgets those that are long gone.</summary>
    public async Task Register(
        string name,
        string pool,
        int slots,
        int urgentSlots,
        int warmSessions,
        string version,
        CancellationToken cancel
    )
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            insert into runners (name, pool, slots, urgent_slots, warm_sessions, version) values ($1, $2, $3, $4, $5, $6)
            on conflict (name) do update
                set pool = excluded.pool, slots = excluded.slots, urgent_slots = excluded.urgent_slots,
                    warm_sessions = excluded.warm_sessions, version = excluded.version, started_at = excluded.started_at
            """,
            name,
            pool,
            slots,
            urgentSlots,
            warmSessions,
            version
        );
        batch.Add(
            $"""
            delete from runners r
            where r.started_at < clock_timestamp() - interval '{RememberedFor}' and not {RunnerNames.IsTaken}
            """
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Those that are connected or were a day ago, by pool and name.</summary>
    public async Task<IReadOnlyList<RunnerSummary>> List(CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            $"""
            select r.name, r.pool, r.slots, r.urgent_slots, r.warm_sessions, r.version, r.started_at, {RunnerNames.IsTaken},
                   array(select s.key from turns t join sessions s on s.id = t.session_id
                         where t.ended_at is null and t.runner = r.name and t.lease_until > clock_timestamp()
                         order by s.key)
            from runners r
            order by r.pool, r.name
            """
        );
        return await command.ReadAll(
            row => new RunnerSummary(
                row.GetString(0),
                row.GetString(1),
                row.GetInt32(2),
                row.GetInt32(3),
                row.GetInt32(4),
                row.GetString(5),
                row.GetFieldValue<DateTimeOffset>(6),
                row.GetBoolean(7),
                row.GetFieldValue<string[]>(8)
            ),
            cancel
        );
    }
}

/// <summary>A runner.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Pool">The pool it belongs to.</param>
/// <param name="Slots">How many turns it runs at the same time.</param>
/// <param name="UrgentSlots">How many more, that a person waits for.</param>
/// <param name="WarmSessions">How many processes stay after their turn at most.</param>
/// <param name="Version">The version of Wake.</param>
/// <param name="StartedAt">When it started.</param>
/// <param name="Connected">Whether it is there.</param>
/// <param name="Running">The keys of the sessions whose turns it runs.</param>
public sealed record RunnerSummary(
    string Name,
    string Pool,
    int Slots,
    int UrgentSlots,
    int WarmSessions,
    string Version,
    DateTimeOffset StartedAt,
    bool Connected,
    IReadOnlyList<string> Running
);
