using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;
using Wake.Contracts;

namespace Wake.Store;

/// <summary>
/// Takes observations in: every one is new or a duplicate, belongs to some sessions or to none, and when
/// <see cref="Accept"/> returns all of that is committed. The body behind every front: AMQP, HTTP, in memory.
/// </summary>
public sealed class Intake(NpgsqlDataSource database, IOptions<QuietWindows> windows)
{
    static readonly string Statement = Sql.Embedded("Intake.sql");

    // The planner takes every batch for ten rows and would join its parts by comparing each row with each. The look-ups are
    // lateral, so that for them nothing else is left.
    const string Planning =
        "select set_config('enable_nestloop', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)";

    /// <summary>
    /// Accepts a batch in one transaction, in the order given. Returns the decisions in the same order, and how long until
    /// the first session it armed is due (null when it armed none).
    /// </summary>
    /// <param name="observations">Valid events (see <see cref="EventValidation"/>), at most a few thousand.</param>
    /// <param name="cancel">Ends the wait; what was not committed by then is not accepted.</param>
    /// <exception cref="NpgsqlException">PostgreSQL could not commit; nothing was accepted.</exception>
    public Task<(IReadOnlyList<IntakeDecision> Decisions, TimeSpan? DueIn)> Accept(
        IReadOnlyList<Observation> observations, CancellationToken cancel) =>
        Decide(database.CreateBatch, observations, cancel);

    /// <summary>
    /// Why PostgreSQL cannot hold data that the validation did not foresee; null when it failed for another reason, and the same
    /// may succeed later.
    /// </summary>
    public static string? Refusal(PostgresException failure) =>
        failure.SqlState.StartsWith("22", StringComparison.Ordinal) ? $"PostgreSQL refuses it: {failure.MessageText}" : null;

