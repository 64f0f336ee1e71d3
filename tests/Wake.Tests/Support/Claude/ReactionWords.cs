using Wake.Runner;
using Wake.Store;

namespace Wake.Tests.Support;

/// <summary>Reactions in the words of the table in docs/concepts.md.</summary>
static class ReactionWords
{
    public static string Of(ClaudeResult result, int failures = 1) =>
        Of(Reaction.For(result, failures, new(), DateTimeOffset.UnixEpoch));

    static string Of(Reaction reaction) =>
        reaction switch
        {
            Reaction.End => "ends",
            Reaction.Release { How: TurnRelease.Retry { Interrupted: true } } => "at once again",
            Reaction.Release { How: TurnRelease.Retry } => "again",
            Reaction.Release { How: TurnRelease.Park { Until: null } } => "parked",
            Reaction.StartFresh => "fresh",
            Reaction.Resume => "resumed",
            Reaction.PauseRunner { How: TurnRelease.Park } => "parked until then, no work",
            Reaction.PauseRunner => "at once again, no work",
            _ => throw new InvalidOperationException($"No words for {reaction}."),
        };
}
