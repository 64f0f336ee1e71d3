using Wake.Runner;
using Wake.Store;

namespace Wake.Tests.Support;

/// <summary>Reactions in the words of the README's table.</summary>
static class ReactionWords
{
    public static string Of(ClaudeResult result, int failures = 1) =>
        Of(Reaction.To(result, failures, new(), DateTimeOffset.UnixEpoch));

    static string Of(Reaction reaction) =>
        reaction switch
        {
            Reaction.End => "ends",
            Reaction.GiveBack { How: TurnReturn.Retry { Interrupted: true } } => "at once again",
            Reaction.GiveBack { How: TurnReturn.Retry } => "again",
            Reaction.GiveBack { How: TurnReturn.Park { Until: null } } => "parked",
            Reaction.Fresh => "fresh",
            Reaction.Resume => "resumed",
            Reaction.StopWork { How: TurnReturn.Park } => "parked until then, no work",
            Reaction.StopWork => "at once again, no work",
            _ => throw new InvalidOperationException($"No words for {reaction}."),
        };
}
