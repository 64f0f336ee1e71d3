using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>
/// What happens to a pull request. Takes GitHub's objects as both webhooks and the API show them, so that both ways
/// give the same key.
/// </summary>
static class GitHubPulls
{
    /// <summary>Merged or closed. A merge says so itself: <c>merge_commit_sha</c> stands on open pull requests as
    /// well.</summary>
    public static Mapped Closed(GitHubSighting seen, JsonElement pull) =>
        Of(
            seen,
            pull,
            (subject, title, data, closes) =>
            {
                if (pull.Flag("merged") || pull.Has("merged_at"))
                {
                    return seen.Once(
                        "github.pull_request.merged",
                        subject,
                        $"PR {title} was merged",
                        data.Add("mergedBy", pull.Text("merged_by", "login")).Add("mergedAt", pull.Moment("merged_at")),
                        closes
                    );
                }

                return seen.Event(
                    "github.pull_request.closed",
                    subject,
                    [pull.Moment("closed_at")],
                    $"PR {title} was closed without a merge",
                    data,
                    closes
                );
            }
        );

    public static Mapped Opened(GitHubSighting seen, JsonElement pull) =>
        Of(
            seen,
            pull,
            (subject, title, data, closes) =>
                seen.Once(
                    "github.pull_request.opened",
                    subject,
                    $"PR {title} was opened",
                    data.Add("body", pull.Text("body"), EventText.Written),
                    closes
                )
        );

    public static Mapped Synchronized(GitHubSighting seen, JsonElement pull) =>
        Of(
            seen,
            pull,
            (subject, title, data, closes) =>
                seen.Event(
                    "github.pull_request.synchronized",
                    subject,
                    [pull.Text("head", "sha")],
                    $"PR {title} has new commits",
                    data,
                    closes
                )
        );

    public static Mapped Reopened(GitHubSighting seen, JsonElement pull) =>
        Of(
            seen,
            pull,
            (subject, title, data, closes) =>
                seen.Event(
                    "github.pull_request.reopened",
                    subject,
                    [pull.Moment("updated_at")],
                    $"PR {title} was reopened",
                    data,
                    closes
                )
        );

    public static Mapped ReadyForReview(GitHubSighting seen, JsonElement pull) =>
        Of(
            seen,
            pull,
            (subject, title, data, closes) =>
                seen.Event(
                    "github.pull_request.ready_for_review",
                    subject,
                    [pull.Moment("updated_at")],
                    $"PR {title} is ready for review",
                    data,
                    closes
                )
        );

    public static Mapped ReviewRequested(GitHubSighting seen, JsonElement pull, JsonElement payload) =>
        Of(
            seen,
            pull,
            (subject, title, data, closes) =>
            {
                var whom =
                    payload.Login("requested_reviewer") is { } login ? $"user:{login}"
                    : payload.Text("requested_team", "slug") is { } team ? $"team:{team}"
                    : null;
                return seen.Event(
                    "github.pull_request.review_requested",
                    subject,
                    [whom, pull.Moment("updated_at")],
                    $"PR {title}: a review was asked of {whom}",
                    data.Add("reviewer", whom),
                    closes
                );
            }
        );

    public static Mapped Labeled(GitHubSighting seen, JsonElement pull, JsonElement payload) =>
        Of(
            seen,
            pull,
            (subject, title, data, closes) =>
            {
                var label = payload.Text("label", "name");
                return seen.Event(
                    "github.pull_request.labeled",
                    subject,
                    [label, pull.Moment("updated_at")],
                    $"PR {title} was labeled {label}",
                    data.Add("label", label),
                    closes
                );
            }
        );

    public static Mapped Assigned(GitHubSighting seen, JsonElement pull, JsonElement payload) =>
        Of(
            seen,
            pull,
            (subject, title, data, closes) =>
            {
                var login = payload.Login("assignee");
                return seen.Event(
                    "github.pull_request.assigned",
                    subject,
                    [login, pull.Moment("updated_at")],
                    $"PR {title} was assigned to {login}",
                    data.Add("assignee", login),
                    closes
                );
            }
        );

    public static Mapped Dequeued(GitHubSighting seen, JsonElement pull, JsonElement payload) =>
        Of(
            seen,
            pull,
            (subject, title, data, closes) =>
            {
                var why = payload.Text("reason");
                return why?.ToUpperInvariant() is "MERGE" or "ALREADY_MERGED"
                    ? Mapped.Nothing("merged: the pull request says it itself")
                    : seen.Event(
                        "github.pull_request.dequeued",
                        subject,
                        [why, pull.Moment("updated_at")],
                        $"PR {title} left the merge queue: {why}",
                        data.Add("reason", why),
                        closes
                    );
            }
        );

