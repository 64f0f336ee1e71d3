using System.Linq.Expressions;
using Microsoft.EntityFrameworkCore;
using Wake.Contracts;

namespace Wake.Store;

/// <summary>What a query asks of a turn, where it stands included.</summary>
sealed class TurnView
{
    // A turn is running while its lease lasts; the row says so before any message does.
    public static readonly Expression<Func<StoreContext, TurnRow, TurnView>> Of = (db, t) =>
        new TurnView
        {
            Number = t.WakeNumber,
            State =
                t.EndedAt != null ? TurnState.Ended
                : t.Parked ? TurnState.Parked
                : t.LeaseUntil > DateTimeOffset.UtcNow ? TurnState.Running
                : (t.NotBefore == t.HeldUntil && t.HeldUntil > DateTimeOffset.UtcNow)
                || db.Terminals.Any(x => x.SessionId == t.SessionId && x.AttendedUntil > DateTimeOffset.UtcNow)
                    ? TurnState.Waiting
                : TurnState.Dispatched,
            Outcome = t.Outcome,
            Note = t.Note,
            Attempt = t.Attempt,
            Runner = t.Runner,
            ClaudeSessionId = t.ClaudeSessionId,
            DispatchedAt = t.DispatchedAt,
            StartedAt = t.StartedAt,
            EndedAt = t.EndedAt,
            CostUsd = t.CostUsd,
            DurationMs = t.DurationMs,
            InputTokens = t.InputTokens,
            OutputTokens = t.OutputTokens,
            CacheReadTokens = t.CacheReadTokens,
            CacheCreationTokens = t.CacheCreationTokens,
            Reasons = db
                .Inbox.Where(x => x.SessionId == t.SessionId && x.WakeNumber == t.WakeNumber)
                .Join(
                    db.Events,
                    x => x.Event,
                    x => x.Seq,
                    (entry, observed) =>
                        new
                        {
                            entry.SessionId,
                            observed.Seq,
                            observed.Reason,
                        }
                )
                .GroupBy(x => x.SessionId)
                .Select(x => EF.Functions.ArrayAgg(x.OrderBy(y => y.Seq).Select(y => y.Reason)))
                .FirstOrDefault(),
            Fresh = db
                .ClaudeSessions.Where(x => x.SessionId == t.SessionId && x.WakeNumber == t.WakeNumber)
                .Join(
                    db.ClaudeSessions,
                    x => new { x.SessionId, Position = x.Position - 1 },
                    x => new { x.SessionId, x.Position },
                    (fresh, before) =>
                        new[] { before.ClaudeSessionId.ToString(), fresh.ClaudeSessionId.ToString(), fresh.Reason }
                )
                .FirstOrDefault(),
        };

    /// <summary>The turns of a session before a wake, the newest first.</summary>
    public static readonly Func<StoreContext, Guid, int, int, IAsyncEnumerable<TurnView>> ListBySession =
        EF.CompileAsyncQuery(
            QueryParts.Expand<Func<StoreContext, Guid, int, int, IQueryable<TurnView>>>(
                (db, session, before, limit) =>
                    db
                        .Turns.Where(x => x.SessionId == session && x.WakeNumber < before)
                        .OrderByDescending(x => x.WakeNumber)
                        .Take(limit)
                        .Select(x => QueryParts.Apply(Of, db, x))
            )
        );

    public int Number { get; init; }

    public TurnState State { get; init; }

    public string? Outcome { get; init; }

    public string? Note { get; init; }

    public int Attempt { get; init; }

    public string? Runner { get; init; }

    public Guid? ClaudeSessionId { get; init; }

    public DateTimeOffset DispatchedAt { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    public DateTimeOffset? EndedAt { get; init; }

    public decimal CostUsd { get; init; }

    public long DurationMs { get; init; }

    public long InputTokens { get; init; }

    public long OutputTokens { get; init; }

    public long CacheReadTokens { get; init; }

    public long CacheCreationTokens { get; init; }

    public string[]? Reasons { get; init; }

    /// <summary>The Claude session that was left, the one begun, and why.</summary>
    public string[]? Fresh { get; init; }

    public Turn ToTurn() =>
        new(
            Number,
            State,
            Outcome is null ? null : Enum.Parse<TurnOutcome>(Outcome, ignoreCase: true),
            Note,
            Attempt,
            Runner,
            ClaudeSessionId,
            DispatchedAt,
            StartedAt,
            EndedAt,
            CostUsd,
            DurationMs,
            new(InputTokens, OutputTokens, CacheReadTokens, CacheCreationTokens),
            Reasons ?? []
        )
        {
            Fresh = Fresh is [var left, var begun, var why] ? new(Guid.Parse(left), Guid.Parse(begun), why) : null,
        };
}
