namespace Wake.Store;

// What is mapped of each table is what some query asks for.

/// <summary>A session, and what other tables have of it.</summary>
sealed class SessionRow
{
    public required Guid Id { get; init; }

    public required string Key { get; init; }

    public required string Workspace { get; init; }

    public required string Profile { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset? ClosedAt { get; init; }

    public DateTimeOffset? CloseAt { get; init; }

    public required TotalsRow Totals { get; init; }

    public IEnumerable<ClaudeSessionRow> ClaudeSessions { get; init; } = [];

    public IEnumerable<TurnRow> Turns { get; init; } = [];

    public IEnumerable<InboxRow> Inbox { get; init; } = [];

    public IEnumerable<SpendingRow> Spending { get; init; } = [];

    public IEnumerable<QuestionRow> Questions { get; init; } = [];

    public IEnumerable<WatchRow> Watches { get; init; } = [];
}

/// <summary>Table <c>session_totals</c>: by what sessions are put in order.</summary>
sealed class TotalsRow
{
    public required Guid SessionId { get; init; }

    public required bool Closed { get; init; }

    public required DateTimeOffset LastTurnAt { get; init; }

    public required decimal CostUsd { get; init; }
}

/// <summary>Table <c>session_ids</c>.</summary>
sealed class ClaudeSessionRow
{
    public required Guid SessionId { get; init; }

    public required int Position { get; init; }

    public required Guid ClaudeSessionId { get; init; }

    public required string Reason { get; init; }

    public int? WakeNumber { get; init; }

    public required DateTimeOffset Since { get; init; }
}

sealed class TurnRow
{
    public required Guid SessionId { get; init; }

    public required int WakeNumber { get; init; }

    public required DateTimeOffset DispatchedAt { get; init; }

    public required int Attempt { get; init; }

    public string? Runner { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    public DateTimeOffset? LeaseUntil { get; init; }

    public DateTimeOffset? NotBefore { get; init; }

    public DateTimeOffset? HeldUntil { get; init; }

    public required bool Parked { get; init; }

    public string? Note { get; init; }

    public DateTimeOffset? EndedAt { get; init; }

    public string? Outcome { get; init; }

    public Guid? ClaudeSessionId { get; init; }

    public required decimal CostUsd { get; init; }

    public required long DurationMs { get; init; }

    public required long InputTokens { get; init; }

    public required long OutputTokens { get; init; }

    public required long CacheReadTokens { get; init; }

    public required long CacheCreationTokens { get; init; }

    public Guid? MessageSalt { get; init; }

    public required int Answered { get; init; }

    public required bool InTerminal { get; init; }
}

sealed class InboxRow
{
    public required long Event { get; init; }

    public required Guid SessionId { get; init; }

    public Guid? WatchId { get; init; }

    public Guid? RouteId { get; init; }

    public required bool Wakes { get; init; }

    public string? Intent { get; init; }

    public required DateTimeOffset RoutedAt { get; init; }

    public int? WakeNumber { get; init; }

    public required EventRow Observed { get; init; }

    public required SessionRow Session { get; init; }

    public RouteRow? Route { get; init; }

    public TurnRow? Turn { get; init; }
}

/// <summary>Table <c>fact_checks</c>, but for what only the question has.</summary>
sealed class FactCheckRow
{
    public required long Event { get; init; }

    public required Guid SessionId { get; init; }

    public required int WakeNumber { get; init; }

    public string? Answer { get; init; }

    public string? Reason { get; init; }

    public DateTimeOffset? AnsweredAt { get; init; }
}

sealed class EventRow
{
    public required long Seq { get; init; }

    public required string Id { get; init; }

    public required string Source { get; init; }

    public required string Type { get; init; }

    public required string Subject { get; init; }

    public string[]? Related { get; init; }

    public required string DedupKey { get; init; }

    public required string Reason { get; init; }

    public required bool Wakes { get; init; }

    public required bool Urgent { get; init; }

    public string[]? Sessions { get; init; }

    public string? Actor { get; init; }

    public DateTimeOffset? HappenedAt { get; init; }

    public DateTimeOffset? ExpiresAt { get; init; }

    public string? Data { get; init; }

    public string? ReplayOf { get; init; }

    public required DateTimeOffset AcceptedAt { get; init; }

    public string? Scope { get; init; }

    public string[]? Warnings { get; init; }

    public IEnumerable<InboxRow> Inbox { get; init; } = [];
}

sealed class DuplicateRow
{
    public required long Event { get; init; }

    public required string Observation { get; init; }

    public required string Source { get; init; }

    public required DateTimeOffset At { get; init; }
}

sealed class CollisionRow
{
    public required long Event { get; init; }

    public required string DedupKey { get; init; }

    public required long HeldBy { get; init; }

    public required DateTimeOffset At { get; init; }
}

sealed class DecisionRow
{
    public required long Seq { get; init; }

    public required DateTimeOffset At { get; init; }

    public required string Kind { get; init; }

    public required Guid SessionId { get; init; }

    public int? WakeNumber { get; init; }

    public string? Note { get; init; }

    public required SessionRow Session { get; init; }
}

sealed class SpendingRow
{
    public required Guid SessionId { get; init; }

    public required DateOnly Day { get; init; }

    public required decimal Usd { get; init; }
}

sealed class QuestionRow
{
    public required Guid Id { get; init; }

    public required Guid SessionId { get; init; }

    public required int WakeNumber { get; init; }

    public required string Tool { get; init; }

    public required string Input { get; init; }

    public required DateTimeOffset AskedAt { get; init; }

    public DateTimeOffset? Deadline { get; init; }

    public string? Answers { get; init; }

    public string? Outcome { get; init; }

    public DateTimeOffset? SettledAt { get; init; }

    public string? Call { get; init; }

    public string? CallSha256 { get; init; }

    public string? AnsweredBy { get; init; }

    public required SessionRow Session { get; init; }
}

sealed class WatchRow
{
    public required Guid Id { get; init; }

    public required Guid SessionId { get; init; }

    public required string Subject { get; init; }

    public string? Pattern { get; init; }

    public string? Intent { get; init; }

    public DateTimeOffset? ExpiresAt { get; init; }
}

sealed class RouteRow
{
    public required Guid Id { get; init; }

    public required string Name { get; init; }
}

sealed class TerminalRow
{
    public required Guid SessionId { get; init; }

    public DateTimeOffset? AttendedUntil { get; init; }
}
