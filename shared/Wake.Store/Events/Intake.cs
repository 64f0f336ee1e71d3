using System.Data;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;
using Wake.Contracts;

namespace Wake.Store;

/// <summary>
/// Takes observations in: every one is new or a duplicate, belongs to some sessions or to none, and when
/// <see cref="Accept"/> returns all of that is committed and counted. The body behind every front: AMQP, HTTP, in
/// memory, and a date that has come.
/// </summary>
public sealed class Intake(NpgsqlDataSource database, IOptions<Profiles> profiles)
{
    static readonly string Statement = EventMatch.Expand(Sql.ReadResource("Intake.sql"));

    // The planner takes every batch for ten rows and would join its parts by comparing each row with each. The look-ups
    // are lateral, so that for them nothing else is left. The id of the transaction is there before the statement reads
    // the watches: by it a look-back knows that events may come which it did not see, and which had not seen its watch.
    const string Planning = """
        select set_config('enable_nestloop', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true), pg_current_xact_id()
        """;

    // A commit that has written something waits for the disk, where all before it is by then, too.
    const string Flush = "select pg_logical_emit_message(true, 'wake', '')";

    /// <summary>
    /// Accepts a batch in one transaction, in the order given, and returns the decisions in the same order.
    /// </summary>
    /// <param name="observations">Valid events (see <see cref="EventValidation"/>), at most a few thousand.</param>
    /// <param name="cancel">Ends the wait; what was not committed by then is not accepted.</param>
    /// <param name="armed">
    /// Is told how long until the first session is due that was armed, to tell the sweepers of it. That may be before
    /// an event that came alone is on the disk: what follows from it is lost with it.
    /// </param>
    /// <exception cref="NpgsqlException">
    /// PostgreSQL refused, and nothing was accepted, or did not answer: then nobody knows, and the same again is
    /// accepted once.
    /// </exception>
    public async Task<IReadOnlyList<IntakeResult>> Accept(
        IReadOnlyList<Observation> observations,
        CancellationToken cancel,
        Func<TimeSpan, Task>? armed = null
    )
    {
        // Nobody waits for the disk twice: the decision is taken meanwhile. Of many the disk is the smaller part.
        var ahead = armed is not null && observations.Count == 1;
        // The flush is by the server that has the commit, or fails: no connection outlives a crash of it.
        await using var own = ahead ? await database.OpenConnectionAsync(cancel) : null;
        var (decisions, dueIn) = await Decide(
            own is null ? database.CreateBatch : own.CreateBatch,
            observations,
            cancel,
            ahead
        );
        await Task.WhenAll(
            own is null ? Task.CompletedTask : FlushCommits(own, cancel),
            dueIn is { } due && armed is not null ? armed(due) : Task.CompletedTask
        );
        IntakeMetrics.Record(observations, decisions);
        return decisions;
    }

    static async Task FlushCommits(NpgsqlConnection connection, CancellationToken cancel)
    {
        await using var flush = new NpgsqlCommand(Flush, connection);
        await flush.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>What <see cref="Accept"/> would decide and why, found by doing it and taking it back.</summary>
    /// <param name="observations">Valid events.</param>
    /// <param name="render">What a session that is woken would read about events, in the order observed.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task<IReadOnlyList<DryRunResult>> DryRun(
        IReadOnlyList<Observation> observations,
        Func<IReadOnlyList<TurnEvent>, PromptForm, string> render,
        CancellationToken cancel
    )
    {
        IReadOnlyList<IntakeResult> decisions;
        IReadOnlyList<DryRunRow> rows;
        await using (var connection = await database.OpenConnectionAsync(cancel))
        {
            // Never committed, and over before anything is worded: until then it holds up the sessions it would wake.
            await using var transaction = await connection.BeginTransactionAsync(cancel);
            (decisions, _) = await Decide(() => new(connection, transaction), observations, cancel);
            rows = await DryRunRow.Read(connection, observations, cancel);
        }

        return DryRunResult.Create(observations, decisions, rows, render);
    }

    async Task<(IReadOnlyList<IntakeResult> Decisions, TimeSpan? DueIn)> Decide(
        Func<NpgsqlBatch> newBatch,
        IReadOnlyList<Observation> observations,
        CancellationToken cancel,
        bool ahead = false
    )
    {
        var decisions = new IntakeResult[observations.Count];
        TimeSpan? dueIn = null;
        var pending = Enumerable.Range(0, observations.Count).ToList();

        // A second round only for facts that another batch was writing at the same moment, which by now has committed,
        // and for those that came together with another fact under one key.
        while (pending.Count > 0)
        {
            await using var batch = newBatch();
            if (ahead)
                batch.AddCommitWithoutFlush();
            batch.BatchCommands.Add(new(Planning));
            batch.BatchCommands.Add(Command(pending.ConvertAll(x => observations[x])));
            await using var rows = await batch.ExecuteReaderAsync(cancel);
            if (ahead)
                await rows.NextResultAsync(cancel);
            await rows.NextResultAsync(cancel);

            List<int> unseen = [];
            while (await rows.ReadAsync(cancel))
            {
                var index = pending[(int)rows.GetInt64("ord") - 1];

                if (rows.IsDBNull("event"))
                    unseen.Add(index);
                else
                    decisions[index] = ReadResult(observations[index].Event, rows);

                if (rows.GetNullable<TimeSpan>("due_in") is { } due && !(due > dueIn))
                    dueIn = due;
            }

            pending = unseen;
        }

        return (decisions, dueIn);
    }

