using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>What the payload of each event is made of, so that a payload is read as the event that it is, whatever a
/// header says.</summary>
static class GitHubPayloadShape
{
    // What the payload of an event is about.
    static readonly Dictionary<string, string[]> RequiredMembers = new()
    {
        ["pull_request"] = ["pull_request"],
        ["pull_request_review"] = ["pull_request", "review"],
        ["pull_request_review_comment"] = ["pull_request", "comment"],
        ["issues"] = ["issue"],
        ["issue_comment"] = ["issue", "comment"],
        ["discussion"] = ["discussion"],
        ["discussion_comment"] = ["discussion", "comment"],
        ["commit_comment"] = ["comment"],
        ["workflow_run"] = ["workflow_run"],
        ["workflow_job"] = ["workflow_job"],
        ["check_run"] = ["check_run"],
        ["check_suite"] = ["check_suite"],
        ["deployment_status"] = ["deployment", "deployment_status"],
        ["release"] = ["release"],
        ["push"] = ["ref", "after"],
        ["status"] = ["sha", "state"],
    };

    // What it may have besides: a deployment names the run that it is part of, and the other way round.
    static readonly Dictionary<string, string[]> OptionalMembers = new()
    {
        ["deployment_status"] = ["check_run", "workflow_run", "workflow_job"],
        ["workflow_job"] = ["deployment"],
        ["check_run"] = ["deployment"],
    };

    // Whatever else of these a payload has, it is that of another event: one of those above or one that is not read
    // here, which some of them are but for a member of their own. Names that any payload may come to have, like state,
    // tell nothing.
    static readonly string[] DistinctiveMembers =
    [
        "pull_request",
        "review",
        "comment",
        "thread",
        "issue",
        "discussion",
        "workflow_run",
        "workflow_job",
        "workflow_job_runs",
        "check_run",
        "check_suite",
        "deployment",
        "deployment_status",
        "release",
    ];

    /// <summary>The events that are read.</summary>
    public static IReadOnlyCollection<string> Events => RequiredMembers.Keys;

    /// <summary>Whether a payload can be one of this event.</summary>
    public static bool Matches(string name, JsonElement payload) =>
        RequiredMembers.TryGetValue(name, out var members)
        && Array.TrueForAll(members, x => payload.Has(x))
        && !Array.Exists(
            DistinctiveMembers,
            x =>
                payload.Has(x)
                && !members.Contains(x)
                && OptionalMembers.GetValueOrDefault(name)?.Contains(x) is not true
        );
}
