using System.Globalization;
using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.Webhooks;

/// <summary>
/// Forgejo and Gitea, which say the same things in nearly the same words. Both also send the headers of GitHub; which
/// forge it is was decided by whoever set the hook up.
/// </summary>
/// <param name="forge"><c>forgejo</c> or <c>gitea</c>.</param>
sealed class ForgejoWebhookProvider(string forge) : IWebhookProvider
{
    const string NoCommit = "0000000000000000000000000000000000000000";

    // People and labels of one payload: more do not become events.
    const int MaxListed = 20;

    public string? VerificationFailure(WebhookRequest delivery, IReadOnlyList<string> secrets, DateTimeOffset now) =>
        // Of a form the JSON in it is signed. Where Forgejo's own header is there, that alone decides.
        Signature(delivery) is not { } given
            ? $"The delivery is not signed: X-{Word}-Signature is missing or empty."
        : WebhookSignatures.AnyMatchesHex(given, secrets, delivery.Json) ? null
        : "The signature is not right.";

    public EventMapping Map(WebhookRequest delivery)
    {
        var payload = delivery.Payload();
        var repository = payload.Has("repository") ? payload.At("repository") : payload.At("run", "repository");
        if (Place(repository) is not { } place)
            return EventMapping.Ignore("no repository");

        var id = Header(delivery, "Delivery") ?? delivery.DeliveryId("X-Gitea-Delivery");
        var seen = new ObservationSource($"{forge}:webhook", id, payload.Text("sender", "login"));
        var action = payload.Text("action");

        // By what the payload holds alone: it is signed, and the headers that name the event and the delivery are not.
        return payload switch
        {
            _ when payload.Has("review") && payload.Has("pull_request") => Review(seen, place, payload, delivery),
            _ when payload.Has("comment") && payload.Has("issue") => Comment(seen, place, payload, action),
            _ when payload.Has("run") => ActionRun(seen, place, payload, action, delivery),
            _ when payload.Has("workflow_job") => EventMapping.Ignore("detail of a run"),
            _ when payload.Has("workflow_run") => WorkflowRun(seen, place, payload, action),
            _ when payload.Has("sha") && payload.Has("state") => Status(seen, place, payload),
            _ when payload.Has("pull_request") => PullRequest(seen, place, payload, action),
            _ when payload.Has("issue") => Issue(seen, place, payload, action),
            _ when payload.Has("release") => Release(seen, place, payload, action),
            _ when payload.Has("ref") && payload.Has("after") => Push(seen, place, payload),
            _ => EventMapping.Ignore("event"),
        };
    }

    string Word => forge is "forgejo" ? "Forgejo" : "Gitea";

