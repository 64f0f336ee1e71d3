using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>
/// What happens to a pull request. Takes GitHub's objects as both webhooks and the API show them, so that both ways
/// give the same key.
/// </summary>
static class GitHubPullRequestEvents
{
    /// <summary>Merged or closed. A merge says so itself: <c>merge_commit_sha</c> stands on open pull requests as
    /// well.</summary>
    public static EventMapping Closed(GitHubObservation seen, JsonElement pull) =>
        FromPullRequest(
            seen,
            pull,
            (subject, title, data, closes) =>
            {
                if (pull.Flag("merged") || pull.Has("merged_at"))
                {
                    return seen.OneTimeEvent(
                        "github.pull_request.merged",
                        subject,
                        $"PR {title} was merged",
                        data.Add("mergedBy", pull.Text("merged_by", "login"))
                            .Add("mergedAt", pull.TimeForKey("merged_at")),
                        closes
                    );
                }

                return seen.Event(
                    "github.pull_request.closed",
                    subject,
                    [pull.TimeForKey("closed_at")],
                    $"PR {title} was closed without a merge",
                    data,
                    closes
                );
            }
        );

    public static EventMapping Opened(GitHubObservation seen, JsonElement pull) =>
        FromPullRequest(
            seen,
            pull,
            (subject, title, data, closes) =>
                seen.OneTimeEvent(
                    "github.pull_request.opened",
                    subject,
                    $"PR {title} was opened",
                    data.Add("body", pull.Text("body"), EventText.MaxBodyLength),
                    closes
                )
        );

