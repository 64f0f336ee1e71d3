using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.Webhooks;

/// <summary>GitLab. A delivery brings the secret itself, or since 2026 a signature by Standard Webhooks.</summary>
sealed class GitLab : ISender
{
    const string NoCommit = "0000000000000000000000000000000000000000";
    const string SigningToken = "whsec_";

    public bool Guessable => true;

    public string? Refusal(HookRequest delivery, IReadOnlyList<string> secrets, DateTimeOffset now)
    {
        var signing = secrets.Where(x => x.StartsWith(SigningToken, StringComparison.Ordinal)).ToArray();
        if (signing.Length > 0 && delivery.Header("webhook-signature") is not null)
            return StandardWebhooks.Check(delivery, signing, now);

        return delivery.Header("X-Gitlab-Token") is not { } given ? "X-Gitlab-Token is missing."
            : secrets.Except(signing).Any(x => Signatures.SameText(given, x)) ? null : "X-Gitlab-Token is not right.";
    }

    public Mapped Map(HookRequest delivery)
    {
        var payload = delivery.Payload();
        if (Place(payload.At("project")) is not { } place)
            return Mapped.Nothing("no project");

        var id = delivery.Header("Idempotency-Key") ?? delivery.Header("webhook-id");
        var seen = new Sighting("gitlab:webhook", id is { Length: <= 200 } ? id : delivery.Id("X-Gitlab-Event-UUID"),
            payload.Text("user", "username") ?? payload.Text("user_username"));

        return payload.Text("object_kind") switch
        {
            "merge_request" => MergeRequest(seen, place, payload),
            "note" => Note(seen, place, payload),
            "issue" or "work_item" => Issue(seen, place, payload),
            "pipeline" => Pipeline(seen, place, payload),
            "push" or "tag_push" => Push(seen, place, payload),
            "deployment" => Deployment(seen, place, payload),
            "release" => Release(seen, place, payload),
            "build" => Mapped.Nothing("detail of a pipeline"),
            _ => Mapped.Nothing("event"),
        };
    }

    static Mapped MergeRequest(Sighting seen, string place, JsonElement payload)
    {
        var merge = payload.At("object_attributes");
        if (merge.Number("iid") is not { } iid)
            return Mapped.Nothing("a merge request without a number");

        var (updated, commit, user) = (merge.Moment("updated_at"), merge.Text("last_commit", "id"), payload.Name("user", "id"));
        var data = Data(payload, merge, iid).Add("head", commit).Add("source", merge.Text("source_branch")).Add("target", merge.Text("target_branch"));

        return merge.Text("action") switch
        {
            "open" => Fact("opened", [], "was opened", data.Add("body", merge.Text("description"), EventText.Written)),

            // GitLab does not say when, and it happens once.
            "merge" => Fact("merged", [], "was merged", data),
            "close" => Fact("closed", [updated], "was closed without a merge", data),
            "reopen" => Fact("reopened", [updated], "was reopened", data),
            "update" when merge.Has("oldrev") => Fact("synchronized", [commit], "has new commits", data),

            // The first when this was the last approval needed, the other before.
            "approved" or "approval" => Fact("approved", [user, updated], $"was approved by {Who(payload)}", data),
            "unapproved" or "unapproval" => Fact("unapproved", [user, updated], $"is no longer approved by {Who(payload)}", data),
            _ => Mapped.Nothing("action"),
        };

        Mapped Fact(string what, ReadOnlySpan<string?> discriminator, string done, EventData fields) => seen.Fact(
            $"gitlab.merge_request.{what}", $"{place}!{iid}", discriminator, $"MR !{iid}{Titled(merge)} {done}", fields);
    }

    static Mapped Note(Sighting seen, string place, JsonElement payload)
    {
        var note = payload.At("object_attributes");
        if (note.Flag("system"))
            return Mapped.Nothing("written by GitLab itself");
        if (note.Text("action") is "update")
            return Mapped.Nothing("action");

        return note.Text("noteable_type") switch
        {
            "MergeRequest" when payload.Number("merge_request", "iid") is { } iid => Fact("merge_request", $"{place}!{iid}", $"MR !{iid}", iid),
            "Issue" when payload.Number("issue", "iid") is { } iid => Fact("issue", $"{place}#{iid}", $"Issue #{iid}", iid),
            "Commit" when note.Text("commit_id") is { } sha => Fact("commit", $"{place}@{sha}", EventText.Line(sha, 8), null),
            _ => Mapped.Nothing("a comment on nothing"),
        };

        Mapped Fact(string noun, string subject, string title, long? iid) => seen.Fact(
            $"gitlab.{noun}.comment_created", subject, [note.Name("id")],
            $"{title}: {Who(payload)} commented{(note.Text("note") is { } text ? $": {EventText.Clip(text, EventText.Written)}" : "")}",
            Data(payload, note, iid).Add("commentId", note.Number("id")).Add("body", note.Text("note"), EventText.Written));
    }