    EventMapping PullRequest(ObservationSource seen, string place, JsonElement payload, string? action)
    {
        var pull = payload.At("pull_request");
        if ((pull.Number("number") ?? payload.Number("number")) is not { } number)
            return EventMapping.Ignore("a pull request without a number");

        var (subject, title) = ($"{place}#{number}", $"PR {Titled(pull, number)}");
        var updated = pull.TimeForKey("updated_at");

        var mapped = action switch
        {
            // Who was asked and what was put on it along with the opening.
            "opened" => EventMapping.Combine([
                Fact("opened", [], "was opened", Described().Add("body", pull.Text("body"), EventText.MaxBodyLength)),
                .. Requested(Logins(pull.Items("requested_reviewers"))),
                .. Assigned(),
                .. Labeled(pull.Items("labels")),
            ]),
            "closed" when pull.Flag("merged") || pull.Has("merged_at") => Fact("merged", [], "was merged", Described()),
            "closed" => Fact(
                "closed",
                [pull.TimeForKey("closed_at") ?? updated],
                "was closed without a merge",
                Described()
            ),
            "reopened" => Fact("reopened", [updated], "was reopened", Described()),
            "synchronized" => Fact("synchronized", [pull.Text("head", "sha")], "has new commits", Described()),
            "edited"
                when DraftTitle.IsDraft(payload.Text("changes", "title", "from"))
                    && !DraftTitle.IsDraft(pull.Text("title"))
                    && !pull.Flag("draft") => Fact("ready_for_review", [updated], "is ready for review", Described()),
            "assigned" when Assigned() is { Count: > 0 } facts => EventMapping.Combine(facts),
            "review_requested" when payload.Login("requested_reviewer") is { } whom => EventMapping.Combine(
                Requested([whom])
            ),
            "label_updated" when Labeled(Labels(payload, pull)) is { Count: > 0 } facts => EventMapping.Combine(facts),
            _ => EventMapping.Ignore("action"),
        };
        return IsInConflict()
            ? EventMapping.Combine([
                mapped,
                Fact(
                    "conflicted",
                    [pull.Text("head", "sha")],
                    "cannot be merged: it conflicts with "
                        + EventText.TruncateToLine(pull.Text("base", "ref") ?? "its target", EventText.MaxTitleLength),
                    Described().Add("conclusion", "failure")
                ),
            ])
            : mapped;

        // It also says that it is not mergeable while it checks that, which it does whenever commits come, and of a
        // draft. No delivery says that it has found out, so it is told with the next one, once for a commit.
        bool IsInConflict() =>
            pull.At("mergeable").ValueKind is JsonValueKind.False
            && pull.Text("state") is "open"
            && action is not ("opened" or "reopened" or "synchronized" or "edited" or "closed")
            && !pull.Flag("draft")
            && !DraftTitle.IsDraft(pull.Text("title"))
            && pull.Time("updated_at") - pull.Time("created_at") > TimeSpan.FromMinutes(1);

        List<EventMapping> Requested(IEnumerable<string> people) =>
            [
                .. people.Select(whom =>
                    Fact(
                        "review_requested",
                        [$"user:{whom}", updated],
                        $"was given to {EventText.TruncateToLine(whom, EventText.MaxTitleLength)} for review",
                        Described().Add("reviewer", whom)
                    )
                ),
            ];

        List<EventMapping> Assigned() =>
            [
                .. Assignees(pull)
                    .Select(login =>
                        Fact(
                            "assigned",
                            [login, updated],
                            $"was assigned to {EventText.TruncateToLine(login, EventText.MaxTitleLength)}",
                            Described().Add("assignee", login)
                        )
                    ),
            ];

        List<EventMapping> Labeled(IEnumerable<JsonElement> labels) =>
            [
                .. Names(labels)
                    .Select(label =>
                        Fact(
                            "labeled",
                            [label, updated],
                            $"was labeled {EventText.TruncateToLine(label, EventText.MaxTitleLength)}",
                            Described().Add("label", label)
                        )
                    ),
            ];

        EventMapping Fact(string what, ReadOnlySpan<string?> discriminator, string done, EventData fields) =>
            seen.CreateEvent($"{forge}.pull_request.{what}", subject, discriminator, $"{title} {done}", fields);

        EventData Described() =>
            Data(payload, pull, number).Add("head", pull.Text("head", "sha")).Add("draft", pull.Flag("draft"));
    }

    // A review comes without an id: what it says, and when the pull request was changed by it, tells two of them apart.
    EventMapping Review(ObservationSource seen, string place, JsonElement payload, WebhookRequest delivery)
    {
        var pull = payload.At("pull_request");
        if ((pull.Number("number") ?? payload.Number("number")) is not { } number)
            return EventMapping.Ignore("a review of no pull request");

        if (payload.Text("review", "type") is not { } kind)
            return EventMapping.Ignore("a review of no kind");

        var state =
            kind.Contains("approved", StringComparison.Ordinal) ? "approved"
            : kind.Contains("rejected", StringComparison.Ordinal) ? "changes_requested"
            : "commented";
        var done = state switch
        {
            "approved" => "approved it",
            "changes_requested" => "requested changes",
            _ => "reviewed it",
        };
        var content = payload.Text("review", "content");

        return seen.CreateEvent(
            $"{forge}.pull_request.review_submitted",
            $"{place}#{number}",
            [delivery.Fingerprint],
            $"PR #{number}: {Who(payload.At("sender"))} {done}{Quoted(content)}",
            Data(payload, pull, number)
                .Add("author", payload.Text("sender", "login"))
                .Add("state", state)
                .Add("body", content, EventText.MaxBodyLength)
                .Add("head", pull.Text("head", "sha"))
        );
    }

