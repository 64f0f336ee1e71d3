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
    public static EventMapping FromWebhook(string name, JsonElement payload, string delivery)
    {
        if (name == "ping")
            return EventMapping.Ignore("ping");

        if (!GitHubPayloadShape.Events.Contains(name))
            return EventMapping.Ignore("event");

        // The header is not signed: on its word alone a payload would be read as another event.
        if (!GitHubPayloadShape.Matches(name, payload))
            return EventMapping.RejectMalformed(
                $"X-GitHub-Event says {name}, and the payload is not that of such an event."
            );

        if (GitHubRepository.Parse(payload.At("repository")) is not { } repository)
            return EventMapping.Ignore("no repository");

        var seen = new GitHubObservation(
            repository,
            new("github:webhook", delivery, payload.Text("sender", "login"), payload.Text("sender", "type"))
        );
        return FromWebhook(name, payload.Text("action"), payload, seen) ?? EventMapping.Ignore("action");
    }

    /// <summary>A pull request as the API shows it, alone or in a list: nothing unless it is merged or
    /// closed.</summary>
    public static EventMapping Pull(GitHubObservation seen, JsonElement pull) =>
        pull.Has("merged_at") || pull.Flag("merged") || pull.Text("state") == "closed"
            ? GitHubPullRequestEvents.Closed(WithActor(seen, pull, "merged_by"), pull)
            : EventMapping.Ignore("open");

    /// <summary>The head of a pull request that was seen at another commit before.</summary>
    public static EventMapping PullHead(GitHubObservation seen, JsonElement pull) =>
        GitHubPullRequestEvents.Synchronized(seen, pull);

    /// <summary>Whether a pull request can be merged is not as it was.</summary>
    internal static EventMapping MergeState(
        GitHubObservation seen,
        JsonElement pull,
        MergeStateChange change,
        MergeBlockers? why
    ) => GitHubPullRequestEvents.MergeState(seen, pull, change, why);

    /// <summary>An issue as the API shows it: nothing unless it is closed.</summary>
    public static EventMapping Issue(GitHubObservation seen, JsonElement issue) =>
        issue.Has("pull_request") ? EventMapping.Ignore("a pull request")
        : issue.Text("state") == "closed" ? GitHubIssueEvents.Closed(WithActor(seen, issue, "closed_by"), issue)
        : EventMapping.Ignore("open");

    /// <summary>A review of a pull request.</summary>
    public static EventMapping Review(
        GitHubObservation seen,
        long number,
        JsonElement review,
        JsonElement pull = default
    ) => GitHubPullRequestEvents.Review(WithActor(seen, review, "user"), number, review, pull);

    /// <summary>A comment on the code of a pull request; it names the pull request itself.</summary>
    public static EventMapping ReviewComment(GitHubObservation seen, JsonElement comment) =>
        LastNumber(comment.Text("pull_request_url")) is { } number
            ? GitHubPullRequestEvents.ReviewComment(WithActor(seen, comment, "user"), number, comment)
            : EventMapping.Ignore("a comment on no pull request");

    /// <summary>A comment in a conversation; its page says whether of an issue or of a pull request.</summary>
    public static EventMapping IssueComment(GitHubObservation seen, JsonElement comment) =>
        LastNumber(comment.Text("issue_url")) is { } number && comment.Text("html_url") is { } page
            ? GitHubIssueEvents.Comment(
                WithActor(seen, comment, "user"),
                number,
                page.Contains("/pull/", StringComparison.Ordinal),
                comment
            )
            : EventMapping.Ignore("a comment on nothing");

    /// <summary>A run of a workflow: nothing unless it is completed, or waits for a person.</summary>
    public static EventMapping WorkflowRun(GitHubObservation seen, JsonElement run) =>
        run.Text("status") switch
        {
            "completed" => GitHubCommitEvents.WorkflowRun(WithActor(seen, run, "triggering_actor"), run),
            "waiting" => GitHubCommitEvents.Approval(WithActor(seen, run, "triggering_actor"), run, run.Number("id")),
            _ => EventMapping.Ignore("not completed"),
        };

    /// <summary>One of the statuses of a commit.</summary>
    public static EventMapping Status(GitHubObservation seen, string sha, JsonElement status) =>
        GitHubCommitEvents.Status(WithActor(seen, status, "creator"), sha, status);

    /// <summary>A status of a deployment.</summary>
    public static EventMapping Deployment(GitHubObservation seen, JsonElement deployment, JsonElement status) =>
        GitHubCommitEvents.Deployment(WithActor(seen, status, "creator"), deployment, status);

    /// <summary>A ref that was seen at another commit before: the answer of <c>git/ref/{ref}</c>.</summary>
    public static EventMapping Ref(GitHubObservation seen, JsonElement reference) =>
        GitHubCommitEvents.Push(seen, reference.Text("ref"), reference.Text("object", "sha"), new());

    /// <summary>A release: nothing while it is a draft.</summary>
    public static EventMapping Release(GitHubObservation seen, JsonElement release) =>
        GitHubCommitEvents.Release(WithActor(seen, release, "author"), release);

    /// <summary>The checks of a commit added up, for the pull requests whose head it is.</summary>
    public static EventMapping Ci(
        GitHubObservation seen,
        string sha,
        CiRollup.Finished rollup,
        IReadOnlyCollection<long> pulls,
        CiDetails details
    )
    {
        var of =
            pulls.Count > 0 ? $"PR {string.Join(", ", pulls.Select(x => $"#{x}"))}" : GitHubCommitEvents.Short(sha);

        // Their rerun has a key of its own: the same checks may have been told as pending before they failed.
        string?[] which =
            details.RerunOutcome is RerunOutcome.Unfinished ? [rollup.Fingerprint, "rerun"] : [rollup.Fingerprint];
        return seen.Event(
            "github.ci.completed",
            seen.Repository.Commit(sha),
            which,
            CiSummary($"CI of {of}", rollup) + Infrastructure(rollup) + details.RerunSummary,
            new EventData()
                .Add("conclusion", rollup.State)
                .Add("state", rollup.State)
                .Add("sha", sha)
                .Add("total", rollup.Total)
                .Add("failedCount", rollup.Failed.Count)
                .Add(
                    "failed",
                    rollup.Failed.Count > 0 ? string.Join(", ", rollup.Failed) : null,
                    EventText.MaxBodyLength
                )
                .Add("failure", FailureOf(rollup))
                .Add(
                    "checks",
                    rollup
                        .Failures.Take(MaxChecks)
                        .Select(x =>
                            new EventData().Add("name", x.Name).Add("conclusion", x.Conclusion).Add("failure", x.Kind)
                        )
                )
                .Add(
                    "pending",
                    rollup.Open.Count > 0 ? string.Join(", ", rollup.Open.Select(x => x.Name)) : null,
                    EventText.MaxBodyLength
                )
                .Add("pendingSince", rollup.Open.Min(x => x.Since) is { } since ? Moment(since) : null)
                .Add("author", details.Author)
                .Add("branch", details.Branch)
                .Add("own", details.Own)
                .Add("rerun", details.Rerun)
                .Add(
                    "flaky",
                    details.Flaky.Select(x =>
                        new EventData().Add("name", x.Name).Add("reruns", x.Reruns).Add("passed", x.Passed)
                    )
                )
                .Add("excerpt", details.Excerpt, LogExcerpt.Limit),
            pulls.Select(seen.Repository.Item)
        );
    }

    /// <summary>
    /// That checks which must pass have not started on a commit, though it is time; where nobody knows which must, that
    /// none at all has. Null when there is nothing to tell.
    /// </summary>
    /// <param name="seen">The look.</param>
    /// <param name="sha">The commit.</param>
    /// <param name="rollup">What its checks add up to; null when nothing was seen of them.</param>
    /// <param name="rules">Which must pass.</param>
    /// <param name="pulls">The pull requests whose head it is.</param>
    /// <param name="told">What was told already that it has not ended.</param>
    public static EventMapping? MissingChecks(
        GitHubObservation seen,
        string sha,
        CiRollup.Finished? rollup,
        CiRules rules,
        IReadOnlyCollection<long> pulls,
        IReadOnlyCollection<string> told
    )
    {
        var open = (rollup?.Open ?? []).Where(x => x is { Counts: true, Since: null, Approval: false });
        List<string> missing = rules.Required.Count == 0 ? [] : [.. open.Select(x => x.Name).Except(told)];
        if (missing is [] && (rules.Required.Count > 0 || rollup is { Total: > 0 } or { Open.Count: > 0 }))
            return null;

        var names = string.Join(
            ", ",
            missing.Take(MaxChecks).Select(x => EventText.TruncateToLine(x, EventText.MaxTitleLength))
        );
        var of =
            pulls.Count > 0 ? $"PR {string.Join(", ", pulls.Select(x => $"#{x}"))}" : GitHubCommitEvents.Short(sha);
        return seen.Event(
            "github.ci.missing",
            seen.Repository.Commit(sha),
            [],
            missing is []
                ? $"CI of {of}: no check has started in time"
                : $"CI of {of}: required and not started in time: {names}",
            new EventData()
                .Add("sha", sha)
                .Add("missing", missing is [] ? null : names, EventText.MaxBodyLength)
                .Add("missingCount", missing.Count),
            pulls.Select(seen.Repository.Item)
        );
    }

    // Enough to tell what kind of failure it was.
    const int MaxChecks = 50;

    static string? FailureOf(CiRollup.Finished rollup) =>
        rollup.Failures.Count == 0 ? null
        : rollup.Failures.All(x => x.IsInfrastructure) ? "infrastructure"
        : "tests";

    // Whoever is woken by it is not to look for a mistake of their own.
    static string Infrastructure(CiRollup.Finished rollup) =>
        FailureOf(rollup) == "infrastructure"
            ? "; no test has failed: "
                + string.Join(
                    ", ",
                    rollup
                        .Failures.Take(5)
                        .Select(x =>
                            $"{EventText.TruncateToLine(x.Name, EventText.MaxTitleLength)} "
                            + (x.RunnerLost ? "lost its runner" : $"ended with {x.Conclusion}")
                        )
                )
            : "";

    static string CiSummary(string ci, CiRollup.Finished rollup)
    {
        var failure = $"failure ({rollup.Failed.Count} of {rollup.Total})";
        var counting = rollup.Open.Where(x => x.Counts).ToList();
        if (counting is [])
        {
            return $"{ci} is finished: {(rollup.Failed.Count > 0 ? failure : "success")}"
                + (
                    rollup.Open.Count > 0
                        ? $"; {ListNames(rollup.Open)} {(rollup.Open.Count > 1 ? "are" : "is")} not required and "
                            + "still pending"
                        : ""
                );
        }

        // Said of what somebody can do something about, if there is such.
        var approval = rollup.Open.Where(x => x.Approval).ToList();
        var missing = counting.TrueForAll(x => x.Since is null);
        return (
                approval.Count > 0 ? $"{ci} waits for approval: {ListNames(approval)}"
                : rollup.Total == 0 && missing
                    ? $"{ci} has not begun: {ListNames(counting)} {(counting.Count > 1 ? "are" : "is")} required"
                : missing ? $"{ci}: all has ended but {ListNames(counting)}, required and not begun"
                : $"{ci}: all has ended but {ListNames(rollup.Open)}, pending since "
                    + $"{Moment(counting.Min(x => x.Since)!.Value)}"
            ) + (rollup.Failed.Count > 0 ? $"; {failure}" : "");
    }

    static string ListNames(IReadOnlyCollection<OpenCheck> checks) =>
        CiDetails.ListNames([.. checks.Select(x => x.Name)]);

    static string Moment(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);

    // Trusts the action, not the state of the object: a run whose action is in_progress may say completed.
    static EventMapping? FromWebhook(string name, string? action, JsonElement payload, GitHubObservation seen) =>
        (name, action) switch
        {
            ("pull_request", { } what) => PullRequest(what, payload, seen),
            ("pull_request_review", "submitted" or "dismissed") => payload.Number("pull_request", "number")
                is { } number
                ? GitHubPullRequestEvents.Review(seen, number, payload.At("review"), payload.At("pull_request"))
                : EventMapping.Ignore("a review of no pull request"),
            ("pull_request_review_comment", "created") => payload.Number("pull_request", "number") is { } number
                ? GitHubPullRequestEvents.ReviewComment(seen, number, payload.At("comment"))
                : EventMapping.Ignore("a comment on no pull request"),
            ("issue_comment", "created") => payload.Number("issue", "number") is { } number
                ? GitHubIssueEvents.Comment(seen, number, payload.Has("issue", "pull_request"), payload.At("comment"))
                : EventMapping.Ignore("a comment on nothing"),
            ("issues", { } what) => Issues(what, payload, seen),
            ("workflow_run", "completed") => GitHubCommitEvents.WorkflowRun(seen, payload.At("workflow_run")),
            ("check_suite", "completed") => GitHubCommitEvents.CheckSuite(seen, payload.At("check_suite")),
            ("check_run", "completed") => GitHubCommitEvents.ChecksChanged(
                seen,
                payload.Text("check_run", "head_sha"),
                "detail of a suite"
            ),
            ("workflow_job", "completed") => GitHubCommitEvents.ChecksChanged(
                seen,
                payload.Text("workflow_job", "head_sha"),
                "detail of a run"
            ),
            ("workflow_job", "waiting") => GitHubCommitEvents.Approval(
                seen,
                payload.At("workflow_job"),
                payload.Number("workflow_job", "run_id")
            ),
            ("status", _) => GitHubCommitEvents.Status(seen, payload.Text("sha"), payload),
            ("deployment_status", _) => GitHubCommitEvents.Deployment(
                seen,
                payload.At("deployment"),
                payload.At("deployment_status")
            ),
            ("push", _) => GitHubCommitEvents.Push(seen, payload),
            ("release", "published") => GitHubCommitEvents.Release(seen, payload.At("release")),
            ("discussion", "created" or "answered") => GitHubIssueEvents.Discussion(seen, action, payload),
            ("discussion_comment", "created") => GitHubIssueEvents.DiscussionComment(seen, payload),
            ("commit_comment", "created") => GitHubCommitEvents.Comment(seen, payload.At("comment")),
            _ => null,
        };

    static EventMapping? PullRequest(string action, JsonElement payload, GitHubObservation seen) =>
        (action, payload.At("pull_request")) switch
        {
            ("opened", var pull) => GitHubPullRequestEvents.Opened(seen, pull),
            ("closed", var pull) => GitHubPullRequestEvents.Closed(seen, pull),
            ("reopened", var pull) => GitHubPullRequestEvents.Reopened(seen, pull),
            ("synchronize", var pull) => GitHubPullRequestEvents.Synchronized(seen, pull),
            ("ready_for_review", var pull) => GitHubPullRequestEvents.ReadyForReview(seen, pull),
            ("review_requested", var pull) => GitHubPullRequestEvents.ReviewRequested(seen, pull, payload),
            ("labeled", var pull) => GitHubPullRequestEvents.Labeled(seen, pull, payload),
            ("assigned", var pull) => GitHubPullRequestEvents.Assigned(seen, pull, payload),
            ("dequeued", var pull) => GitHubPullRequestEvents.Dequeued(seen, pull, payload),
            // Nothing to tell; whether it can be merged may be different by it.
            (_, var pull) when pull.Number("number") is { } number => EventMapping
                .Ignore("action")
                .WithRepoll(seen.Repository.Item(number)),
            _ => null,
        };

    static EventMapping? Issues(string action, JsonElement payload, GitHubObservation seen) =>
        (action, payload.At("issue")) switch
        {
            ("opened", var issue) => GitHubIssueEvents.Opened(seen, issue),
            ("closed", var issue) => GitHubIssueEvents.Closed(seen, issue),
            ("reopened", var issue) => GitHubIssueEvents.Reopened(seen, issue),
            ("labeled", var issue) => GitHubIssueEvents.Labeled(seen, issue, payload),
            ("assigned", var issue) => GitHubIssueEvents.Assigned(seen, issue, payload),
            _ => null,
        };

    static GitHubObservation WithActor(GitHubObservation seen, JsonElement item, string who) =>
        seen.WithActor(item.Text(who, "login"), item.Text(who, "type"));

    /// <summary>The number an address of the API ends in.</summary>
    internal static long? LastNumber(string? address) =>
        address is not null && long.TryParse(address.AsSpan(address.LastIndexOf('/') + 1), out var number) && number > 0
            ? number
            : null;
}
