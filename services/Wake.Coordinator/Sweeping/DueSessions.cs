using System.Diagnostics;
using MassTransit;
using Microsoft.Extensions.Options;
using Npgsql;
using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Coordinator;

/// <summary>
/// Decides about the sessions that are due, as one set: a transaction locks them, reads what holds, has each looked at
/// by the state machine, and writes what follows. Their commands are sent after its commit.
/// </summary>
/// <remarks>
/// What was committed and not sent is owed by the timers, and what was not committed is due as before. Sessions that
/// somebody else has locked are left to them or to the next look: this waits for none while it holds others.
/// </remarks>
sealed class DueSessions(
    NpgsqlDataSource database,
    SessionWakeStateMachine machine,
    WakeTimers timers,
    StoredTraceContexts traces,
    IBus bus,
    IOptions<CoordinatorOptions> options,
    ILogger<DueSessions> log
)
{
    // What is not sent by then the timers owe; nothing else is decided meanwhile.
    static readonly TimeSpan SendTimeout = TimeSpan.FromSeconds(10);

    // Above 64 unconfirmed publishes a MassTransit channel holds the next ones back for a second.
    const int SendAtOnce = 48;

    Task sending = Task.CompletedTask;

    /// <summary>What a look came to.</summary>
    /// <param name="Count">How many sessions it decided about.</param>
    /// <param name="Next">How long until the next one is due; null when none is.</param>
    /// <param name="Looked">When it looked, by the database's clock.</param>
    /// <param name="LookTime">How long it took to find those that are due.</param>
    public readonly record struct Outcome(int Count, TimeSpan? Next, DateTimeOffset Looked, TimeSpan LookTime);

    /// <summary>
    /// Decides about those that are due, the longest waiting first. What follows is sent meanwhile and afterwards:
    /// <see cref="WaitForSends"/>. For one caller at a time.
    /// </summary>
    /// <param name="limit">How many at most.</param>
    /// <param name="since">As in <see cref="WakeTimers.ClaimDue"/>.</param>
    /// <param name="cancel">Ends it.</param>
    /// <param name="urgentOnly">Only about those that a person waits for.</param>
    public async Task<Outcome> Decide(
        int limit,
        DateTimeOffset? since,
        CancellationToken cancel,
        bool urgentOnly = false
    )
    {
        List<(SessionWake Saga, Activity? Span)> looks = [];
        try
        {
            if (await TryDecide(looks, limit, since, urgentOnly, cancel) is not { } outcome)
            {
                Dispose(looks);
                return await HandOver(limit, since, cancel);
            }

            // While the next are decided about, but one set's after the other's.
            await sending;
            sending = SendAll(looks);
            return outcome;
        }
        catch
        {
            Dispose(looks);
            throw;
        }
    }

    /// <summary>Returns when all commands are sent, or have failed to be.</summary>
    public Task WaitForSends() => sending;

    static void Dispose(List<(SessionWake Saga, Activity? Span)> looks)
    {
        foreach (var (_, span) in looks)
            span?.Dispose();
    }

    // Each by itself: what keeps one from being sent keeps no other.
    async Task SendAll(List<(SessionWake Saga, Activity? Span)> looks)
    {
        using var bound = new CancellationTokenSource(SendTimeout);
        await Parallel.ForEachAsync(
            looks.Where(x => x.Saga.Command is not null),
            new ParallelOptions { MaxDegreeOfParallelism = SendAtOnce },
            async (look, _) =>
            {
                Activity.Current = look.Span;
                try
                {
                    await look.Saga.Command!.Send(bus, bound.Token);
                }
                catch (Exception failed)
                {
                    log.LogWarning(
                        "{SessionKey}: the command of wake {Wake} was not sent ({Reason}). It is sent again.",
                        look.Saga.Facts.Key,
                        look.Saga.WakeNumber,
                        failed.GetBaseException().Message
                    );
                }
            }
        );
        Dispose(looks);
    }

    async Task<Outcome?> TryDecide(
        List<(SessionWake Saga, Activity? Span)> looks,
        int limit,
        DateTimeOffset? since,
        bool urgentOnly,
        CancellationToken cancel
    )
    {
        try
        {
            return await DecideTogether(looks, limit, since, urgentOnly, cancel);
        }
        catch (Exception failed)
            when (failed is not OperationCanceledException
                && (!PostgresErrors.IsTransient(failed) || TookTooLong(failed))
            )
        {
            // One of them is to blame, and keeps no other from its turn.
            log.LogError(failed, "Deciding about sessions at once failed; it is done one by one.");
            return null;
        }
    }

    static bool TookTooLong(Exception failed) =>
        failed
            is NpgsqlException { InnerException: TimeoutException }
                or PostgresException { SqlState: PostgresErrorCodes.QueryCanceled };

    async Task<Outcome> DecideTogether(
        List<(SessionWake Saga, Activity? Span)> looks,
        int limit,
        DateTimeOffset? since,
        bool urgentOnly,
        CancellationToken cancel
    )
    {
        await using var transaction = new SessionTransaction(database);
        var (due, next, looked, took) = await transaction.LoadDue(limit, since, urgentOnly, cancel);
        if (due is [])
            return new(0, next, looked, took);

        var parents = await FindParents([.. due.Select(x => x.CorrelationId)], cancel);
        var alone = await transaction.AdmitAll(due, cancel);
        var together = due.Except(alone).ToList();
        foreach (var saga in together)
            Look(saga);

        // Each of these may use up what the next one asks for.
        foreach (var saga in alone)
        {
            await transaction.Write(together, cancel);
            await transaction.Admit(saga, cancel);
            Look(saga);
            together = [saga];
        }

        next = await transaction.CommitDue(together, since, cancel);
        foreach (var breaker in transaction.Opened)
            BreakerNotice.Write(log, breaker);
        WakeMetrics.DecisionSetSize.Record(due.Count);
        return new(due.Count, next, looked, took);

        void Look(SessionWake saga)
        {
            var outer = Activity.Current;
            looks.Add((saga, StartSpan(saga.CorrelationId, parents)));
            machine.Look(saga);
            Activity.Current = outer;
        }
    }

    // By a message each, with its repetitions and its error queue.
    async Task<Outcome> HandOver(int limit, DateTimeOffset? since, CancellationToken cancel)
    {
        var begun = Stopwatch.GetTimestamp();
        var (due, next, looked) = await timers.ClaimDue(limit, options.Value.RepeatAfter, cancel, since);
        var took = Stopwatch.GetElapsedTime(begun);
        var parents = await FindParents(due, cancel);
        foreach (var session in due)
        {
            using var span = StartSpan(session, parents);
            await bus.Publish(new WakeDue(session), cancel);
        }

        return new(due.Count, next, looked, took);
    }

    async Task<IReadOnlyDictionary<Guid, (string Parent, string? State)>?> FindParents(
        IReadOnlyList<Guid> sessions,
        CancellationToken cancel
    ) => Tracing.Source.HasListeners() ? await traces.FindBySessions(sessions, cancel) : null;

    // In the trace of what the session owes or is owed, and so is everything that comes of it: messages carry it on.
    static Activity? StartSpan(Guid session, IReadOnlyDictionary<Guid, (string Parent, string? State)>? parents)
    {
        var (parent, state) = parents?.GetValueOrDefault(session) ?? default;
        return Tracing.Start(Tracing.Due, ActivityKind.Internal, new(parent, state));
    }
}