    EventMapping Comment(ObservationSource seen, string place, JsonElement payload, string? action)
    {
        if (action is not "created")
            return EventMapping.Ignore("action");
        if (payload.Number("issue", "number") is not { } number)
            return EventMapping.Ignore("a comment on nothing");

        var onPull = payload.Flag("is_pull") || payload.Has("issue", "pull_request");
        var (comment, body) = (payload.At("comment"), payload.Text("comment", "body"));
        return seen.CreateEvent(
            $"{forge}.{(onPull ? "pull_request" : "issue")}.comment_created",
            $"{place}#{number}",
            [comment.TextOrNumber("id")],
            $"{(onPull ? "PR" : "Issue")} #{number}: {Who(comment.At("user"))} commented{Quoted(body)}",
            Data(payload, comment, number)
                .Add("title", payload.Text("issue", "title"))
                .Add("commentId", comment.Number("id"))
                .Add("body", body, EventText.MaxBodyLength)
        );
    }

    EventMapping Issue(ObservationSource seen, string place, JsonElement payload, string? action)
    {
        var issue = payload.At("issue");
        if (issue.Number("number") is not { } number)
            return EventMapping.Ignore("an issue without a number");

        var (subject, title) = ($"{place}#{number}", $"Issue {Titled(issue, number)}");
        var updated = issue.TimeForKey("updated_at");

        return action switch
        {
            "opened" => EventMapping.Combine([
                Fact("opened", [], "was opened", Described()),
                .. Assigned(),
                .. Labeled(issue.Items("labels")),
            ]),
            "closed" => Fact(
                "closed",
                [issue.TimeForKey("closed_at") ?? updated],
                "was closed",
                Data(payload, issue, number)
            ),
            "reopened" => Fact("reopened", [updated], "was reopened", Data(payload, issue, number)),
            "assigned" when Assigned() is { Count: > 0 } facts => EventMapping.Combine(facts),
            "label_updated" when Labeled(Labels(payload, issue)) is { Count: > 0 } facts => EventMapping.Combine(facts),
            _ => EventMapping.Ignore("action"),
        };

        List<EventMapping> Assigned() =>
            [
                .. Assignees(issue)
                    .Select(login =>
                        Fact(
                            "assigned",
                            [login, updated],
                            $"was assigned to {EventText.TruncateToLine(login, EventText.MaxTitleLength)}",
                            Described().Add("assignee", login)
                        )
                    ),
            ];

        List<EventMapping> Labeled(IEnumerable<JsonElement> labels) =>
            [
                .. Names(labels)
                    .Select(label =>
                        Fact(
                            "labeled",
                            [label, updated],
                            $"was labeled {EventText.TruncateToLine(label, EventText.MaxTitleLength)}",
                            Described().Add("label", label)
                        )
                    ),
            ];

        EventMapping Fact(string what, ReadOnlySpan<string?> discriminator, string done, EventData fields) =>
            seen.CreateEvent($"{forge}.issue.{what}", subject, discriminator, $"{title} {done}", fields);

        EventData Described() => Data(payload, issue, number).Add("body", issue.Text("body"), EventText.MaxBodyLength);
    }

    // Neither forge says whom an assignment adds: all who have the thing now are told of.
    static IEnumerable<string> Assignees(JsonElement item) =>
        Logins(item.Items("assignees").Append(item.At("assignee")));

    static IEnumerable<string> Logins(IEnumerable<JsonElement> people) =>
        people.Select(x => x.Text("login")?.ToLowerInvariant()).OfType<string>().Distinct().Take(MaxListed);

    // Newer versions say which labels a change has added; of the others all that are there now are told of.
    static IEnumerable<JsonElement> Labels(JsonElement payload, JsonElement item) =>
        payload.Has("changes", "added_labels") || payload.Has("changes", "removed_labels")
            ? payload.Items("changes", "added_labels")
            : item.Items("labels");

