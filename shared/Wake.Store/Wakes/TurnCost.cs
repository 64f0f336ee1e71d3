namespace Wake.Store;

/// <summary>What an attempt took.</summary>
/// <param name="Usd">As the CLI computed it.</param>
/// <param name="Duration">From start to ending.</param>
/// <param name="Tokens">What the model read and wrote.</param>
public readonly record struct TurnCost(decimal Usd, TimeSpan Duration, TokenUsage Tokens = default)
{
    /// <summary>Both together.</summary>
    public static TurnCost operator +(TurnCost one, TurnCost other) =>
        new(one.Usd + other.Usd, one.Duration + other.Duration, one.Tokens + other.Tokens);

    /// <summary>What one is more than the other, which was counted from the same start.</summary>
    public static TurnCost operator -(TurnCost one, TurnCost other) =>
        new(one.Usd - other.Usd, one.Duration - other.Duration, one.Tokens - other.Tokens);
}

/// <summary>Tokens, as the API counts them: what was read from a cache or written to it is not among the
/// input.</summary>
/// <param name="Input">Read.</param>
/// <param name="Output">Written.</param>
/// <param name="CacheRead">Read from the cache.</param>
/// <param name="CacheCreation">Read and put into the cache.</param>
public readonly record struct TokenUsage(long Input, long Output, long CacheRead, long CacheCreation)
{
    /// <summary>Both together.</summary>
    public static TokenUsage operator +(TokenUsage one, TokenUsage other) =>
        new(
            one.Input + other.Input,
            one.Output + other.Output,
            one.CacheRead + other.CacheRead,
            one.CacheCreation + other.CacheCreation
        );

    /// <summary>What one are more than the other.</summary>
    public static TokenUsage operator -(TokenUsage one, TokenUsage other) =>
        new(
            one.Input - other.Input,
            one.Output - other.Output,
            one.CacheRead - other.CacheRead,
            one.CacheCreation - other.CacheCreation
        );
}
