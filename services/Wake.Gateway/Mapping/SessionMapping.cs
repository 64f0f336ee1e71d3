using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary>Sessions and their turns, from the store's records to those of the HTTP contract.</summary>
static class SessionMapping
{
    public static Contract.Session ToContract(this Session session, string? notice = null) =>
        new(
            session.Key,
            session.State.ToContract(),
            session.Workspace,
            session.Profile,
            session.ClaudeSessionId,
            session.ClaudeSessionIds,
            session.LastTurn?.ToContract(),
            session.Inbox,
            session.CostUsd,
            session.CostTodayUsd,
            session.Created,
            session.Closed,
            session.WaitsFor
        )
        {
            Notice = notice,
            Paused = session.Paused?.ToContract(),
            ClosesAt = session.ClosesAt,
        };

    public static Contract.Turn ToContract(this Turn turn) =>
        new(
            turn.Number,
            turn.State.ToContract(),
            turn.Outcome,
            turn.Note,
            turn.Attempt,
            turn.Runner,
            turn.ClaudeSessionId,
            turn.DispatchedAt,
            turn.StartedAt,
            turn.EndedAt,
            turn.CostUsd,
            turn.DurationMs,
            turn.Tokens.ToContract(),
            turn.Reasons
        )
        {
            Fresh = turn.Fresh is { } fresh ? new(fresh.Left, fresh.Begun, fresh.Why) : null,
        };

    public static Contract.TokenUsage ToContract(this TokenUsage tokens) =>
        new(tokens.Input, tokens.Output, tokens.CacheRead, tokens.CacheCreation);

    public static Contract.ScheduledWake ToContract(this ScheduledWake wake) =>
        new(wake.Id, wake.Session, wake.Reason, wake.At);

    public static SessionState ToStore(this Contract.SessionState state) =>
        state switch
        {
            Contract.SessionState.Idle => SessionState.Idle,
            Contract.SessionState.Dispatched => SessionState.Dispatched,
            Contract.SessionState.Waiting => SessionState.Waiting,
            Contract.SessionState.Running => SessionState.Running,
            Contract.SessionState.Parked => SessionState.Parked,
            Contract.SessionState.WaitingForAnswer => SessionState.WaitingForAnswer,
            Contract.SessionState.Closed => SessionState.Closed,
            _ => throw new InvalidOperationException($"Unknown {state}."),
        };

    static Contract.SessionState ToContract(this SessionState state) =>
        state switch
        {
            SessionState.Idle => Contract.SessionState.Idle,
            SessionState.Dispatched => Contract.SessionState.Dispatched,
            SessionState.Waiting => Contract.SessionState.Waiting,
            SessionState.Running => Contract.SessionState.Running,
            SessionState.Parked => Contract.SessionState.Parked,
            SessionState.WaitingForAnswer => Contract.SessionState.WaitingForAnswer,
            SessionState.Closed => Contract.SessionState.Closed,
            _ => throw new InvalidOperationException($"Unknown {state}."),
        };

    static Contract.TurnState ToContract(this TurnState state) =>
        state switch
        {
            TurnState.Dispatched => Contract.TurnState.Dispatched,
            TurnState.Waiting => Contract.TurnState.Waiting,
            TurnState.Running => Contract.TurnState.Running,
            TurnState.Parked => Contract.TurnState.Parked,
            TurnState.Ended => Contract.TurnState.Ended,
            _ => throw new InvalidOperationException($"Unknown {state}."),
        };
}
