using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>What happens to commits and refs: checks, statuses, deployments, pushes, releases.</summary>
static class GitHubCommits
{
    // GitHub's own App on github.com, from the days before payloads named it.
    const long ActionsApp = 15368;

    /// <summary>A run of a workflow that is over. A run again keeps its id and raises its attempt.</summary>
    public static Mapped WorkflowRun(GitHubSighting seen, JsonElement run)
    {
        if (run.Text("head_sha") is not { } sha)
            return Mapped.Nothing("a run without a commit");

        // Approved, the same attempt goes on: what it comes to then is another fact.
        var (subject, conclusion) = (seen.Repository.Commit(sha), run.Text("conclusion") ?? "unknown");
        if (conclusion == "action_required")
            return Approval(seen, run, run.Number("id"));

        var attempt = run.Number("run_attempt") ?? 1;
        return seen.Event(
                "github.workflow_run.completed",
                subject,
                [run.Name("id"), GitHubSighting.Text(attempt)],
                $"Workflow {Named(run)} ended on {Short(sha)}: {EventText.Line(conclusion, EventText.Titled)}",
                Checks(run, conclusion, sha)
                    .Add("workflow", run.Text("name"))
                    .Add("runId", run.Number("id"))
                    .Add("attempt", attempt)
                    .Add("branch", run.Text("head_branch")),
                PullRequests(seen.Repository, run)
            )
            .Outdated(IsOutdated(seen.Repository, run, sha))
            .Rings(subject);
    }

    /// <summary>
    /// A run that a person must let go on, as it is or told by one of its jobs: it comes from a fork, or its deployment
    /// is to be reviewed.
    /// </summary>
    public static Mapped Approval(GitHubSighting seen, JsonElement item, long? run)
    {
        if (item.Text("head_sha") is not { } sha)
            return Mapped.Nothing("a run without a commit");

        var (subject, attempt) = (seen.Repository.Commit(sha), item.Number("run_attempt") ?? 1);
        var name = item.Text("workflow_name") ?? item.Text("name");
        return seen.Event(
                "github.workflow_run.action_required",
                subject,
                [run is { } id ? GitHubSighting.Text(id) : null, GitHubSighting.Text(attempt)],
                $"Workflow {EventText.Line(name ?? "?", EventText.Titled)} on {Short(sha)} waits for approval",
                Checks(item, "action_required", sha)
                    .Add("workflow", name)
                    .Add("runId", run)
                    .Add("attempt", attempt)
                    .Add("branch", item.Text("head_branch")),
                PullRequests(seen.Repository, item)
            )
            .Outdated(IsOutdated(seen.Repository, item, sha))
            .Rings(subject);
    }

    public static Mapped CheckSuite(GitHubSighting seen, JsonElement suite)
    {
        if (suite.Text("head_sha") is not { } sha)
            return Mapped.Nothing("a suite without a commit");

        var subject = seen.Repository.Commit(sha);
        if (suite.Text("app", "slug") is { } slug ? slug == "github-actions" : suite.Number("app", "id") == ActionsApp)
            return Mapped.Nothing("GitHub Actions: workflow_run is canonical").Rings(subject);

        var conclusion = suite.Text("conclusion") ?? "unknown";
        return seen.Event(
                "github.check_suite.completed",
                subject,
                [suite.Name("id"), suite.Moment("updated_at")],
                $"Checks of {Named(suite.At("app"))} ended on {Short(sha)}: {EventText.Line(conclusion, EventText.Titled)}",
                Checks(suite, conclusion, sha).Add("app", suite.Text("app", "slug") ?? suite.Text("app", "name")),
                PullRequests(seen.Repository, suite)
            )
            .Outdated(IsOutdated(seen.Repository, suite, sha))
            .Rings(subject);
    }

    /// <summary>A commit status, as CI from before the checks gives it.</summary>
    public static Mapped Status(GitHubSighting seen, string? sha, JsonElement status)
    {
        if (sha is null)
            return Mapped.Nothing("a status without a commit");

        var state = status.Text("state")?.ToLowerInvariant();
        if (state is null or "pending")
            return Mapped.Nothing("pending");

        var subject = seen.Repository.Commit(sha);
        var context = status.Text("context") ?? "default";
        return seen.Event(
                "github.status.completed",
                subject,
                [status.Name("id")],
                $"Status {EventText.Line(context, EventText.Titled)} of {Short(sha)}: {EventText.Line(state, EventText.Titled)}",
                new EventData()
                    .Add("conclusion", state is "error" ? "failure" : state)
                    .Add("state", state)
                    .Add("context", context)
                    .Add("sha", sha)
                    .Add("description", status.Text("description"))
                    .Link(status.Text("target_url"))
            )
            .Rings(subject);
    }

