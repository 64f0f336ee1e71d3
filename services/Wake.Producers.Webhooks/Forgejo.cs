using System.Globalization;
using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.Webhooks;

/// <summary>
/// Forgejo and Gitea, which say the same things in nearly the same words. Both also send the headers of GitHub; which forge it
/// is was decided by whoever set the hook up.
/// </summary>
/// <param name="forge"><c>forgejo</c> or <c>gitea</c>.</param>
sealed class Forgejo(string forge) : ISender
{
    const string NoCommit = "0000000000000000000000000000000000000000";

    public bool Guessable => false;

    public string? Refusal(HookRequest delivery, IReadOnlyList<string> secrets, DateTimeOffset now) =>
        // Of a form the JSON in it is signed. Where Forgejo's own header is there, that alone decides.
        Signature(delivery) is not { } given ? $"The delivery is not signed: X-{Word}-Signature is missing or empty."
        : Signatures.AnyHex(given, secrets, delivery.Json) ? null : "The signature is not right.";

    public Mapped Map(HookRequest delivery)
    {
        var payload = delivery.Payload();
        var repository = payload.Has("repository") ? payload.At("repository") : payload.At("run", "repository");
        if (Place(repository) is not { } place)
            return Mapped.Nothing("no repository");

        var id = Header(delivery, "Delivery") ?? delivery.Id("X-Gitea-Delivery");
        var seen = new Sighting($"{forge}:webhook", id, payload.Text("sender", "login"));
        var name = Header(delivery, "Event") ?? "";
        var action = payload.Text("action");

        // By what the payload holds where that says more than the event's name: reviews and comments go by several.
        return name switch
        {
            "ping" => Mapped.Nothing("ping"),
            _ when payload.Has("review") && payload.Has("pull_request") => Review(seen, place, payload, name, id),
            _ when payload.Has("comment") && payload.Has("issue") => Comment(seen, place, payload, action),
            _ when name.StartsWith("action_run_", StringComparison.Ordinal) => ActionRun(seen, place, payload, name["action_run_".Length..], id),
            _ when payload.Has("pull_request") => PullRequest(seen, place, payload, action),
            _ when payload.Has("issue") => Issue(seen, place, payload, action),
            "push" => Push(seen, place, payload),
            "release" => Release(seen, place, payload, action),
            _ => Mapped.Nothing("event"),
        };
    }

    string Word => forge is "forgejo" ? "Forgejo" : "Gitea";

    Mapped PullRequest(Sighting seen, string place, JsonElement payload, string? action)
    {
        var pull = payload.At("pull_request");
        if ((pull.Number("number") ?? payload.Number("number")) is not { } number)
            return Mapped.Nothing("a pull request without a number");

        var (subject, title) = ($"{place}#{number}", $"PR {Titled(pull, number)}");
        var data = Data(payload, pull, number).Add("head", pull.Text("head", "sha"));
        var updated = pull.Moment("updated_at");

        return action switch
        {
            "opened" => Fact("opened", [], "was opened", data.Add("body", pull.Text("body"), EventText.Written)),
            "closed" when pull.Flag("merged") || pull.Has("merged_at") => Fact("merged", [], "was merged", data),
            "closed" => Fact("closed", [pull.Moment("closed_at") ?? updated], "was closed without a merge", data),
            "reopened" => Fact("reopened", [updated], "was reopened", data),
            "synchronized" => Fact("synchronized", [pull.Text("head", "sha")], "has new commits", data),
            "assigned" => pull.Login("assignee") is var login
                ? Fact("assigned", [login, updated], $"was assigned to {login}", data.Add("assignee", login)) : Mapped.Nothing("nobody"),
            "review_requested" => payload.Login("requested_reviewer") is var whom
                ? Fact("review_requested", [whom is null ? null : $"user:{whom}", updated], $"was given to {whom} for review", data.Add("reviewer", whom))
                : Mapped.Nothing("nobody"),
            _ => Mapped.Nothing("action"),
        };

        Mapped Fact(string what, ReadOnlySpan<string?> discriminator, string done, EventData fields) =>
            seen.Fact($"{forge}.pull_request.{what}", subject, discriminator, $"{title} {done}", fields);
    }

    // A review comes without an id, so that nothing but the delivery tells two of them apart.
    Mapped Review(Sighting seen, string place, JsonElement payload, string name, string id)
    {
        var pull = payload.At("pull_request");
        if ((pull.Number("number") ?? payload.Number("number")) is not { } number)
            return Mapped.Nothing("a review of no pull request");

        var kind = payload.Text("review", "type") ?? name;
        var state = kind.Contains("approved", StringComparison.Ordinal) ? "approved"
            : kind.Contains("rejected", StringComparison.Ordinal) ? "changes_requested" : "commented";
        var done = state switch { "approved" => "approved it", "changes_requested" => "requested changes", _ => "reviewed it" };
        var content = payload.Text("review", "content");

        return seen.Fact($"{forge}.pull_request.review_submitted", $"{place}#{number}", [$"delivery:{id}"],
            $"PR #{number}: {Who(payload.At("sender"))} {done}{Quoted(content)}",
            Data(payload, pull, number).Add("state", state).Add("body", content, EventText.Written).Add("head", pull.Text("head", "sha")));
    }

