using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.Webhooks;

/// <summary>GitLab. A delivery brings the secret itself, or since 2026 a signature by Standard Webhooks.</summary>
sealed class GitLabWebhookProvider : IWebhookProvider
{
    const string NoCommit = "0000000000000000000000000000000000000000";

    // People and labels of one payload: more do not become events.
    const int MaxListed = 20;

    // https://docs.gitlab.com/api/merge_requests/#merge-status
    static readonly Dictionary<string, (string Code, string Words)> Blockers = new()
    {
        ["not_approved"] = ("review_missing", "an approval is missing"),
        ["requested_changes"] = ("changes_requested", "a review requests changes"),
        ["discussions_not_resolved"] = ("conversation_unresolved", "a thread is unresolved"),
        ["ci_must_pass"] = ("check_missing", "a pipeline must succeed"),
        ["status_checks_must_pass"] = ("check_missing", "a status check must pass"),
        ["merge_request_blocked"] = ("blocked_by_another", "another merge request must be merged first"),
    };

    public string? VerificationFailure(WebhookRequest delivery, IReadOnlyList<string> secrets, DateTimeOffset now)
    {
        var signing = secrets.Where(StandardWebhooksProvider.IsSecret).ToArray();
        if (signing.Length > 0 && delivery.Header("webhook-signature") is not null)
            return StandardWebhooksProvider.SignatureProblem(delivery, signing, now);

        return delivery.Header("X-Gitlab-Token") is not { } given ? "X-Gitlab-Token is missing."
            : secrets.Except(signing).Any(x => WebhookSignatures.FixedTimeEquals(given, x)) ? null
            : "X-Gitlab-Token is not right.";
    }

    public EventMapping Map(WebhookRequest delivery)
    {
        var payload = delivery.Payload();

        // A system hook names its pushes otherwise.
        var kind = payload.Text("object_kind") ?? payload.Text("event_name");
        if (kind is "repository_update")
            return EventMapping.Ignore("detail of a push");
        if (Place(payload.At("project")) is not { } place)
            return EventMapping.Ignore("no project");

        var id = delivery.Header("Idempotency-Key") ?? delivery.Header("webhook-id");
        var seen = new ObservationSource(
            "gitlab:webhook",
            id is { Length: <= 200 } ? id : delivery.DeliveryId("X-Gitlab-Event-UUID"),
            payload.Text("user", "username") ?? payload.Text("user_username")
        );

        return kind switch
        {
            "merge_request" => MergeRequest(seen, place, payload),
            "note" => Note(seen, place, payload),
            "issue" or "work_item" => Issue(seen, place, payload),
            "pipeline" => Pipeline(seen, place, payload),
            "push" or "tag_push" => Push(seen, place, payload),
            "deployment" => Deployment(seen, place, payload),
            "release" => Release(seen, place, payload),
            "build" => EventMapping.Ignore("detail of a pipeline"),
            _ => EventMapping.Ignore("event"),
        };
    }

