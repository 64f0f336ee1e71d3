using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>
/// GitHub's words to Wake's, pure. The same fact has the same key whether GitHub delivered it or a poll found it; what
/// is not in this table is ignored, since GitHub adds actions every few months.
/// </summary>
public static class GitHubEvents
{
    /// <summary>What a webhook delivery means.</summary>
    /// <param name="name">The event: <c>X-GitHub-Event</c>.</param>
    /// <param name="payload">The payload.</param>
    /// <param name="delivery">The delivery's id: <c>X-GitHub-Delivery</c>.</param>
    public static Mapped Of(string name, JsonElement payload, string delivery)
    {
        if (name == "ping")
            return Mapped.Nothing("ping");

        if (!GitHubShape.Events.Contains(name))
            return Mapped.Nothing("event");

        // The header is not signed: on its word alone a payload would be read as another event.
        if (!GitHubShape.Is(name, payload))
            return Mapped.Refused($"X-GitHub-Event says {name}, and the payload is not that of such an event.");

        if (GitHubRepository.Of(payload.At("repository")) is not { } repository)
            return Mapped.Nothing("no repository");

        var seen = new GitHubSighting(
            repository,
            new("github:webhook", delivery, payload.Text("sender", "login"), payload.Text("sender", "type"))
        );
        return Of(name, payload.Text("action"), payload, seen) ?? Mapped.Nothing("action");
    }

    /// <summary>A pull request as the API shows it, alone or in a list: nothing unless it is merged or
    /// closed.</summary>
    public static Mapped Pull(GitHubSighting seen, JsonElement pull) =>
        pull.Has("merged_at") || pull.Flag("merged") || pull.Text("state") == "closed"
            ? GitHubPulls.Closed(By(seen, pull, "merged_by"), pull)
            : Mapped.Nothing("open");

    /// <summary>The head of a pull request that was seen at another commit before.</summary>
    public static Mapped PullHead(GitHubSighting seen, JsonElement pull) => GitHubPulls.Synchronized(seen, pull);

    /// <summary>An issue as the API shows it: nothing unless it is closed.</summary>
    public static Mapped Issue(GitHubSighting seen, JsonElement issue) =>
        issue.Has("pull_request") ? Mapped.Nothing("a pull request")
        : issue.Text("state") == "closed" ? GitHubIssues.Closed(By(seen, issue, "closed_by"), issue)
        : Mapped.Nothing("open");

    /// <summary>A review of a pull request.</summary>
    public static Mapped Review(GitHubSighting seen, long number, JsonElement review, JsonElement pull = default) =>
        GitHubPulls.Review(By(seen, review, "user"), number, review, pull);

    /// <summary>A comment on the code of a pull request; it names the pull request itself.</summary>
    public static Mapped ReviewComment(GitHubSighting seen, JsonElement comment) =>
        LastNumber(comment.Text("pull_request_url")) is { } number
            ? GitHubPulls.ReviewComment(By(seen, comment, "user"), number, comment)
            : Mapped.Nothing("a comment on no pull request");

    /// <summary>A comment in a conversation; its page says whether of an issue or of a pull request.</summary>
    public static Mapped IssueComment(GitHubSighting seen, JsonElement comment) =>
        LastNumber(comment.Text("issue_url")) is { } number && comment.Text("html_url") is { } page
            ? GitHubIssues.Comment(
                By(seen, comment, "user"),
                number,
                page.Contains("/pull/", StringComparison.Ordinal),
                comment
            )
            : Mapped.Nothing("a comment on nothing");

    /// <summary>A run of a workflow: nothing unless it is completed, or waits for a person.</summary>
    public static Mapped WorkflowRun(GitHubSighting seen, JsonElement run) =>
        run.Text("status") switch
        {
            "completed" => GitHubCommits.WorkflowRun(By(seen, run, "triggering_actor"), run),
            "waiting" => GitHubCommits.Approval(By(seen, run, "triggering_actor"), run, run.Number("id")),
            _ => Mapped.Nothing("not completed"),
        };

    /// <summary>One of the statuses of a commit.</summary>
    public static Mapped Status(GitHubSighting seen, string sha, JsonElement status) =>
        GitHubCommits.Status(By(seen, status, "creator"), sha, status);