    static Mapped Issue(Sighting seen, string place, JsonElement payload)
    {
        var issue = payload.At("object_attributes");
        if (issue.Number("iid") is not { } iid)
            return Mapped.Nothing("an issue without a number");

        var (subject, title, updated) = ($"{place}#{iid}", $"Issue #{iid}{Titled(issue)}", issue.Moment("updated_at"));

        return issue.Text("action") switch
        {
            "open" => seen.Fact("gitlab.issue.opened", subject, [], $"{title} was opened", Described()),
            "close" => seen.Fact("gitlab.issue.closed", subject, [issue.Moment("closed_at") ?? updated], $"{title} was closed", Described()),
            "reopen" => seen.Fact("gitlab.issue.reopened", subject, [updated], $"{title} was reopened", Described()),
            "update" when NewAssignees(payload) is { Count: > 0 } people => Mapped.All([.. people.Select(who => seen.Fact(
                "gitlab.issue.assigned", subject, [who, updated], $"{title} was assigned to {EventText.Line(who, EventText.Titled)}",
                Described().Add("assignee", who)))]),
            _ => Mapped.Nothing("action"),
        };

        EventData Described() => Data(payload, issue, iid).Add("body", issue.Text("description"), EventText.Written);
    }

    static Mapped Pipeline(Sighting seen, string place, JsonElement payload)
    {
        var pipeline = payload.At("object_attributes");
        var status = pipeline.Text("status");
        if (status is not ("success" or "failed" or "canceled" or "skipped"))
            return Mapped.Nothing("a pipeline that is not over");
        if (pipeline.Text("sha") is not { } sha)
            return Mapped.Nothing("a pipeline without a commit");

        // That of a fork names the merge request of the project it wants to go to.
        var target = payload.Number("merge_request", "target_project_id");
        string[] related = payload.Number("merge_request", "iid") is { } iid && (target is null || target == payload.Number("project", "id"))
            ? [$"{place}!{iid}"] : [];

        // A pipeline that is run again keeps its id; a skipped one never finished.
        return seen.Fact("gitlab.pipeline.completed", $"{place}@{sha}",
            [pipeline.Name("id"), status, pipeline.Moment("finished_at") ?? pipeline.Moment("created_at")],
            $"Pipeline of {EventText.Line(sha, 9)} ended: {status}",
            Data(payload, pipeline, null).Add("status", status).Add("pipelineId", pipeline.Number("id")).Add("sha", sha)
                .Add("ref", pipeline.Text("ref")), related);
    }

    static Mapped Push(Sighting seen, string place, JsonElement push)
    {
        if (push.Text("ref") is not { } name || push.Text("after") is not { } after)
            return Mapped.Nothing("a push without a ref");

        var data = Data(push, push, null).Add("ref", name).Add("before", push.Text("before"));
        return after == NoCommit
            ? seen.Fact("gitlab.ref.deleted", $"{place}:{name}", [push.Text("before")], $"{EventText.Line(name, EventText.Titled)} was deleted", data)
            : seen.Fact("gitlab.push", $"{place}:{name}", [after], $"{EventText.Line(name, EventText.Titled)} has new commits",
                data.Add("after", after), [$"{place}@{after}"]);
    }

    static Mapped Deployment(Sighting seen, string place, JsonElement payload)
    {
        var status = payload.Text("status");
        if (status is not ("success" or "failed" or "canceled"))
            return Mapped.Nothing("a deployment that is not over");

        var environment = payload.Text("environment");
        return payload.Text("commit_url") is not { } page || page[(page.LastIndexOf('/') + 1)..] is not { Length: > 0 } sha
            ? Mapped.Nothing("a deployment without a commit")
            : seen.Fact("gitlab.deployment.completed", $"{place}@{sha}", [payload.Name("deployment_id"), status],
                $"Deployment to {EventText.Line(environment ?? "its environment", EventText.Titled)}: {status}",
                Data(payload, payload, null).Add("state", status).Add("environment", environment).Add("sha", sha));
    }

    static Mapped Release(Sighting seen, string place, JsonElement payload) =>
        payload.Text("action") is not "create" ? Mapped.Nothing("action")
        : payload.Text("tag") is not { } tag ? Mapped.Nothing("a release without a tag")
        : seen.Fact("gitlab.release.published", $"{place}:refs/tags/{tag}", [payload.Name("id")],
            $"Release {EventText.Line(tag, EventText.Titled)} was published", Data(payload, payload, null).Add("tag", tag));

    static List<string> NewAssignees(JsonElement payload)
    {
        var before = Names("previous").ToHashSet();
        return [.. Names("current").Where(x => !before.Contains(x)).Distinct().Take(20)];

        IEnumerable<string> Names(string when) =>
            payload.Items("changes", "assignees", when).Select(x => x.Text("username")?.ToLowerInvariant()).OfType<string>();
    }

    static string? Place(JsonElement project)
    {
        if (project.Text("path_with_namespace") is not { } path)
            return null;

        var host = Uri.TryCreate(project.Text("web_url"), UriKind.Absolute, out var page) ? page.Authority : "gitlab.com";
        return (host.Equals("gitlab.com", StringComparison.OrdinalIgnoreCase) || host.Length == 0 ? $"gitlab:{path}" : $"gitlab@{host}:{path}")
            .ToLowerInvariant();
    }

    static EventData Data(JsonElement payload, JsonElement item, long? iid) => new EventData()
        .Add("project", payload.Text("project", "path_with_namespace")).Add("projectId", payload.Number("project", "id"))
        .Add("iid", iid).Add("title", item.Text("title")).Link(item.Text("url"));

    static string Titled(JsonElement item) => item.Text("title") is { } title ? $" ({EventText.Line(title, EventText.Titled)})" : "";

    static string Who(JsonElement payload) => EventText.Line(payload.Text("user", "username") ?? "somebody", EventText.Titled);
}
