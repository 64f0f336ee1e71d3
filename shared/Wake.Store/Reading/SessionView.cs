using System.Linq.Expressions;
using Microsoft.EntityFrameworkCore;

namespace Wake.Store;

/// <summary>What a query asks of a session.</summary>
sealed record SessionView(
    Guid Id,
    string Key,
    string Workspace,
    string Profile,
    DateTimeOffset CreatedAt,
    DateTimeOffset? ClosedAt,
    DateTimeOffset? CloseAt,
    Guid[]? ClaudeSessionIds,
    int Inbox,
    decimal CostUsd,
    decimal CostTodayUsd,
    Guid? WaitsFor,
    TurnView? LastTurn
)
{
    /// <summary>A session with its newest turn.</summary>
    static readonly Expression<Func<StoreContext, SessionRow, TurnRow?, SessionView>> Of = QueryParts.Expand<
        Func<StoreContext, SessionRow, TurnRow?, SessionView>
    >(
        (db, s, turn) =>
            new SessionView(
                s.Id,
                s.Key,
                s.Workspace,
                s.Profile,
                s.CreatedAt,
                s.ClosedAt,
                s.CloseAt,
                s.ClaudeSessions.GroupBy(x => x.SessionId)
                    .Select(x => EF.Functions.ArrayAgg(x.OrderBy(y => y.Position).Select(y => y.ClaudeSessionId)))
                    .FirstOrDefault(),
                s.Inbox.Count(x => x.WakeNumber == null),
                s.Spending.Sum(x => x.Usd),
                s.Spending.Where(x => x.Day == DateOnly.FromDateTime(DateTime.UtcNow)).Sum(x => x.Usd),
                s.Questions.Where(x => x.Outcome == null)
                    .OrderBy(x => x.AskedAt)
                    .Select(x => (Guid?)x.Id)
                    .FirstOrDefault(),
                turn == null ? null : QueryParts.Apply(TurnView.Of, db, turn)
            )
    );

    /// <summary>The open session with a key, else the one closed last.</summary>
    public static readonly Func<StoreContext, string, CancellationToken, Task<SessionView?>> FindByKey =
        EF.CompileAsyncQuery(
            QueryParts.Expand<Func<StoreContext, string, CancellationToken, SessionView?>>(
                (db, key, cancel) =>
                    db
                        .Sessions.Where(x => x.Key == key)
                        // Null comes first.
                        .OrderByDescending(x => x.ClosedAt)
                        .Take(1)
                        .SelectMany(
                            s =>
                                s.Turns.Where(x => x.WakeNumber == s.Turns.Max(y => (int?)y.WakeNumber))
                                    .DefaultIfEmpty(),
                            (s, turn) => QueryParts.Apply(Of, db, s, turn)
                        )
                        .FirstOrDefault()
            )
        );

    /// <summary>The sessions, each with its newest turn.</summary>
    public static IQueryable<SessionView> Select(StoreContext db, IQueryable<SessionRow> sessions) =>
        sessions.SelectMany(
            s => s.Turns.Where(x => x.WakeNumber == s.Turns.Max(y => (int?)y.WakeNumber)).DefaultIfEmpty(),
            QueryParts.Expand<Func<SessionRow, TurnRow?, SessionView>>((s, turn) => QueryParts.Apply(Of, db, s, turn))
        );

    public Session ToSession()
    {
        var ids = ClaudeSessionIds ?? [];
        return new(
            Key,
            State,
            Workspace,
            Profile,
            ids is [] ? null : ids[^1],
            ids,
            LastTurn?.ToTurn(),
            Inbox,
            CostUsd,
            CostTodayUsd,
            CreatedAt,
            ClosedAt,
            WaitsFor
        )
        {
            Id = Id,
            ClosesAt = CloseAt,
        };
    }

    SessionState State =>
        ClosedAt is not null
            ? SessionState.Closed
            : LastTurn?.State switch
            {
                null or TurnState.Ended => SessionState.Idle,
                TurnState.Dispatched => SessionState.Dispatched,
                TurnState.Waiting => SessionState.Waiting,
                TurnState.Running => SessionState.Running,
                TurnState.Parked => WaitsFor is null ? SessionState.Parked : SessionState.WaitingForAnswer,
                var unknown => throw new InvalidOperationException($"Unknown turn state {unknown}."),
            };
}