    /// <summary>A status of a deployment.</summary>
    public static Mapped Deployment(GitHubSighting seen, JsonElement deployment, JsonElement status) =>
        GitHubCommits.Deployment(By(seen, status, "creator"), deployment, status);

    /// <summary>A ref that was seen at another commit before: the answer of <c>git/ref/{ref}</c>.</summary>
    public static Mapped Ref(GitHubSighting seen, JsonElement reference) =>
        GitHubCommits.Push(seen, reference.Text("ref"), reference.Text("object", "sha"), new());

    /// <summary>A release: nothing while it is a draft.</summary>
    public static Mapped Release(GitHubSighting seen, JsonElement release) =>
        GitHubCommits.Release(By(seen, release, "author"), release);

    /// <summary>The checks of a commit added up, for the pull requests whose head it is.</summary>
    public static Mapped Ci(
        GitHubSighting seen,
        string sha,
        CiRollup.Finished rollup,
        IReadOnlyCollection<long> pulls,
        string? excerpt = null
    )
    {
        var of = pulls.Count > 0 ? $"PR {string.Join(", ", pulls.Select(x => $"#{x}"))}" : GitHubCommits.Short(sha);
        return seen.Event(
            "github.ci.completed",
            seen.Repository.Commit(sha),
            [rollup.Fingerprint],
            Told($"CI of {of}", rollup),
            new EventData()
                .Add("conclusion", rollup.State)
                .Add("state", rollup.State)
                .Add("sha", sha)
                .Add("total", rollup.Total)
                .Add("failedCount", rollup.Failed.Count)
                .Add("failed", rollup.Failed.Count > 0 ? string.Join(", ", rollup.Failed) : null, EventText.Written)
                .Add(
                    "pending",
                    rollup.Open.Count > 0 ? string.Join(", ", rollup.Open.Select(x => x.Name)) : null,
                    EventText.Written
                )
                .Add("pendingSince", rollup.Open.Min(x => x.Since) is { } since ? Moment(since) : null)
                .Add("excerpt", excerpt, LogExcerpt.Limit),
            pulls.Select(seen.Repository.Item)
        );
    }

    static string Told(string ci, CiRollup.Finished rollup)
    {
        var failure = $"failure ({rollup.Failed.Count} of {rollup.Total})";
        var counting = rollup.Open.Where(x => x.Counts).ToList();
        if (counting is [])
        {
            return $"{ci} is finished: {(rollup.Failed.Count > 0 ? failure : "success")}"
                + (
                    rollup.Open.Count > 0
                        ? $"; {Names(rollup.Open)} {(rollup.Open.Count > 1 ? "are" : "is")} not required and still pending"
                        : ""
                );
        }

        // Said of what somebody can do something about, if there is such.
        var approval = rollup.Open.Where(x => x.Approval).ToList();
        var missing = counting.TrueForAll(x => x.Since is null);
        return (
                approval.Count > 0 ? $"{ci} waits for approval: {Names(approval)}"
                : rollup.Total == 0 && missing
                    ? $"{ci} has not begun: {Names(counting)} {(counting.Count > 1 ? "are" : "is")} required"
                : missing ? $"{ci}: all has ended but {Names(counting)}, required and not begun"
                : $"{ci}: all has ended but {Names(rollup.Open)}, pending since {Moment(counting.Min(x => x.Since)!.Value)}"
            ) + (rollup.Failed.Count > 0 ? $"; {failure}" : "");
    }

    // Enough to know what to look for; the data has all of them.
    static string Names(IReadOnlyCollection<OpenCheck> checks) =>
        string.Join(", ", checks.Take(5).Select(x => EventText.Line(x.Name, EventText.Titled)))
        + (checks.Count > 5 ? $" and {checks.Count - 5} more" : "");

    static string Moment(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);

