using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>Whether an open pull request could be merged now, as far as GitHub says it.</summary>
enum MergeState
{
    /// <summary>GitHub has not found out, or says what is not known here. Neither yes nor no.</summary>
    Unknown,

    /// <summary>Its branch conflicts with the branch that it is to be merged into.</summary>
    Conflicted,

    /// <summary>It must have the newest commits of that branch first.</summary>
    Behind,

    /// <summary>A review, a check or a conversation is missing.</summary>
    Blocked,

    /// <summary>It could be merged, and something is not as it should be: a draft, or a check that is not
    /// required.</summary>
    Mergeable,

    /// <summary>Everything that it waits for is there.</summary>
    Ready,
}

/// <summary>Reads it off GitHub's object, of webhooks and the API alike.</summary>
static class MergeStates
{
    /// <summary><c>mergeable_state</c> is undocumented: what it says is believed only where <c>mergeable</c> says the
    /// same.</summary>
    public static MergeState Of(JsonElement pull) =>
        (pull.At("mergeable").ValueKind, pull.Text("mergeable_state")?.ToLowerInvariant()) switch
        {
            (_, null or "unknown") => MergeState.Unknown,
            (JsonValueKind.False, _) => MergeState.Conflicted,
            (JsonValueKind.True, "behind") => MergeState.Behind,
            (JsonValueKind.True, "blocked") => MergeState.Blocked,
            (JsonValueKind.True, "clean" or "has_hooks") => MergeState.Ready,
            (JsonValueKind.True, "unstable" or "draft") => MergeState.Mergeable,
            _ => MergeState.Unknown,
        };
}