    static IEnumerable<string> Names(IEnumerable<JsonElement> labels) =>
        labels.Select(x => x.Text("name")).OfType<string>().Distinct().Take(MaxListed);

    EventMapping Push(ObservationSource seen, string place, JsonElement push)
    {
        if (push.Text("ref") is not { } name || push.Text("after") is not { } after)
            return EventMapping.Ignore("a push without a ref");

        var data = new EventData()
            .Add("ref", name)
            .Add("before", push.Text("before"))
            .AddLink(push.Text("compare_url"));
        return after == NoCommit
            ? seen.CreateEvent(
                $"{forge}.ref.deleted",
                $"{place}:{name}",
                [push.Text("before")],
                $"{EventText.TruncateToLine(name, EventText.MaxTitleLength)} was deleted",
                data
            )
            : seen.CreateEvent(
                $"{forge}.push",
                $"{place}:{name}",
                [after],
                $"{EventText.TruncateToLine(name, EventText.MaxTitleLength)} has new commits",
                data.Add("after", after),
                [$"{place}@{after}"]
            );
    }

    EventMapping Release(ObservationSource seen, string place, JsonElement payload, string? action) =>
        action is not "published" ? EventMapping.Ignore("action")
        : payload.Text("release", "tag_name") is not { } tag ? EventMapping.Ignore("a release without a tag")
        : seen.CreateEvent(
            $"{forge}.release.published",
            $"{place}:refs/tags/{tag}",
            [payload.TextOrNumber("release", "id")],
            $"Release {EventText.TruncateToLine(tag, EventText.MaxTitleLength)} was published",
            new EventData()
                .Add("tag", tag)
                .Add("name", payload.Text("release", "name"))
                .AddLink(payload.Text("release", "html_url"))
        );

    // Success, failure, or success again after a failure.
    EventMapping ActionRun(
        ObservationSource seen,
        string place,
        JsonElement payload,
        string? action,
        WebhookRequest delivery
    ) =>
        payload.Text("run", "commit_sha") is not { } sha ? EventMapping.Ignore("a run without a commit")
        : action is null ? EventMapping.Ignore("action")
        : seen.CreateEvent(
            $"{forge}.workflow_run.completed",
            $"{place}@{sha}",
            [
                payload.TextOrNumber("run", "id"),
                payload.TimeForKey("run", "stopped") ?? payload.TimeForKey("run", "updated") ?? delivery.Fingerprint,
            ],
            $"Workflow {EventText.TruncateToLine(payload.Text("run", "title") ?? "run", EventText.MaxTitleLength)} "
                + $"ended: {EventText.TruncateToLine(action, EventText.MaxTitleLength)}",
            new EventData()
                .Add("conclusion", action is "recover" ? "success" : action)
                .Add("sha", sha)
                .Add("runId", payload.Number("run", "id"))
                .AddLink(payload.Text("run", "html_url")),
            PullOf(payload.At("run")) is { } pull ? [$"{place}#{pull}"] : null
        );

