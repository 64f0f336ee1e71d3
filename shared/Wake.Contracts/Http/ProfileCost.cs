namespace Wake.Contracts.Http;

/// <summary>What the sessions of a profile cost.</summary>
/// <param name="Profile">The profile.</param>
/// <param name="CostUsd">What was paid within the days asked for, in US dollars.</param>
/// <param name="CostTodayUsd">What of it was paid today (UTC).</param>
/// <param name="Sessions">How many sessions it was paid for.</param>
public sealed record ProfileCost(string Profile, decimal CostUsd, decimal CostTodayUsd, int Sessions);