    /// <param name="seen">The look.</param>
    /// <param name="deployment">What was deployed.</param>
    /// <param name="status">How it went.</param>
    public static Mapped Deployment(GitHubSighting seen, JsonElement deployment, JsonElement status)
    {
        var state = status.Text("state")?.ToLowerInvariant();
        if (state is not ("success" or "failure" or "error"))
            return Mapped.Nothing("a deployment that is not over");

        if (deployment.Text("sha") is not { } sha)
            return Mapped.Nothing("a deployment without a commit");

        var environment = status.Text("environment") ?? deployment.Text("environment");
        return seen.Event(
            "github.deployment.completed",
            seen.Repository.Commit(sha),
            [status.Name("id")],
            $"Deployment of {Short(sha)} to {EventText.Line(environment ?? "its environment", EventText.Titled)}: {state}",
            new EventData()
                .Add("state", state)
                .Add("environment", environment)
                .Add("sha", sha)
                .Add("ref", deployment.Text("ref"))
                .Add("deploymentId", deployment.Number("id"))
                .Add("description", status.Text("description"))
                .Link(status.Text("log_url") ?? status.Text("environment_url"))
        );
    }

    /// <summary>A branch or tag that has moved or is new.</summary>
    public static Mapped Push(GitHubSighting seen, string? name, string? after, EventData data) =>
        name is null || after is null
            ? Mapped.Nothing("a push without a ref")
            : seen.Event(
                "github.push",
                seen.Repository.Ref(name),
                [after],
                $"{EventText.Line(name, EventText.Titled)} is now at {Short(after)}",
                data.Add("ref", name).Add("after", after),
                [seen.Repository.Commit(after)]
            );

    /// <summary>A push as GitHub delivers it, which may be the end of a ref.</summary>
    public static Mapped Push(GitHubSighting seen, JsonElement push)
    {
        var data = new EventData()
            .Add("before", push.Text("before"))
            .Add("forced", push.Flag("forced"))
            .Add("message", push.Text("head_commit", "message"))
            .Link(push.Text("compare"));

        if (!push.Flag("deleted"))
            return Push(seen, push.Text("ref"), push.Text("after"), data);

        return push.Text("ref") is not { } name
            ? Mapped.Nothing("a push without a ref")
            : seen.Event(
                "github.ref.deleted",
                seen.Repository.Ref(name),
                [push.Text("before")],
                $"{EventText.Line(name, EventText.Titled)} was deleted",
                data.Add("ref", name)
            );
    }

    public static Mapped Release(GitHubSighting seen, JsonElement release) =>
        release.Text("tag_name") is not { } tag ? Mapped.Nothing("a release without a tag")
        : release.Flag("draft") ? Mapped.Nothing("a draft")
        : seen.Event(
            "github.release.published",
            seen.Repository.Ref($"refs/tags/{tag}"),
            [release.Name("id")],
            $"Release {Named(release) ?? tag} was published",
            new EventData()
                .Add("tag", tag)
                .Add("name", release.Text("name"))
                .Add("prerelease", release.Flag("prerelease"))
                .Link(release.Text("html_url"))
                .Add("author", release.Text("author", "login"))
        );

    public static Mapped Comment(GitHubSighting seen, JsonElement comment) =>
        comment.Text("commit_id") is not { } sha
            ? Mapped.Nothing("a comment without a commit")
            : seen.Event(
                "github.commit.comment_created",
                seen.Repository.Commit(sha),
                [comment.Name("id")],
                $"{GitHubPulls.Who(comment)} commented on {Short(sha)}{GitHubPulls.Quoted(comment.Text("body"))}",
                new EventData()
                    .Add("commentId", comment.Number("id"))
                    .Add("sha", sha)
                    .Add("body", comment.Text("body"), EventText.Written)
                    .Add("author", comment.Text("user", "login"))
                    .Link(comment.Text("html_url"))
            );

    /// <summary>Says only that the checks of a commit have moved: its rollup, or its run, is the fact.</summary>
    public static Mapped Detail(GitHubSighting seen, string? sha, string why) =>
        Mapped.Nothing(why).Rings(sha is null ? null : seen.Repository.Commit(sha));

    /// <summary>The first digits, as people name a commit.</summary>
    public static string Short(string sha) => EventText.Line(sha.Length > 8 ? sha[..8] : sha, 8);

    static EventData Checks(JsonElement item, string conclusion, string sha) =>
        new EventData().Add("conclusion", conclusion).Add("sha", sha).Link(item.Text("html_url"));

    static string? Named(JsonElement item) =>
        item.Text("name") is { } name ? EventText.Line(name, EventText.Titled) : null;

    // The list is empty for forks, and may name pull requests of other repositories that contain the commit.
    static IEnumerable<string> PullRequests(GitHubRepository repository, JsonElement item) =>
        from pull in Own(repository, item)
        let number = pull.Number("number")
        where number is not null
        select repository.Item(number.Value);

    // What ran on a commit that all its pull requests have left is no news of them: mostly it was cancelled for that.
    static bool IsOutdated(GitHubRepository repository, JsonElement item, string sha) =>
        Own(repository, item).Select(x => x.Text("head", "sha")).ToList() is { Count: > 0 } heads
        && heads.TrueForAll(x => x is not null && x != sha);

    static IEnumerable<JsonElement> Own(GitHubRepository repository, JsonElement item) =>
        item.Items("pull_requests").Where(x => x.Number("base", "repo", "id") is { } home && home == repository.Id);
}
