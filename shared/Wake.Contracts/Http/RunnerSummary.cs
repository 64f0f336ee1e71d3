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
);