    static EventMapping MergeRequest(ObservationSource seen, string place, JsonElement payload)
    {
        var merge = payload.At("object_attributes");
        if (merge.Number("iid") is not { } iid)
            return EventMapping.Ignore("a merge request without a number");

        var (updated, commit, user) = (
            merge.TimeForKey("updated_at"),
            merge.Text("last_commit", "id"),
            payload.TextOrNumber("user", "id")
        );

        var mapped = merge.Text("action") switch
        {
            // Who was asked and what was put on it along with the opening is told of nowhere else.
            "open" => EventMapping.Combine([
                Fact(
                    "opened",
                    [],
                    "was opened",
                    Described().Add("body", merge.Text("description"), EventText.MaxBodyLength)
                ),
                .. Additions(),
            ]),

            // GitLab does not say when, and it happens once.
            "merge" => Fact("merged", [], "was merged", Described()),
            "close" => Fact("closed", [updated], "was closed without a merge", Described()),
            "reopen" => Fact("reopened", [updated], "was reopened", Described()),
            "update" when Updates().ToList() is { Count: > 0 } facts => EventMapping.Combine(facts),

            // The first when this was the last approval needed, the other before.
            "approved" or "approval" => Fact("approved", [user, updated], $"was approved by {Who(payload)}", Written()),
            "unapproved" or "unapproval" => Fact(
                "unapproved",
                [user, updated],
                $"is no longer approved by {Who(payload)}",
                Written()
            ),
            _ => EventMapping.Ignore("action"),
        };
        return MergeState() is { } state ? EventMapping.Combine([mapped, state]) : mapped;

        // GitLab sends nothing when it alone is different, so it is told with the next delivery, once for a commit. Of
        // what is still being checked nothing is known.
        EventMapping? MergeState() =>
            merge.Text("state") is not "opened" ? null
            : merge.Text("detailed_merge_status") is not { } status ? null
            : status is "conflict"
                ? Fact("conflicted", [commit], $"conflicts with {Target()}", Described().Add("conclusion", "failure"))
            // What it is opened with is no news.
            : merge.Text("action") is "open" ? null
            : status is "need_rebase"
                ? Fact(
                    "behind",
                    [commit],
                    $"is behind {Target()} and must be rebased before it can be merged",
                    Described()
                )
            : status is "mergeable" ? Fact("ready", [commit], "is ready to be merged", Described())
            : Blockers.TryGetValue(status, out var why)
                ? Fact(
                    "blocked",
                    [commit, why.Code],
                    $"cannot be merged yet: {why.Words}",
                    Described().Add("why", why.Code)
                )
            : null;

        string Target() =>
            EventText.TruncateToLine(merge.Text("target_branch") ?? "its target branch", EventText.MaxTitleLength);

        IEnumerable<EventMapping> Updates()
        {
            if (merge.Has("oldrev"))
                yield return Fact("synchronized", [commit], "has new commits", Described());
            if (IsReadyNow(payload, merge))
                yield return Fact("ready_for_review", [updated], "is ready for review", Described());
            foreach (var who in ChangesRequested(payload))
            {
                yield return Fact(
                    "review_submitted",
                    [$"user:{who}", "changes_requested", updated],
                    $"needs changes, says {EventText.TruncateToLine(who, EventText.MaxTitleLength)}",
                    Described().Add("state", "changes_requested").Add("author", who)
                );
            }

            foreach (var addition in Additions())
                yield return addition;
        }

        IEnumerable<EventMapping> Additions()
        {
            foreach (var who in Asked(payload))
            {
                yield return Fact(
                    "review_requested",
                    [$"user:{who}", updated],
                    $"was given to {EventText.TruncateToLine(who, EventText.MaxTitleLength)} for review",
                    Described().Add("reviewer", who)
                );
            }

            foreach (var who in Logins(New(payload, "assignees")))
            {
                yield return Fact(
                    "assigned",
                    [who, updated],
                    $"was assigned to {EventText.TruncateToLine(who, EventText.MaxTitleLength)}",
                    Described().Add("assignee", who)
                );
            }

            foreach (var label in Labels(payload))
            {
                yield return Fact(
                    "labeled",
                    [label, updated],
                    $"was labeled {EventText.TruncateToLine(label, EventText.MaxTitleLength)}",
                    Described().Add("label", label)
                );
            }
        }

        EventMapping Fact(string what, ReadOnlySpan<string?> discriminator, string done, EventData fields) =>
            seen.CreateEvent(
                $"gitlab.merge_request.{what}",
                $"{place}!{iid}",
                discriminator,
                $"MR !{iid}{Titled(merge)} {done}",
                fields
            );

        EventData Described() =>
            Data(payload, merge, iid)
                .Add("head", commit)
                .Add("draft", merge.Flag("draft"))
                .Add("source", merge.Text("source_branch"))
                .Add("target", merge.Text("target_branch"));

        EventData Written() => Described().Add("author", payload.Text("user", "username"));
    }

    static EventMapping Note(ObservationSource seen, string place, JsonElement payload)
    {
        var note = payload.At("object_attributes");
        if (note.Flag("system"))
            return EventMapping.Ignore("written by GitLab itself");
        if (note.Text("action") is "update")
            return EventMapping.Ignore("action");

        return note.Text("noteable_type") switch
        {
            "MergeRequest" when payload.Number("merge_request", "iid") is { } iid => Fact(
                "merge_request",
                $"{place}!{iid}",
                $"MR !{iid}",
                iid
            ),
            "Issue" when payload.Number("issue", "iid") is { } iid => Fact(
                "issue",
                $"{place}#{iid}",
                $"Issue #{iid}",
                iid
            ),
            "Commit" when note.Text("commit_id") is { } sha => Fact(
                "commit",
                $"{place}@{sha}",
                EventText.TruncateToLine(sha, 8),
                null
            ),
            _ => EventMapping.Ignore("a comment on nothing"),
        };

        EventMapping Fact(string noun, string subject, string title, long? iid) =>
            seen.CreateEvent(
                $"gitlab.{noun}.comment_created",
                subject,
                [note.TextOrNumber("id")],
                $"{title}: {Who(payload)} commented"
                    + (note.Text("note") is { } text ? $": {EventText.Truncate(text, EventText.MaxBodyLength)}" : ""),
                Data(payload, note, iid)
                    .Add("commentId", note.Number("id"))
                    .Add("body", note.Text("note"), EventText.MaxBodyLength)
                    .Add("author", payload.Text("user", "username"))
            );
    }

