namespace Wake.Contracts.Http;

/// <summary>A runner, as it said of itself when it started.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Pool">The pool it belongs to.</param>
/// <param name="Connected">Whether it is there. One that is not is listed for a day.</param>
/// <param name="Slots">How many turns it runs at the same time.</param>
/// <param name="UrgentSlots">How many more, that a person waits for.</param>
/// <param name="WarmSessions">How many processes stay after their turn at most.</param>
/// <param name="Version">The version of Wake that it is.</param>
/// <param name="Started">When it started.</param>
/// <param name="Running">The keys of the sessions whose turns it runs now.</param>
public sealed record RunnerSummary(
    string Name,
    string Pool,
    bool Connected,
    int Slots,
    int UrgentSlots,
    int WarmSessions,
    string Version,
    DateTimeOffset Started,
    IReadOnlyList<string> Running
)
{
    /// <summary>How many processes of <c>claude</c> stay now for the next wake of their sessions.</summary>
    public int Warm { get; init; }

    /// <summary>The memory of the runner, and of <c>claude</c> and its tools, in bytes, at most a minute old.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>The version of <c>claude</c>; null where it has not said it.</summary>
    public string? ClaudeVersion { get; init; }

    /// <summary>Why it takes no work: <c>claude</c> does not start, nobody is logged in, or its account has reached a
    /// limit. Null when it does.</summary>
    public string? Problem { get; init; }

    /// <summary>Since when it is drained: it begins no turn until that is ended. Null when it is not.</summary>
    public DateTimeOffset? Drained { get; init; }

    /// <summary>When it last said how it is; null for never.</summary>
    public DateTimeOffset? Reported { get; init; }
}