    /// <summary>What <see cref="Accept"/> would decide and why, found by doing it and taking it back.</summary>
    /// <param name="observations">Valid events.</param>
    /// <param name="word">What a session that is woken would read about events, in the order observed.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task<IReadOnlyList<Rehearsal>> Rehearse(
        IReadOnlyList<Observation> observations, Func<IReadOnlyList<TurnEvent>, PromptForm, string> word, CancellationToken cancel)
    {
        IReadOnlyList<IntakeDecision> decisions;
        IReadOnlyList<RehearsedRow> rows;
        await using (var connection = await database.OpenConnectionAsync(cancel))
        {
            // Never committed, and over before anything is worded: until then it holds up the sessions it would wake.
            await using var transaction = await connection.BeginTransactionAsync(cancel);
            (decisions, _) = await Decide(() => new(connection, transaction), observations, cancel);
            rows = await RehearsedRow.Read(connection, observations, cancel);
        }

        return Rehearsal.Of(observations, decisions, rows, word);
    }

    async Task<(IReadOnlyList<IntakeDecision> Decisions, TimeSpan? DueIn)> Decide(
        Func<NpgsqlBatch> newBatch, IReadOnlyList<Observation> observations, CancellationToken cancel)
    {
        var decisions = new IntakeDecision[observations.Count];
        TimeSpan? dueIn = null;
        var pending = Enumerable.Range(0, observations.Count).ToList();

        // A second round only for facts that another batch was writing at the same moment: by now it has committed.
        while (pending.Count > 0)
        {
            await using var batch = newBatch();
            batch.BatchCommands.Add(new(Planning));
            batch.BatchCommands.Add(Command(pending.ConvertAll(x => observations[x])));
            await using var rows = await batch.ExecuteReaderAsync(cancel);
            await rows.NextResultAsync(cancel);

            List<int> unseen = [];
            while (await rows.ReadAsync(cancel))
            {
                var index = pending[(int)rows.GetInt64(0) - 1];

                if (rows.IsDBNull(1))
                    unseen.Add(index);
                else
                    decisions[index] = Decision(observations[index].Event, rows);

                if (!rows.IsDBNull(5) && rows.GetTimeSpan(5) is var due && !(due > dueIn))
                    dueIn = due;
            }

            pending = unseen;
        }

        return (decisions, dueIn);
    }

    NpgsqlBatchCommand Command(List<Observation> batch)
    {
        var command = new NpgsqlBatchCommand(Statement);

        Add(NpgsqlDbType.Text, batch.ConvertAll(x => x.Event.Id));
        Add(NpgsqlDbType.Text, batch.ConvertAll(x => x.Event.Source));
        Add(NpgsqlDbType.Text, batch.ConvertAll(x => x.Event.Type));
        Add(NpgsqlDbType.Text, batch.ConvertAll(x => x.Event.Subject));
        Add(NpgsqlDbType.Text, batch.ConvertAll(x => Sql.ArrayLiteral(x.Event.Related)));
        Add(NpgsqlDbType.Text, batch.ConvertAll(x => x.Event.FactKey));
        Add(NpgsqlDbType.Text, batch.ConvertAll(x => x.Event.Reason));
        Add(NpgsqlDbType.Boolean, batch.ConvertAll(x => x.Event.Delivery == Delivery.Wake));
        Add(NpgsqlDbType.Boolean, batch.ConvertAll(x => x.Event.Urgent));
        Add(NpgsqlDbType.Text, batch.ConvertAll(x => Sql.ArrayLiteral(x.Event.Sessions)));
        Add(NpgsqlDbType.Text, batch.ConvertAll(x => x.Event.Actor));
        Add(NpgsqlDbType.TimestampTz, batch.ConvertAll(x => x.Event.Time?.ToUniversalTime()));
        Add(NpgsqlDbType.TimestampTz, batch.ConvertAll(x => x.Event.Expires?.ToUniversalTime()));
        Add(NpgsqlDbType.Text, batch.ConvertAll(x => x.Event.Data?.GetRawText()));
        Add(NpgsqlDbType.Text, batch.ConvertAll(x => x.TraceParent));
        Add(NpgsqlDbType.Text, batch.ConvertAll(x => x.Event.ReplayOf));

        var profiles = windows.Value;
        var standard = profiles.Of(QuietWindows.Default);
        Add(NpgsqlDbType.Text, profiles.Keys.ToList());
        Add(NpgsqlDbType.Interval, profiles.Values.Select(x => x.Quiet).ToList());
        Add(NpgsqlDbType.Interval, profiles.Values.Select(x => x.Ceiling).ToList());
        command.Parameters.Add(new() { Value = standard.Quiet, NpgsqlDbType = NpgsqlDbType.Interval });
        command.Parameters.Add(new() { Value = standard.Ceiling, NpgsqlDbType = NpgsqlDbType.Interval });
        Add(NpgsqlDbType.Text, batch.ConvertAll(x => x.TraceState));

        return command;

        // unnest fills up what is missing with nulls, and much of an event is optional: a third of the work is not done.
        void Add<T>(NpgsqlDbType type, List<T> values) => command.Parameters.Add(new NpgsqlParameter<List<T>>
        {
            TypedValue = values.Exists(x => x is not null) ? values : [],
            NpgsqlDbType = NpgsqlDbType.Array | type,
        });
    }

    static IntakeDecision Decision(ExternalEventObserved observed, NpgsqlDataReader row)
    {
        if (row.GetBoolean(2))
            return new(observed.Id, IntakeOutcome.Duplicate, [], null, row.GetString(3));

        var sessions = row.IsDBNull(4) ? [] : row.GetFieldValue<string[]>(4);
        var unknown = observed.Sessions?.Except(sessions).ToList();

        return new(observed.Id, sessions is [] ? IntakeOutcome.Unwatched : IntakeOutcome.Routed, sessions,
            unknown is { Count: > 0 } ? unknown : null, null);
    }
}

/// <summary>An event as it came in, with the trace it belongs to.</summary>
/// <param name="Event">The event.</param>
/// <param name="TraceParent">The W3C <c>traceparent</c> of whoever published it; null when it carried none.</param>
/// <param name="TraceState">The <c>tracestate</c> beside it.</param>
public readonly record struct Observation(ExternalEventObserved Event, string? TraceParent = null, string? TraceState = null);