    static EventMapping Issue(ObservationSource seen, string place, JsonElement payload)
    {
        var issue = payload.At("object_attributes");
        if (issue.Number("iid") is not { } iid)
            return EventMapping.Ignore("an issue without a number");

        var (subject, title, updated) = (
            $"{place}#{iid}",
            $"Issue #{iid}{Titled(issue)}",
            issue.TimeForKey("updated_at")
        );

        return issue.Text("action") switch
        {
            "open" => EventMapping.Combine([
                seen.CreateEvent("gitlab.issue.opened", subject, [], $"{title} was opened", Described()),
                .. Additions(),
            ]),
            "close" => seen.CreateEvent(
                "gitlab.issue.closed",
                subject,
                [issue.TimeForKey("closed_at") ?? updated],
                $"{title} was closed",
                Described()
            ),
            "reopen" => seen.CreateEvent(
                "gitlab.issue.reopened",
                subject,
                [updated],
                $"{title} was reopened",
                Described()
            ),
            "update" when Additions().ToList() is { Count: > 0 } facts => EventMapping.Combine(facts),
            _ => EventMapping.Ignore("action"),
        };

        IEnumerable<EventMapping> Additions() =>
            [
                .. Logins(New(payload, "assignees"))
                    .Select(who =>
                        seen.CreateEvent(
                            "gitlab.issue.assigned",
                            subject,
                            [who, updated],
                            $"{title} was assigned to {EventText.TruncateToLine(who, EventText.MaxTitleLength)}",
                            Described().Add("assignee", who)
                        )
                    ),
                .. Labels(payload)
                    .Select(label =>
                        seen.CreateEvent(
                            "gitlab.issue.labeled",
                            subject,
                            [label, updated],
                            $"{title} was labeled {EventText.TruncateToLine(label, EventText.MaxTitleLength)}",
                            Described().Add("label", label)
                        )
                    ),
            ];

        EventData Described() =>
            Data(payload, issue, iid).Add("body", issue.Text("description"), EventText.MaxBodyLength);
    }

    static EventMapping Pipeline(ObservationSource seen, string place, JsonElement payload)
    {
        var pipeline = payload.At("object_attributes");
        var status = pipeline.Text("status");
        if (status is not ("success" or "failed" or "canceled" or "skipped" or "manual"))
            return EventMapping.Ignore("a pipeline that is not over");
        if (pipeline.Text("sha") is not { } sha)
            return EventMapping.Ignore("a pipeline without a commit");

        // That of a fork names the merge request of the project it wants to go to.
        var target = payload.Number("merge_request", "target_project_id");
        string[] related =
            payload.Number("merge_request", "iid") is { } iid
            && (target is null || target == payload.Number("project", "id"))
                ? [$"{place}!{iid}"]
                : [];

        var data = Data(payload, pipeline, null)
            .Add("status", status)
            .Add("pipelineId", pipeline.Number("id"))
            .Add("sha", sha)
            .Add("ref", pipeline.Text("ref"));

        // It goes on when a person starts the job it has come to, and may come to another.
        if (status is "manual")
        {
            var waiting = payload
                .Items("builds")
                .Where(x => x.Text("status") is "manual")
                .Select(x => x.Number("id"))
                .OfType<long>()
                .Order()
                .ToList();
            return seen.CreateEvent(
                "gitlab.pipeline.blocked",
                $"{place}@{sha}",
                [
                    pipeline.TextOrNumber("id"),
                    waiting is [] ? pipeline.TimeForKey("created_at") : string.Join(',', waiting.Take(MaxListed)),
                ],
                $"Pipeline of {EventText.TruncateToLine(sha, 9)} waits for somebody to start a manual job",
                data,
                related
            );
        }

        // A pipeline that is run again keeps its id; a skipped one never finished.
        return seen.CreateEvent(
            "gitlab.pipeline.completed",
            $"{place}@{sha}",
            [
                pipeline.TextOrNumber("id"),
                status,
                pipeline.TimeForKey("finished_at") ?? pipeline.TimeForKey("created_at"),
            ],
            $"Pipeline of {EventText.TruncateToLine(sha, 9)} ended: {status}",
            data,
            related
        );
    }

    static EventMapping Push(ObservationSource seen, string place, JsonElement push)
    {
        if (push.Text("ref") is not { } name || push.Text("after") is not { } after)
            return EventMapping.Ignore("a push without a ref");

        var data = Data(push, push, null).Add("ref", name).Add("before", push.Text("before"));
        return after == NoCommit
            ? seen.CreateEvent(
                "gitlab.ref.deleted",
                $"{place}:{name}",
                [push.Text("before")],
                $"{EventText.TruncateToLine(name, EventText.MaxTitleLength)} was deleted",
                data
            )
            : seen.CreateEvent(
                "gitlab.push",
                $"{place}:{name}",
                [after],
                $"{EventText.TruncateToLine(name, EventText.MaxTitleLength)} has new commits",
                data.Add("after", after),
                [$"{place}@{after}"]
            );
    }

