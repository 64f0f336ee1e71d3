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

    /// <summary>Asks for many pull requests of a repository by GraphQL.</summary>
    public static string QueryMany(IEnumerable<long> numbers) =>
        $$"""
            query($owner: String!, $name: String!) {
              repository(owner: $owner, name: $name) {
                {{string.Join(' ', numbers.Select(x => $"p{x}: pullRequest(number: {x}) {{ ...state }}"))}}
              }
            }
            fragment state on PullRequest {
              number state createdAt updatedAt headRefOid mergeable mergeStateStatus
            }
            """;

    /// <summary>Those of its answer, as the other API writes them.</summary>
    public static IEnumerable<JsonElement> AsRest(JsonElement repository) =>
        repository
            .EnumerateObject()
            .Select(x => x.Value)
            .Where(x => x.ValueKind is JsonValueKind.Object)
            .Select(x =>
                JsonSerializer.SerializeToElement(
                    new
                    {
                        number = x.Number("number"),
                        state = x.Text("state") == "OPEN" ? "open" : "closed",
                        created_at = x.Text("createdAt"),
                        updated_at = x.Text("updatedAt"),
                        head = new { sha = x.Text("headRefOid") },
                        mergeable = x.Text("mergeable") switch
                        {
                            "MERGEABLE" => true,
                            "CONFLICTING" => false,
                            _ => (bool?)null,
                        },
                        mergeable_state = x.Text("mergeStateStatus")?.ToLowerInvariant() ?? "unknown",
                    }
                )
            );
}