    public static EventMapping Synchronized(GitHubObservation seen, JsonElement pull) =>
        FromPullRequest(
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

    /// <param name="seen">The look.</param>
    /// <param name="pull">The pull request.</param>
    /// <param name="at">The moment, as keys have it; null where the pull request itself says it.</param>
    public static EventMapping Reopened(GitHubObservation seen, JsonElement pull, string? at = null) =>
        FromPullRequest(
            seen,
            pull,
            (subject, title, data, closes) =>
                seen.Event(
                    "github.pull_request.reopened",
                    subject,
                    [at ?? pull.TimeForKey("updated_at")],
                    $"PR {title} was reopened",
                    data,
                    closes
                )
        );

    public static EventMapping ReadyForReview(GitHubObservation seen, JsonElement pull) =>
        FromPullRequest(
            seen,
            pull,
            (subject, title, data, closes) =>
                seen.Event(
                    "github.pull_request.ready_for_review",
                    subject,
                    [pull.TimeForKey("updated_at")],
                    $"PR {title} is ready for review",
                    data,
                    closes
                )
        );

    public static EventMapping ReviewRequested(GitHubObservation seen, JsonElement pull, JsonElement payload) =>
        FromPullRequest(
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
                    [whom, pull.TimeForKey("updated_at")],
                    $"PR {title}: a review was asked of {whom}",
                    data.Add("reviewer", whom),
                    closes
                );
            }
        );

    public static EventMapping Labeled(GitHubObservation seen, JsonElement pull, JsonElement payload) =>
        FromPullRequest(
            seen,
            pull,
            (subject, title, data, closes) =>
            {
                var label = payload.Text("label", "name");
                return seen.Event(
                    "github.pull_request.labeled",
                    subject,
                    [label, pull.TimeForKey("updated_at")],
                    $"PR {title} was labeled {label}",
                    data.Add("label", label),
                    closes
                );
            }
        );

    public static EventMapping Assigned(GitHubObservation seen, JsonElement pull, JsonElement payload) =>
        FromPullRequest(
            seen,
            pull,
            (subject, title, data, closes) =>
            {
                var login = payload.Login("assignee");
                return seen.Event(
                    "github.pull_request.assigned",
                    subject,
                    [login, pull.TimeForKey("updated_at")],
                    $"PR {title} was assigned to {login}",
                    data.Add("assignee", login),
                    closes
                );
            }
        );

    public static EventMapping Dequeued(GitHubObservation seen, JsonElement pull, JsonElement payload) =>
        FromPullRequest(
            seen,
            pull,
            (subject, title, data, closes) =>
            {
                var why = payload.Text("reason");
                return why?.ToUpperInvariant() is "MERGE" or "ALREADY_MERGED"
                    ? EventMapping.Ignore("merged: the pull request says it itself")
                    : seen.Event(
                        "github.pull_request.dequeued",
                        subject,
                        [why, pull.TimeForKey("updated_at")],
                        $"PR {title} left the merge queue: {why}",
                        data.Add("reason", why),
                        closes
                    );
            }
        );

    /// <summary>It can be merged, or no longer, or not yet.</summary>
    public static EventMapping MergeState(
        GitHubObservation seen,
        JsonElement pull,
        MergeStateChange change,
        MergeBlockers? why
    ) =>
        FromPullRequest(
            seen,
            pull,
            (subject, title, data, closes) =>
            {
                var branch = EventText.TruncateToLine(
                    pull.Text("base", "ref") ?? "its target branch",
                    EventText.MaxTitleLength
                );
                var conflict = change.Type is "conflicted";
                return seen.Event(
                    $"github.pull_request.{change.Type}",
                    subject,
                    [change.Head, GitHubObservation.FormatNumber(change.Times)],
                    change.Type switch
                    {
                        "conflicted" => $"PR {title} conflicts with {branch}; CI may not run until that is resolved",
                        "behind" => $"PR {title} is behind {branch} and must be updated before it can be merged",
                        "blocked" => $"PR {title} cannot be merged yet"
                            + (why?.Words is { Count: > 0 } words ? $": {string.Join(", ", words)}" : ""),
                        "ready" => $"PR {title} is ready to be merged",
                        _ => $"PR {title} can be merged again",
                    },
                    data.Add("why", why?.Codes is { Count: > 0 } codes ? string.Join(", ", codes) : null)
                        // Who waits for failed CI is to hear of a conflict, which keeps CI from running.
                        .Add("conclusion", conflict ? "failure" : null),
                    conflict ? [.. closes, seen.Repository.Commit(change.Head)] : closes
                );
            }
        );

    /// <summary>A review, submitted or dismissed.</summary>
    /// <param name="seen">The look.</param>
    /// <param name="number">The pull request's number.</param>
    /// <param name="review">The review.</param>
    /// <param name="pull">The pull request, where it was seen along with it: its description names issues.</param>
    public static EventMapping Review(GitHubObservation seen, long number, JsonElement review, JsonElement pull)
    {
        if (review.Number("id") is not { } id)
            return EventMapping.Ignore("a review without an id");

        // Lower case by webhook, upper case by the API.
        var state = review.Text("state")?.ToLowerInvariant() ?? "commented";
        var body = review.Text("body");
        var data = new EventData()
            .Add("number", number)
            .Add("state", state)
            .Add("reviewId", id)
            .Add("commit", review.Text("commit_id"))
            .Add("body", body, EventText.MaxBodyLength)
            .AddLink(review.Text("html_url"))
            .Add("author", review.Text("user", "login"))
            .Add("authorType", review.Text("user", "type"));
        var subject = seen.Repository.Item(number);
        var (who, closes) = (Author(review), ClosingKeywords.FindIssues(seen.Repository, pull));

        return state switch
        {
            "dismissed" => seen.Event(
                "github.pull_request.review_dismissed",
                subject,
                [GitHubObservation.FormatNumber(id)],
                $"PR #{number}: the review by {who} was dismissed",
                data,
                closes
            ),
            "pending" => EventMapping.Ignore("a review that is not submitted yet"),
            "commented" when body is null => EventMapping.Ignore(
                "empty review: its comments arrive as pull_request_review_comment"
            ),
            _ => seen.Event(
                "github.pull_request.review_submitted",
                subject,
                [GitHubObservation.FormatNumber(id)],
                $"PR #{number}: {who} {Verb(state)}{Quoted(body)}",
                data,
                closes
            ),
        };
    }

    public static EventMapping ReviewComment(GitHubObservation seen, long number, JsonElement comment)
    {
        var body = comment.Text("body");
        var path = comment.Text("path");
        return seen.Event(
            "github.pull_request.review_comment_created",
            seen.Repository.Item(number),
            [comment.TextOrNumber("id")],
            $"PR #{number}: {Author(comment)} commented on {path ?? "the code"}{Quoted(body)}",
            CommentData(number, comment)
                .Add("path", path)
                .Add("line", comment.Number("line"))
                .Add("inReplyTo", comment.Number("in_reply_to_id"))
                .Add("reviewId", comment.Number("pull_request_review_id"))
                .Add("commit", comment.Text("commit_id"))
        );
    }

    /// <summary>The fields of any comment.</summary>
    public static EventData CommentData(long number, JsonElement comment) =>
        new EventData()
            .Add("number", number)
            .Add("commentId", comment.Number("id"))
            .Add("body", comment.Text("body"), EventText.MaxBodyLength)
            .AddLink(comment.Text("html_url"))
            .Add("author", comment.Text("user", "login"))
            .Add("authorType", comment.Text("user", "type"));

    /// <summary>Who wrote a thing. GitHub shows a deleted account as ghost.</summary>
    public static string Author(JsonElement written) =>
        EventText.TruncateToLine(written.Text("user", "login") ?? "ghost", EventText.MaxTitleLength);

    /// <summary>A title, on one line.</summary>
    public static string NumberAndTitle(JsonElement item, long number) =>
        item.Text("title") is { } title
            ? $"#{number} ({EventText.TruncateToLine(title, EventText.MaxTitleLength)})"
            : $"#{number}";

    /// <summary>What somebody wrote, as the end of a sentence.</summary>
    public static string Quoted(string? body) =>
        body is null ? "" : $": {EventText.Truncate(body, EventText.MaxBodyLength)}";

    static string Verb(string state) =>
        state switch
        {
            "approved" => "approved it",
            "changes_requested" => "requested changes",
            _ => "reviewed it",
        };

    static EventMapping FromPullRequest(
        GitHubObservation seen,
        JsonElement pull,
        Func<string, string, EventData, IEnumerable<string>, EventMapping> fact
    ) =>
        pull.Number("number") is not { } number
            ? EventMapping.Ignore("a pull request without a number")
            : fact(
                seen.Repository.Item(number),
                NumberAndTitle(pull, number),
                new EventData()
                    .Add("number", number)
                    .Add("title", pull.Text("title"))
                    .AddLink(pull.Text("html_url"))
                    .Add("draft", pull.Flag("draft"))
                    .Add("head", pull.Text("head", "sha"))
                    .Add("headRef", pull.Text("head", "ref"))
                    .Add("baseRef", pull.Text("base", "ref"))
                    .Add("author", pull.Text("user", "login"))
                    .Add("authorType", pull.Text("user", "type")),
                ClosingKeywords.FindIssues(seen.Repository, pull)
            );
}