    /// <summary>A review, submitted or dismissed.</summary>
    /// <param name="seen">The look.</param>
    /// <param name="number">The pull request's number.</param>
    /// <param name="review">The review.</param>
    /// <param name="pull">The pull request, where it was seen along with it: its description names issues.</param>
    public static Mapped Review(GitHubSighting seen, long number, JsonElement review, JsonElement pull)
    {
        if (review.Number("id") is not { } id)
            return Mapped.Nothing("a review without an id");

        // Lower case by webhook, upper case by the API.
        var state = review.Text("state")?.ToLowerInvariant() ?? "commented";
        var body = review.Text("body");
        var data = new EventData()
            .Add("number", number)
            .Add("state", state)
            .Add("reviewId", id)
            .Add("commit", review.Text("commit_id"))
            .Add("body", body, EventText.Written)
            .Link(review.Text("html_url"))
            .Add("author", review.Text("user", "login"))
            .Add("authorType", review.Text("user", "type"));
        var subject = seen.Repository.Item(number);
        var (who, closes) = (Who(review), ClosingWords.Issues(seen.Repository, pull));

        return state switch
        {
            "dismissed" => seen.Event(
                "github.pull_request.review_dismissed",
                subject,
                [GitHubSighting.Text(id)],
                $"PR #{number}: the review by {who} was dismissed",
                data,
                closes
            ),
            "pending" => Mapped.Nothing("a review that is not submitted yet"),
            "commented" when body is null => Mapped.Nothing(
                "empty review: its comments arrive as pull_request_review_comment"
            ),
            _ => seen.Event(
                "github.pull_request.review_submitted",
                subject,
                [GitHubSighting.Text(id)],
                $"PR #{number}: {who} {Verb(state)}{Quoted(body)}",
                data,
                closes
            ),
        };
    }

    public static Mapped ReviewComment(GitHubSighting seen, long number, JsonElement comment)
    {
        var body = comment.Text("body");
        var path = comment.Text("path");
        return seen.Event(
            "github.pull_request.review_comment_created",
            seen.Repository.Item(number),
            [comment.Name("id")],
            $"PR #{number}: {Who(comment)} commented on {path ?? "the code"}{Quoted(body)}",
            Comment(number, comment)
                .Add("path", path)
                .Add("line", comment.Number("line"))
                .Add("inReplyTo", comment.Number("in_reply_to_id"))
                .Add("reviewId", comment.Number("pull_request_review_id"))
                .Add("commit", comment.Text("commit_id"))
        );
    }

    /// <summary>The fields of any comment.</summary>
    public static EventData Comment(long number, JsonElement comment) =>
        new EventData()
            .Add("number", number)
            .Add("commentId", comment.Number("id"))
            .Add("body", comment.Text("body"), EventText.Written)
            .Link(comment.Text("html_url"))
            .Add("author", comment.Text("user", "login"))
            .Add("authorType", comment.Text("user", "type"));

    /// <summary>Who wrote a thing. GitHub shows a deleted account as ghost.</summary>
    public static string Who(JsonElement written) =>
        EventText.Line(written.Text("user", "login") ?? "ghost", EventText.Titled);

    /// <summary>A title, on one line.</summary>
    public static string Titled(JsonElement item, long number) =>
        item.Text("title") is { } title ? $"#{number} ({EventText.Line(title, EventText.Titled)})" : $"#{number}";

    /// <summary>What somebody wrote, as the end of a sentence.</summary>
    public static string Quoted(string? body) => body is null ? "" : $": {EventText.Clip(body, EventText.Written)}";

    static string Verb(string state) =>
        state switch
        {
            "approved" => "approved it",
            "changes_requested" => "requested changes",
            _ => "reviewed it",
        };

    static Mapped Of(
        GitHubSighting seen,
        JsonElement pull,
        Func<string, string, EventData, IEnumerable<string>, Mapped> fact
    ) =>
        pull.Number("number") is not { } number
            ? Mapped.Nothing("a pull request without a number")
            : fact(
                seen.Repository.Item(number),
                Titled(pull, number),
                new EventData()
                    .Add("number", number)
                    .Add("title", pull.Text("title"))
                    .Link(pull.Text("html_url"))
                    .Add("draft", pull.Flag("draft"))
                    .Add("head", pull.Text("head", "sha"))
                    .Add("headRef", pull.Text("head", "ref"))
                    .Add("baseRef", pull.Text("base", "ref"))
                    .Add("author", pull.Text("user", "login"))
                    .Add("authorType", pull.Text("user", "type")),
                ClosingWords.Issues(seen.Repository, pull)
            );
}