    // Trusts the action, not the state of the object: a run whose action is in_progress may say completed.
    static Mapped? Of(string name, string? action, JsonElement payload, GitHubSighting seen) =>
        (name, action) switch
        {
            ("pull_request", { } what) => PullRequest(what, payload, seen),
            ("pull_request_review", "submitted" or "dismissed") => payload.Number("pull_request", "number")
                is { } number
                ? GitHubPulls.Review(seen, number, payload.At("review"), payload.At("pull_request"))
                : Mapped.Nothing("a review of no pull request"),
            ("pull_request_review_comment", "created") => payload.Number("pull_request", "number") is { } number
                ? GitHubPulls.ReviewComment(seen, number, payload.At("comment"))
                : Mapped.Nothing("a comment on no pull request"),
            ("issue_comment", "created") => payload.Number("issue", "number") is { } number
                ? GitHubIssues.Comment(seen, number, payload.Has("issue", "pull_request"), payload.At("comment"))
                : Mapped.Nothing("a comment on nothing"),
            ("issues", { } what) => Issues(what, payload, seen),
            ("workflow_run", "completed") => GitHubCommits.WorkflowRun(seen, payload.At("workflow_run")),
            ("check_suite", "completed") => GitHubCommits.CheckSuite(seen, payload.At("check_suite")),
            ("check_run", "completed") => GitHubCommits.Detail(
                seen,
                payload.Text("check_run", "head_sha"),
                "detail of a suite"
            ),
            ("workflow_job", "completed") => GitHubCommits.Detail(
                seen,
                payload.Text("workflow_job", "head_sha"),
                "detail of a run"
            ),
            ("workflow_job", "waiting") => GitHubCommits.Approval(
                seen,
                payload.At("workflow_job"),
                payload.Number("workflow_job", "run_id")
            ),
            ("status", _) => GitHubCommits.Status(seen, payload.Text("sha"), payload),
            ("deployment_status", _) => GitHubCommits.Deployment(
                seen,
                payload.At("deployment"),
                payload.At("deployment_status")
            ),
            ("push", _) => GitHubCommits.Push(seen, payload),
            ("release", "published") => GitHubCommits.Release(seen, payload.At("release")),
            ("discussion", "created" or "answered") => GitHubIssues.Discussion(seen, action, payload),
            ("discussion_comment", "created") => GitHubIssues.DiscussionComment(seen, payload),
            ("commit_comment", "created") => GitHubCommits.Comment(seen, payload.At("comment")),
            _ => null,
        };

    static Mapped? PullRequest(string action, JsonElement payload, GitHubSighting seen) =>
        (action, payload.At("pull_request")) switch
        {
            ("opened", var pull) => GitHubPulls.Opened(seen, pull),
            ("closed", var pull) => GitHubPulls.Closed(seen, pull),
            ("reopened", var pull) => GitHubPulls.Reopened(seen, pull),
            ("synchronize", var pull) => GitHubPulls.Synchronized(seen, pull),
            ("ready_for_review", var pull) => GitHubPulls.ReadyForReview(seen, pull),
            ("review_requested", var pull) => GitHubPulls.ReviewRequested(seen, pull, payload),
            ("labeled", var pull) => GitHubPulls.Labeled(seen, pull, payload),
            ("assigned", var pull) => GitHubPulls.Assigned(seen, pull, payload),
            ("dequeued", var pull) => GitHubPulls.Dequeued(seen, pull, payload),
            _ => null,
        };

    static Mapped? Issues(string action, JsonElement payload, GitHubSighting seen) =>
        (action, payload.At("issue")) switch
        {
            ("opened", var issue) => GitHubIssues.Opened(seen, issue),
            ("closed", var issue) => GitHubIssues.Closed(seen, issue),
            ("reopened", var issue) => GitHubIssues.Reopened(seen, issue),
            ("labeled", var issue) => GitHubIssues.Labeled(seen, issue, payload),
            ("assigned", var issue) => GitHubIssues.Assigned(seen, issue, payload),
            _ => null,
        };

    static GitHubSighting By(GitHubSighting seen, JsonElement item, string who) =>
        seen.Of(item.Text(who, "login"), item.Text(who, "type"));

    /// <summary>The number an address of the API ends in.</summary>
    internal static long? LastNumber(string? address) =>
        address is not null && long.TryParse(address.AsSpan(address.LastIndexOf('/') + 1), out var number) && number > 0
            ? number
            : null;
}
