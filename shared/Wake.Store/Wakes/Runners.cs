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
              -- it is drained until somebody ends that
              and r.drained_at is null
            """
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Writes down how a runner is.</summary>
    public async Task Report(string name, RunnerState state, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            update runners
            set reported_at = clock_timestamp(), warm = $2, memory_bytes = $3, claude_version = $4, problem = $5
            where name = $1
            """,
            name,
            state.Warm,
            state.MemoryBytes,
            state.ClaudeVersion,
            state.Problem
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Whether people have drained the runner of this name.</summary>
    public async Task<bool> IsDrained(string name, CancellationToken cancel)
    {
        await using var command = database.CreateCommand("select drained_at is not null from runners where name = $1");
        command.Parameters.AddWithValue(name);
        return await command.ExecuteScalarAsync(cancel) is true;
    }

    /// <summary>Drains a runner, or ends that. False: there is none of that name.</summary>
    public async Task<bool> Drain(string name, bool drained, string by, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            with before as (
                select name, drained_at from runners where name = $1 for update
            ), changed as (
                update runners r set drained_at = case when $2 then clock_timestamp() end
                from before b where r.name = b.name and (b.drained_at is null) = $2
                returning r.name
            ), noted as (
                insert into operator_actions (kind, note, done_by)
                select case when $2 then 'drained' else 'undrained' end, 'the runner ' || name, $3 from changed
            )
            select exists (select from before)
            """,
            name,
            drained,
            by
        );
        return (bool)(await batch.ExecuteScalarAsync(cancel))!;
    }

    /// <summary>Those that are connected or were a day ago, by pool and name.</summary>
    public async Task<IReadOnlyList<RunnerSummary>> List(CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            $"""
            select r.name, r.pool, r.slots, r.urgent_slots, r.warm_sessions, r.version, r.started_at, {RunnerNames.IsTaken},
                   array(select s.key from turns t join sessions s on s.id = t.session_id
                         where t.ended_at is null and t.runner = r.name and t.lease_until > clock_timestamp()
                         order by s.key),
                   r.reported_at, r.warm, r.memory_bytes, r.claude_version, r.problem, r.drained_at
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
            )
            {
                ReportedAt = row.GetNullable<DateTimeOffset>(9),
                State = new(
                    row.GetNullable<int>(10) ?? 0,
                    row.GetNullable<long>(11) ?? 0,
                    row.GetText(12),
                    row.GetText(13)
                ),
                DrainedAt = row.GetNullable<DateTimeOffset>(14),
            },
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
)
{
    /// <summary>When it reported last; null for never.</summary>
    public DateTimeOffset? ReportedAt { get; init; }

    /// <summary>How it was then.</summary>
    public required RunnerState State { get; init; }

    /// <summary>Since when it is drained; null when it is not.</summary>
    public DateTimeOffset? DrainedAt { get; init; }
}

/// <summary>How a runner is.</summary>
/// <param name="Warm">How many processes stay for the next wake of their sessions.</param>
/// <param name="MemoryBytes">The memory of the runner and of all that its runs have started.</param>
/// <param name="ClaudeVersion">The version of the CLI; null where it does not start.</param>
/// <param name="Problem">Why it takes no work: the CLI does not start, nobody is logged in, or a usage limit. Null when
/// it does.</param>
public sealed record RunnerState(int Warm, long MemoryBytes, string? ClaudeVersion, string? Problem);
