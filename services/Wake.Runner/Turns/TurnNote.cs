namespace Wake.Runner;

/// <summary>What people read about a turn: a note, put together from parts of which any may be missing.</summary>
static class TurnNote
{
    /// <summary>The parts there are; null when there is none.</summary>
    public static string? Join(params IEnumerable<string?> parts) =>
        parts.OfType<string>().ToList() is { Count: > 0 } some ? string.Join("; ", some) : null;
}
