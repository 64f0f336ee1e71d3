namespace Wake.Contracts;

/// <summary>
/// A runner holds the turn and is about to run it. Published by the runner after its claim committed, for whoever
/// shows or counts what runs: the saga needs no word of it, the claim itself has set the session's timer. The same turn
/// starts again after a lost lease, with the next attempt.
/// </summary>
/// <param name="SessionId">The session that takes the turn.</param>
/// <param name="WakeNumber">Which of its wakes.</param>
/// <param name="Attempt">Counts the claims of this turn from 1.</param>
/// <param name="Runner">The name of the runner that holds it.</param>
public sealed record TurnStarted(Guid SessionId, int WakeNumber, int Attempt, string Runner);
