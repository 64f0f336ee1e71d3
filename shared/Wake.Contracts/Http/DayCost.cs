namespace Wake.Contracts.Http;

/// <summary>What a day cost.</summary>
/// <param name="Day">The day, UTC.</param>
/// <param name="CostUsd">What was paid, in US dollars.</param>
/// <param name="Tokens">What was read and written for it.</param>
/// <param name="Sessions">How many sessions it was paid for.</param>
public sealed record DayCost(DateOnly Day, decimal CostUsd, TokenUsage Tokens, int Sessions);
