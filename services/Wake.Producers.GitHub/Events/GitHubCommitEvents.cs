using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>What happens to commits and refs: checks, statuses, deployments, pushes, releases.</summary>
static class GitHubCommitEvents
{
    // GitHub's own App on github.com, from the days before payloads named it.
    const long ActionsApp = 15368;

    /// <summary>A run of a workflow that is over. A run again keeps its id and raises its attempt.</summary>
    public static EventMapping WorkflowRun(GitHubObservation seen, JsonElement run)
    {
        if (run.Text("head_sha") is not { } sha)
            return EventMapping.Ignore("a run without a commit");

        // Approved, the same attempt goes on: what it comes to then is another fact.
        var (subject, conclusion) = (seen.Repository.Commit(sha), run.Text("conclusion") ?? "unknown");
        if (conclusion == "action_required")
            return Approval(seen, run, run.Number("id"));

        var attempt = run.Number("run_attempt") ?? 1;
        return seen.Event(
                "github.workflow_run.completed",
                subject,
                [run.TextOrNumber("id"), GitHubObservation.FormatNumber(attempt)],
                $"Workflow {NameOf(run)} ended on {Short(sha)}: "
                    + $"{EventText.TruncateToLine(conclusion, EventText.MaxTitleLength)}",
                Checks(run, conclusion, sha)
                    .Add("workflow", run.Text("name"))
                    .Add("runId", run.Number("id"))
                    .Add("attempt", attempt)
                    .Add("branch", run.Text("head_branch")),
                PullRequests(seen.Repository, run)
            )
            .AmbientIfOutdated(IsOutdated(seen.Repository, run, sha))
            .WithRepoll(subject);
    }

    /// <summary>
    /// A run that a person must let go on, as it is or told by one of its jobs: it comes from a fork, or its deployment
    /// is to be reviewed.
    /// </summary>
    public static EventMapping Approval(GitHubObservation seen, JsonElement item, long? run)
    {
        if (item.Text("head_sha") is not { } sha)
            return EventMapping.Ignore("a run without a commit");

        var (subject, attempt) = (seen.Repository.Commit(sha), item.Number("run_attempt") ?? 1);
        var name = item.Text("workflow_name") ?? item.Text("name");
        return seen.Event(
                "github.workflow_run.action_required",
                subject,
                [run is { } id ? GitHubObservation.FormatNumber(id) : null, GitHubObservation.FormatNumber(attempt)],
                $"Workflow {EventText.TruncateToLine(name ?? "?", EventText.MaxTitleLength)} on {Short(sha)} waits "
                    + "for approval",
                Checks(item, "action_required", sha)
                    .Add("workflow", name)
                    .Add("runId", run)
                    .Add("attempt", attempt)
                    .Add("branch", item.Text("head_branch")),
                PullRequests(seen.Repository, item)
            )
            .AmbientIfOutdated(IsOutdated(seen.Repository, item, sha))
            .WithRepoll(subject);
    }

    public static EventMapping CheckSuite(GitHubObservation seen, JsonElement suite)
    {
        if (suite.Text("head_sha") is not { } sha)
            return EventMapping.Ignore("a suite without a commit");

        var subject = seen.Repository.Commit(sha);
        if (suite.Text("app", "slug") is { } slug ? slug == "github-actions" : suite.Number("app", "id") == ActionsApp)
            return EventMapping.Ignore("GitHub Actions: workflow_run is canonical").WithRepoll(subject);

        var conclusion = suite.Text("conclusion") ?? "unknown";
        return seen.Event(
                "github.check_suite.completed",
                subject,
                [suite.TextOrNumber("id"), suite.TimeForKey("updated_at")],
                $"Checks of {NameOf(suite.At("app"))} ended on {Short(sha)}: "
                    + $"{EventText.TruncateToLine(conclusion, EventText.MaxTitleLength)}",
                Checks(suite, conclusion, sha).Add("app", suite.Text("app", "slug") ?? suite.Text("app", "name")),
                PullRequests(seen.Repository, suite)
            )
            .AmbientIfOutdated(IsOutdated(seen.Repository, suite, sha))
            .WithRepoll(subject);
    }

    /// <summary>A commit status, as CI from before the checks gives it.</summary>
    public static EventMapping Status(GitHubObservation seen, string? sha, JsonElement status)
    {
        if (sha is null)
            return EventMapping.Ignore("a status without a commit");

        var state = status.Text("state")?.ToLowerInvariant();
        if (state is null or "pending")
            return EventMapping.Ignore("pending");

        var subject = seen.Repository.Commit(sha);
        var context = status.Text("context") ?? "default";
        if (CiRules.IsOwn(context))
            return EventMapping.Ignore("a status of Wake's own");

        return seen.Event(
                "github.status.completed",
                subject,
                [status.TextOrNumber("id")],
                $"Status {EventText.TruncateToLine(context, EventText.MaxTitleLength)} of {Short(sha)}: "
                    + $"{EventText.TruncateToLine(state, EventText.MaxTitleLength)}",
                new EventData()
                    .Add("conclusion", state is "error" ? "failure" : state)
                    .Add("state", state)
                    .Add("context", context)
                    .Add("sha", sha)
                    .Add("description", status.Text("description"))
                    .AddLink(status.Text("target_url"))
            )
            .WithRepoll(subject);
    }