    static EventMapping Deployment(ObservationSource seen, string place, JsonElement payload)
    {
        var status = payload.Text("status");
        if (status is not ("success" or "failed" or "canceled"))
            return EventMapping.Ignore("a deployment that is not over");

        var environment = payload.Text("environment");
        return
            payload.Text("commit_url") is not { } page || page[(page.LastIndexOf('/') + 1)..] is not { Length: > 0 } sha
            ? EventMapping.Ignore("a deployment without a commit")
            : seen.CreateEvent(
                "gitlab.deployment.completed",
                $"{place}@{sha}",
                [payload.TextOrNumber("deployment_id"), status],
                "Deployment to "
                    + $"{EventText.TruncateToLine(environment ?? "its environment", EventText.MaxTitleLength)}: "
                    + $"{status}",
                Data(payload, payload, null).Add("state", status).Add("environment", environment).Add("sha", sha)
            );
    }

    static EventMapping Release(ObservationSource seen, string place, JsonElement payload) =>
        payload.Text("action") is not "create" ? EventMapping.Ignore("action")
        : payload.Text("tag") is not { } tag ? EventMapping.Ignore("a release without a tag")
        : seen.CreateEvent(
            "gitlab.release.published",
            $"{place}:refs/tags/{tag}",
            [payload.TextOrNumber("id")],
            $"Release {EventText.TruncateToLine(tag, EventText.MaxTitleLength)} was published",
            Data(payload, payload, null).Add("tag", tag)
        );

    // What the payload adds to a list: an update names what was there before and what is there now, an opening what it
    // came with.
    static IEnumerable<JsonElement> New(
        JsonElement payload,
        string list,
        Func<JsonElement, JsonElement, bool>? again = null
    )
    {
        if (payload.Text("object_attributes", "action") is "open")
            return payload.Items(list);

        var before = payload.Items("changes", list, "previous").ToList();
        return payload
            .Items("changes", list, "current")
            .Where(now =>
                before.FindIndex(x => Identity(x) == Identity(now)) is var at
                && (at < 0 || (again?.Invoke(before[at], now) ?? false))
            );

        static string? Identity(JsonElement entry) => entry.Text("username")?.ToLowerInvariant() ?? entry.Text("title");
    }

    static IEnumerable<string> Logins(IEnumerable<JsonElement> people) =>
        people.Select(x => x.Text("username")?.ToLowerInvariant()).OfType<string>().Distinct().Take(MaxListed);

    static IEnumerable<string> Labels(JsonElement payload) =>
        New(payload, "labels").Select(x => x.Text("title")).OfType<string>().Distinct().Take(MaxListed);

    // Asked again is asked.
    static IEnumerable<string> Asked(JsonElement payload) =>
        Logins(New(payload, "reviewers", (before, now) => now.Flag("re_requested") && !before.Flag("re_requested")));

    static IEnumerable<string> ChangesRequested(JsonElement payload) =>
        payload.Text("object_attributes", "action") is "open"
            ? []
            : Logins(
                New(payload, "reviewers", (before, now) => before.Text("state") != now.Text("state"))
                    .Where(x => x.Text("state") is "requested_changes")
            );

    // Versions before 13.2 only tell by the title.
    static bool IsReadyNow(JsonElement payload, JsonElement merge) =>
        payload.Has("changes", "draft")
            ? payload.Flag("changes", "draft", "previous") && !payload.Flag("changes", "draft", "current")
            : DraftTitle.IsDraft(payload.Text("changes", "title", "previous"))
                && !merge.Flag("draft")
                && !DraftTitle.IsDraft(payload.Text("changes", "title", "current") ?? merge.Text("title"));

    static string? Place(JsonElement project)
    {
        if (project.Text("path_with_namespace") is not { } path)
            return null;

        var host = Uri.TryCreate(project.Text("web_url"), UriKind.Absolute, out var page)
            ? page.Authority
            : "gitlab.com";
        return (
            host.Equals("gitlab.com", StringComparison.OrdinalIgnoreCase) || host.Length == 0
                ? $"gitlab:{path}"
                : $"gitlab@{host}:{path}"
        ).ToLowerInvariant();
    }

    static EventData Data(JsonElement payload, JsonElement item, long? iid) =>
        new EventData()
            .Add("project", payload.Text("project", "path_with_namespace"))
            .Add("projectId", payload.Number("project", "id"))
            .Add("iid", iid)
            .Add("title", item.Text("title"))
            .AddLink(item.Text("url"));

    static string Titled(JsonElement item) =>
        item.Text("title") is { } title ? $" ({EventText.TruncateToLine(title, EventText.MaxTitleLength)})" : "";

    static string Who(JsonElement payload) =>
        EventText.TruncateToLine(payload.Text("user", "username") ?? "somebody", EventText.MaxTitleLength);
}