    NpgsqlBatchCommand Command(List<Observation> batch)
    {
        var command = new NpgsqlBatchCommand(Statement);

        Add("id", NpgsqlDbType.Text, batch.ConvertAll(x => x.Event.Id));
        Add("source", NpgsqlDbType.Text, batch.ConvertAll(x => x.Event.Source));
        Add("type", NpgsqlDbType.Text, batch.ConvertAll(x => x.Event.Type));
        Add("subject", NpgsqlDbType.Text, batch.ConvertAll(x => x.Event.Subject));
        Add("related", NpgsqlDbType.Text, batch.ConvertAll(x => Sql.ArrayLiteral(x.Event.Related)));
        Add("dedup_key", NpgsqlDbType.Text, batch.ConvertAll(x => x.Event.EffectiveDedupKey));
        Add("reason", NpgsqlDbType.Text, batch.ConvertAll(x => x.Event.Reason));
        Add("wakes", NpgsqlDbType.Boolean, batch.ConvertAll(x => x.Event.Delivery == Delivery.Wake));
        Add("urgent", NpgsqlDbType.Boolean, batch.ConvertAll(x => x.Event.Urgent));
        Add("sessions", NpgsqlDbType.Text, batch.ConvertAll(x => Sql.ArrayLiteral(x.Event.Sessions)));
        Add("actor", NpgsqlDbType.Text, batch.ConvertAll(x => x.Event.Actor));
        Add("happened_at", NpgsqlDbType.TimestampTz, batch.ConvertAll(x => x.Event.Time?.ToUniversalTime()));
        Add("expires_at", NpgsqlDbType.TimestampTz, batch.ConvertAll(x => x.Event.Expires?.ToUniversalTime()));
        Add("data", NpgsqlDbType.Text, batch.ConvertAll(x => x.Event.Data?.GetRawText()));
        Add("traceparent", NpgsqlDbType.Text, batch.ConvertAll(x => x.TraceParent));
        Add("tracestate", NpgsqlDbType.Text, batch.ConvertAll(x => x.TraceState));
        Add("replay_of", NpgsqlDbType.Text, batch.ConvertAll(x => x.Event.ReplayOf));
        Add("scope", NpgsqlDbType.Text, batch.ConvertAll(x => x.DedupScope));
        Add("scoped_key", NpgsqlDbType.Text, batch.ConvertAll(x => x.ScopedKey));
        Add("warnings", NpgsqlDbType.Text, batch.ConvertAll(x => Sql.ArrayLiteral(x.Event.Warnings)));
        Add("ends", NpgsqlDbType.Boolean, batch.ConvertAll(x => SubjectEnd.Find(x.Event.Type)));

        var all = profiles.Value;
        var standard = all.GetOrDefault(Profiles.DefaultName);
        Add("profile", NpgsqlDbType.Text, all.Keys.ToList());
        Add("quiet", NpgsqlDbType.Interval, all.Values.Select(x => x.QuietWindow).ToList());
        Add("max_wait", NpgsqlDbType.Interval, all.Values.Select(x => x.MaxWait).ToList());
        command.Parameters.Add(new("default_quiet", NpgsqlDbType.Interval) { Value = standard.QuietWindow });
        command.Parameters.Add(new("default_max_wait", NpgsqlDbType.Interval) { Value = standard.MaxWait });

        return command;

        // unnest fills up what is missing with nulls, and much of an event is optional: a third of the work is not
        // done.
        void Add<T>(string name, NpgsqlDbType type, List<T> values) =>
            command.Parameters.Add(
                new NpgsqlParameter<List<T>>
                {
                    ParameterName = name,
                    TypedValue = values.Exists(x => x is not null) ? values : [],
                    NpgsqlDbType = NpgsqlDbType.Array | type,
                }
            );
    }

    static IntakeResult ReadResult(ExternalEventObserved observed, NpgsqlDataReader row)
    {
        if (row.GetBoolean("duplicate"))
            return new(observed.Id, IntakeOutcome.Duplicate, [], null, row.GetString("first_id"))
            {
                Event = row.GetInt64("event"),
                Warnings = observed.Warnings,
            };

        return IntakeResult.Create(observed, row.GetTexts("keys") ?? []) with
        {
            Event = row.GetInt64("event"),
            CollidesWith = row.GetText("collides_with"),
            Warnings = observed.Warnings,
        };
    }
}

/// <summary>An event as it came in, with the trace it belongs to.</summary>
/// <param name="Event">The event.</param>
/// <param name="TraceParent">The W3C <c>traceparent</c> of whoever published it; null when it carried none.</param>
/// <param name="TraceState">The <c>tracestate</c> beside it.</param>
/// <param name="DedupScope">
/// <see cref="ExternalEventObserved.DedupScope"/> as the door knows it: whose own reading of genuine deliveries it
/// comes from, <c>github</c>; in whose name it is only somebody's word, <c>key:ID</c>; empty for those who share one. A
/// word hides what nobody else tells.
/// </param>
public readonly record struct Observation(
    ExternalEventObserved Event,
    string? TraceParent = null,
    string? TraceState = null,
    string? DedupScope = null
)
{
    /// <summary>The fact's key together with what else makes the fact. An event is stored under it when another fact
    /// has the key.</summary>
    internal string ScopedKey { get; } =
        $"{Event.EffectiveDedupKey}~{Convert.ToHexStringLower(
        SHA256.HashData(Encoding.UTF8.GetBytes($"{Event.Type}\n{Event.Subject}\n{DedupScope}")).AsSpan(0, 8))}";
}