    // The ref of a run as people read it is #5 for a pull request.
    static long? PullOf(JsonElement run) =>
        run.Text("event")?.StartsWith("pull_request", StringComparison.Ordinal) is true
        && run.Text("prettyref") is ['#', .. var number]
        && long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var pull)
            ? pull
            : null;

    // As Gitea Actions tell it. A run again keeps its id and raises its attempt.
    EventMapping WorkflowRun(ObservationSource seen, string place, JsonElement payload, string? action)
    {
        var run = payload.At("workflow_run");
        if (action is not "completed")
            return EventMapping.Ignore("action");
        if (run.Text("head_sha") is not { } sha)
            return EventMapping.Ignore("a run without a commit");

        var name = payload.Text("workflow", "name") ?? run.Text("name") ?? "run";
        var (conclusion, attempt) = (run.Text("conclusion") ?? "unknown", run.Number("run_attempt") ?? 1);
        return seen.CreateEvent(
            $"{forge}.workflow_run.completed",
            $"{place}@{sha}",
            [run.TextOrNumber("id"), attempt.ToString(CultureInfo.InvariantCulture)],
            $"Workflow {EventText.TruncateToLine(name, EventText.MaxTitleLength)} ended on "
                + $"{EventText.TruncateToLine(sha, 9)}: "
                + $"{EventText.TruncateToLine(conclusion, EventText.MaxTitleLength)}",
            new EventData()
                .Add("conclusion", conclusion)
                .Add("sha", sha)
                .Add("workflow", name)
                .Add("title", run.Text("display_title"))
                .Add("runId", run.Number("id"))
                .Add("attempt", attempt)
                .Add("branch", run.Text("head_branch"))
                .AddLink(run.Text("html_url")),
            Pulls(run).Select(x => $"{place}#{x}")
        );
    }

    EventMapping Status(ObservationSource seen, string place, JsonElement status)
    {
        if (status.Text("sha") is not { } sha)
            return EventMapping.Ignore("a status without a commit");

        var state = status.Text("state")?.ToLowerInvariant();
        if (state is null or "pending")
            return EventMapping.Ignore("pending");

        var context = status.Text("context") ?? "default";
        return seen.CreateEvent(
            $"{forge}.status.completed",
            $"{place}@{sha}",
            [status.TextOrNumber("id")],
            $"Status {EventText.TruncateToLine(context, EventText.MaxTitleLength)} of "
                + $"{EventText.TruncateToLine(sha, 9)}: {EventText.TruncateToLine(state, EventText.MaxTitleLength)}",
            new EventData()
                .Add("conclusion", state is "error" ? "failure" : state)
                .Add("state", state)
                .Add("context", context)
                .Add("sha", sha)
                .Add("description", status.Text("description"))
                .AddLink(status.Text("target_url"))
        );
    }

    // The run of a pull request names it in the ref it ran on: ci.yml@refs/pull/5/head.
    static IEnumerable<long> Pulls(JsonElement run)
    {
        foreach (var pull in run.Items("pull_requests"))
        {
            if (pull.Number("number") is { } number)
                yield return number;
        }

        if (
            run.Text("path") is { } path
            && path.IndexOf("@refs/pull/", StringComparison.Ordinal) is > 0 and var at
            && long.TryParse(
                path[(at + "@refs/pull/".Length)..].Split('/')[0],
                NumberStyles.None,
                CultureInfo.InvariantCulture,
                out var own
            )
        )
            yield return own;
    }

    // The host is always named: there is no host that everybody means.
    string? Place(JsonElement repository) =>
        repository.Text("full_name") is { } name
        && Uri.TryCreate(repository.Text("html_url"), UriKind.Absolute, out var page)
        && page.Authority.Length > 0
            ? $"{forge}@{page.Authority}:{name}".ToLowerInvariant()
            : null;

    string? Signature(WebhookRequest delivery) =>
        forge is "forgejo" && delivery.Headers.ContainsKey("X-Forgejo-Signature")
            ? delivery.Header("X-Forgejo-Signature")
            : delivery.Header("X-Gitea-Signature");

    // Older versions of Forgejo know only the headers of Gitea.
    string? Header(WebhookRequest delivery, string name) =>
        (forge is "forgejo" ? delivery.Header($"X-Forgejo-{name}") : null) ?? delivery.Header($"X-Gitea-{name}");

    static EventData Data(JsonElement payload, JsonElement item, long number) =>
        new EventData()
            .Add("repository", payload.Text("repository", "full_name"))
            .Add("repositoryId", payload.Number("repository", "id"))
            .Add("number", number)
            .Add("title", item.Text("title"))
            .Add("author", item.Text("user", "login"))
            .AddLink(item.Text("html_url"));

    static string Titled(JsonElement item, long number) =>
        item.Text("title") is { } title
            ? $"#{number} ({EventText.TruncateToLine(title, EventText.MaxTitleLength)})"
            : string.Create(CultureInfo.InvariantCulture, $"#{number}");

    static string Who(JsonElement user) =>
        EventText.TruncateToLine(user.Text("login") ?? "somebody", EventText.MaxTitleLength);

    static string Quoted(string? text) => text is null ? "" : $": {EventText.Truncate(text, EventText.MaxBodyLength)}";
}
