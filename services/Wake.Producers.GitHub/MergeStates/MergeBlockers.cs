using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>Why a pull request may not be merged, as far as it could be found out; with none, nobody could.</summary>
/// <param name="Codes">For conditions: <c>review_missing</c>, <c>changes_requested</c>, <c>check_missing</c>,
/// <c>check_failed</c>, <c>conversation_unresolved</c>.</param>
/// <param name="Words">For people.</param>
sealed record MergeBlockers(IReadOnlyList<string> Codes, IReadOnlyList<string> Words)
{
    // Asked only when a state is to be told: it costs of a budget that people and their tools share.
    const string Question = """
        query($owner: String!, $name: String!, $number: Int!) {
          repository(owner: $owner, name: $name) {
            pullRequest(number: $number) {
              reviewDecision
              reviewThreads(first: 100) { nodes { isResolved } }
            }
          }
        }
        """;

    /// <summary>Asks GitHub. Who may not ask that is told what the checks alone say.</summary>
    public static async Task<MergeBlockers> Ask(
        GitHubClient client,
        GitHubRepository repository,
        long number,
        CiRollup.Finished? checks,
        CancellationToken cancel
    )
    {
        var names = repository.FullName.Split('/');
        var answer = await client.Query(
            Question,
            new
            {
                owner = names[0],
                name = names[1],
                number,
            },
            repository.FullName,
            cancel
        );
        return Of(answer.At("repository", "pullRequest"), checks);
    }

    /// <param name="pull">GraphQL's object; undefined where nothing was asked.</param>
    /// <param name="checks">What the checks add up to; null where nobody knows.</param>
    public static MergeBlockers Of(JsonElement pull, CiRollup.Finished? checks)
    {
        List<(string Code, string Words)> found = [];
        switch (pull.Text("reviewDecision"))
        {
            case "REVIEW_REQUIRED":
                found.Add(("review_missing", "a review is missing"));
                break;
            case "CHANGES_REQUESTED":
                found.Add(("changes_requested", "a review requests changes"));
                break;
        }

        if (checks is { Failed.Count: > 0 })
            found.Add(("check_failed", $"{Count(checks.Failed.Count, "check")} failed"));
        if (checks?.Open.Count(x => x.Counts) is > 0 and var missing)
            found.Add(("check_missing", $"{Count(missing, "check")} {(missing > 1 ? "are" : "is")} missing"));
        if (
            pull.Items("reviewThreads", "nodes").Count(x => x.Has("isResolved") && !x.Flag("isResolved"))
            is > 0
                and var open
        )
        {
            found.Add(
                ("conversation_unresolved", $"{Count(open, "conversation")} {(open > 1 ? "are" : "is")} unresolved")
            );
        }

        return new([.. found.Select(x => x.Code)], [.. found.Select(x => x.Words)]);
    }

    static string Count(int many, string what) => many == 1 ? $"1 {what}" : $"{many} {what}s";
}