    Mapped Comment(Sighting seen, string place, JsonElement payload, string? action)
    {
        if (action is not "created")
            return Mapped.Nothing("action");
        if (payload.Number("issue", "number") is not { } number)
            return Mapped.Nothing("a comment on nothing");

        var onPull = payload.Flag("is_pull") || payload.Has("issue", "pull_request");
        var (comment, body) = (payload.At("comment"), payload.Text("comment", "body"));
        return seen.Fact($"{forge}.{(onPull ? "pull_request" : "issue")}.comment_created", $"{place}#{number}", [comment.Name("id")],
            $"{(onPull ? "PR" : "Issue")} #{number}: {Who(comment.At("user"))} commented{Quoted(body)}",
            Data(payload, comment, number).Add("title", payload.Text("issue", "title")).Add("commentId", comment.Number("id"))
                .Add("body", body, EventText.Written));
    }

    Mapped Issue(Sighting seen, string place, JsonElement payload, string? action)
    {
        var issue = payload.At("issue");
        if (issue.Number("number") is not { } number)
            return Mapped.Nothing("an issue without a number");

        var (subject, title) = ($"{place}#{number}", $"Issue {Titled(issue, number)}");
        var data = Data(payload, issue, number);
        var (updated, login) = (issue.Moment("updated_at"), issue.Login("assignee"));

        return action switch
        {
            "opened" => seen.Fact($"{forge}.issue.opened", subject, [], $"{title} was opened", data.Add("body", issue.Text("body"), EventText.Written)),
            "closed" => seen.Fact($"{forge}.issue.closed", subject, [issue.Moment("closed_at") ?? updated], $"{title} was closed", data),
            "reopened" => seen.Fact($"{forge}.issue.reopened", subject, [updated], $"{title} was reopened", data),
            "assigned" => seen.Fact($"{forge}.issue.assigned", subject, [login, updated], $"{title} was assigned to {login}",
                data.Add("assignee", login).Add("body", issue.Text("body"), EventText.Written)),
            _ => Mapped.Nothing("action"),
        };
    }

    Mapped Push(Sighting seen, string place, JsonElement push)
    {
        if (push.Text("ref") is not { } name || push.Text("after") is not { } after)
            return Mapped.Nothing("a push without a ref");

        var data = new EventData().Add("ref", name).Add("before", push.Text("before")).Link(push.Text("compare_url"));
        return after == NoCommit
            ? seen.Fact($"{forge}.ref.deleted", $"{place}:{name}", [push.Text("before")], $"{EventText.Line(name, EventText.Titled)} was deleted", data)
            : seen.Fact($"{forge}.push", $"{place}:{name}", [after], $"{EventText.Line(name, EventText.Titled)} has new commits",
                data.Add("after", after), [$"{place}@{after}"]);
    }

    Mapped Release(Sighting seen, string place, JsonElement payload, string? action) =>
        action is not "published" ? Mapped.Nothing("action")
        : payload.Text("release", "tag_name") is not { } tag ? Mapped.Nothing("a release without a tag")
        : seen.Fact($"{forge}.release.published", $"{place}:refs/tags/{tag}", [payload.Name("release", "id")],
            $"Release {EventText.Line(tag, EventText.Titled)} was published",
            new EventData().Add("tag", tag).Add("name", payload.Text("release", "name")).Link(payload.Text("release", "html_url")));

    Mapped ActionRun(Sighting seen, string place, JsonElement payload, string state, string id) =>
        payload.Text("run", "commit_sha") is not { } sha ? Mapped.Nothing("a run without a commit")
        : seen.Fact($"{forge}.workflow_run.completed", $"{place}@{sha}",
            [payload.Name("run", "id"), payload.Moment("run", "stopped") ?? payload.Moment("run", "updated") ?? $"delivery:{id}"],
            $"Workflow {EventText.Line(payload.Text("run", "title") ?? "run", EventText.Titled)} ended: {EventText.Line(state, EventText.Titled)}",
            new EventData().Add("conclusion", state is "failure" ? "failure" : "success").Add("sha", sha)
                .Add("runId", payload.Number("run", "id")).Link(payload.Text("run", "html_url")));

    // The host is always named: there is no host that everybody means.
    string? Place(JsonElement repository) =>
        repository.Text("full_name") is { } name && Uri.TryCreate(repository.Text("html_url"), UriKind.Absolute, out var page)
        && page.Authority.Length > 0 ? $"{forge}@{page.Authority}:{name}".ToLowerInvariant() : null;

    string? Signature(HookRequest delivery) => forge is "forgejo" && delivery.Headers.ContainsKey("X-Forgejo-Signature")
        ? delivery.Header("X-Forgejo-Signature") : delivery.Header("X-Gitea-Signature");

    // Older versions of Forgejo know only the headers of Gitea.
    string? Header(HookRequest delivery, string name) => (forge is "forgejo" ? delivery.Header($"X-Forgejo-{name}") : null)
        ?? delivery.Header($"X-Gitea-{name}");

    static EventData Data(JsonElement payload, JsonElement item, long number) => new EventData()
        .Add("repository", payload.Text("repository", "full_name")).Add("repositoryId", payload.Number("repository", "id"))
        .Add("number", number).Add("title", item.Text("title")).Add("author", item.Text("user", "login")).Link(item.Text("html_url"));

    static string Titled(JsonElement item, long number) => item.Text("title") is { } title
        ? $"#{number} ({EventText.Line(title, EventText.Titled)})" : string.Create(CultureInfo.InvariantCulture, $"#{number}");

    static string Who(JsonElement user) => EventText.Line(user.Text("login") ?? "somebody", EventText.Titled);

    static string Quoted(string? text) => text is null ? "" : $": {EventText.Clip(text, EventText.Written)}";
}