    /// <param name="seen">The look.</param>
    /// <param name="deployment">What was deployed.</param>
    /// <param name="status">How it went.</param>
    public static EventMapping Deployment(GitHubObservation seen, JsonElement deployment, JsonElement status)
    {
        var state = status.Text("state")?.ToLowerInvariant();
        if (state is not ("success" or "failure" or "error"))
            return EventMapping.Ignore("a deployment that is not over");

        if (deployment.Text("sha") is not { } sha)
            return EventMapping.Ignore("a deployment without a commit");

        var environment = status.Text("environment") ?? deployment.Text("environment");
        return seen.Event(
            "github.deployment.completed",
            seen.Repository.Commit(sha),
            [status.TextOrNumber("id")],
            $"Deployment of {Short(sha)} to "
                + $"{EventText.TruncateToLine(environment ?? "its environment", EventText.MaxTitleLength)}: {state}",
            new EventData()
                .Add("state", state)
                .Add("environment", environment)
                .Add("sha", sha)
                .Add("ref", deployment.Text("ref"))
                .Add("deploymentId", deployment.Number("id"))
                .Add("description", status.Text("description"))
                .AddLink(status.Text("log_url") ?? status.Text("environment_url"))
        );
    }

    /// <summary>A branch or tag that has moved or is new.</summary>
    public static EventMapping Push(GitHubObservation seen, string? name, string? after, EventData data) =>
        name is null || after is null
            ? EventMapping.Ignore("a push without a ref")
            : seen.Event(
                "github.push",
                seen.Repository.Ref(name),
                [after],
                $"{EventText.TruncateToLine(name, EventText.MaxTitleLength)} is now at {Short(after)}",
                data.Add("ref", name).Add("after", after),
                [seen.Repository.Commit(after)]
            );

    /// <summary>A push as GitHub delivers it, which may be the end of a ref.</summary>
    public static EventMapping Push(GitHubObservation seen, JsonElement push)
    {
        var data = new EventData()
            .Add("before", push.Text("before"))
            .Add("forced", push.Flag("forced"))
            .Add("message", push.Text("head_commit", "message"))
            .AddLink(push.Text("compare"));

        if (!push.Flag("deleted"))
            return Push(seen, push.Text("ref"), push.Text("after"), data);

        return push.Text("ref") is not { } name
            ? EventMapping.Ignore("a push without a ref")
            : seen.Event(
                "github.ref.deleted",
                seen.Repository.Ref(name),
                [push.Text("before")],
                $"{EventText.TruncateToLine(name, EventText.MaxTitleLength)} was deleted",
                data.Add("ref", name)
            );
    }

    public static EventMapping Release(GitHubObservation seen, JsonElement release) =>
        release.Text("tag_name") is not { } tag ? EventMapping.Ignore("a release without a tag")
        : release.Flag("draft") ? EventMapping.Ignore("a draft")
        : seen.Event(
            "github.release.published",
            seen.Repository.Ref($"refs/tags/{tag}"),
            [release.TextOrNumber("id")],
            $"Release {NameOf(release) ?? tag} was published",
            new EventData()
                .Add("tag", tag)
                .Add("name", release.Text("name"))
                .Add("prerelease", release.Flag("prerelease"))
                .AddLink(release.Text("html_url"))
                .Add("author", release.Text("author", "login"))
        );

    public static EventMapping Comment(GitHubObservation seen, JsonElement comment) =>
        comment.Text("commit_id") is not { } sha
            ? EventMapping.Ignore("a comment without a commit")
            : seen.Event(
                "github.commit.comment_created",
                seen.Repository.Commit(sha),
                [comment.TextOrNumber("id")],
                $"{GitHubPullRequestEvents.Author(comment)} commented on "
                    + $"{Short(sha)}{GitHubPullRequestEvents.Quoted(comment.Text("body"))}",
                new EventData()
                    .Add("commentId", comment.Number("id"))
                    .Add("sha", sha)
                    .Add("body", comment.Text("body"), EventText.MaxBodyLength)
                    .Add("author", comment.Text("user", "login"))
                    .AddLink(comment.Text("html_url"))
            );

    /// <summary>Says only that the checks of a commit have moved: its rollup, or its run, is the fact.</summary>
    public static EventMapping ChecksChanged(GitHubObservation seen, string? sha, string why) =>
        EventMapping.Ignore(why).WithRepoll(sha is null ? null : seen.Repository.Commit(sha));

    /// <summary>The first digits, as people name a commit.</summary>
    public static string Short(string sha) => EventText.TruncateToLine(sha.Length > 8 ? sha[..8] : sha, 8);

    static EventData Checks(JsonElement item, string conclusion, string sha) =>
        new EventData().Add("conclusion", conclusion).Add("sha", sha).AddLink(item.Text("html_url"));

    static string? NameOf(JsonElement item) =>
        item.Text("name") is { } name ? EventText.TruncateToLine(name, EventText.MaxTitleLength) : null;

    // The list is empty for forks, and may name pull requests of other repositories that contain the commit.
    static IEnumerable<string> PullRequests(GitHubRepository repository, JsonElement item) =>
        from pull in OwnPullRequests(repository, item)
        let number = pull.Number("number")
        where number is not null
        select repository.Item(number.Value);

    // What ran on a commit that all its pull requests have left is no news of them: mostly it was cancelled for that.
    static bool IsOutdated(GitHubRepository repository, JsonElement item, string sha) =>
        OwnPullRequests(repository, item).Select(x => x.Text("head", "sha")).ToList() is { Count: > 0 } heads
        && heads.TrueForAll(x => x is not null && x != sha);

    static IEnumerable<JsonElement> OwnPullRequests(GitHubRepository repository, JsonElement item) =>
        item.Items("pull_requests").Where(x => x.Number("base", "repo", "id") is { } home && home == repository.Id);
}
