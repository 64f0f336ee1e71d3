using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>What happens to issues and discussions, and the comments on them.</summary>
static class GitHubIssueEvents
{
    public static EventMapping Opened(GitHubObservation seen, JsonElement issue) =>
        FromIssue(
            seen,
            issue,
            (subject, title, data) =>
                seen.OneTimeEvent(
                    "github.issue.opened",
                    subject,
                    $"Issue {title} was opened",
                    data.Add("body", issue.Text("body"), EventText.MaxBodyLength)
                )
        );

    public static EventMapping Closed(GitHubObservation seen, JsonElement issue) =>
        FromIssue(
            seen,
            issue,
            (subject, title, data) =>
                seen.Event(
                    "github.issue.closed",
                    subject,
                    [issue.TimeForKey("closed_at")],
                    $"Issue {title} was closed{ClosedAs(issue)}",
                    data.Add("stateReason", issue.Text("state_reason"))
                )
        );

    static string ClosedAs(JsonElement issue) =>
        issue.Text("state_reason") is { } why ? $" as {EventText.TruncateToLine(why, EventText.MaxTitleLength)}" : "";

    /// <param name="seen">The look.</param>
    /// <param name="issue">The issue.</param>
    /// <param name="at">The moment, as keys have it; null where the issue itself says it.</param>
    public static EventMapping Reopened(GitHubObservation seen, JsonElement issue, string? at = null) =>
        FromIssue(
            seen,
            issue,
            (subject, title, data) =>
                seen.Event(
                    "github.issue.reopened",
                    subject,
                    [at ?? issue.TimeForKey("updated_at")],
                    $"Issue {title} was reopened",
                    data
                )
        );

    public static EventMapping Labeled(GitHubObservation seen, JsonElement issue, JsonElement payload) =>
        FromIssue(
            seen,
            issue,
            (subject, title, data) =>
            {
                var label = payload.Text("label", "name");
                return seen.Event(
                    "github.issue.labeled",
                    subject,
                    [label, issue.TimeForKey("updated_at")],
                    $"Issue {title} was labeled {label}",
                    data.Add("label", label)
                );
            }
        );

    public static EventMapping Assigned(GitHubObservation seen, JsonElement issue, JsonElement payload) =>
        FromIssue(
            seen,
            issue,
            (subject, title, data) =>
            {
                var login = payload.Login("assignee");
                return seen.Event(
                    "github.issue.assigned",
                    subject,
                    [login, issue.TimeForKey("updated_at")],
                    $"Issue {title} was assigned to {login}",
                    data.Add("assignee", login).Add("body", issue.Text("body"), EventText.MaxBodyLength)
                );
            }
        );

    /// <summary>A comment on an issue, or in the conversation of a pull request.</summary>
    public static EventMapping Comment(GitHubObservation seen, long number, bool onPull, JsonElement comment) =>
        seen.Event(
            onPull ? "github.pull_request.comment_created" : "github.issue.comment_created",
            seen.Repository.Item(number),
            [comment.TextOrNumber("id")],
            $"{(onPull ? "PR" : "Issue")} #{number}: {GitHubPullRequestEvents.Author(comment)} "
                + $"commented{GitHubPullRequestEvents.Quoted(comment.Text("body"))}",
            GitHubPullRequestEvents.CommentData(number, comment)
        );

    public static EventMapping Discussion(GitHubObservation seen, string action, JsonElement payload)
    {
        var discussion = payload.At("discussion");
        if (discussion.Number("number") is not { } number)
            return EventMapping.Ignore("a discussion without a number");

        var (subject, title) = (
            seen.Repository.Item(number),
            GitHubPullRequestEvents.NumberAndTitle(discussion, number)
        );
        var data = new EventData()
            .Add("number", number)
            .Add("title", discussion.Text("title"))
            .AddLink(discussion.Text("html_url"))
            .Add("author", discussion.Text("user", "login"));

        return action == "created"
            ? seen.OneTimeEvent(
                "github.discussion.created",
                subject,
                $"Discussion {title} was opened",
                data.Add("body", discussion.Text("body"), EventText.MaxBodyLength)
            )
            : seen.Event(
                "github.discussion.answered",
                subject,
                [payload.TextOrNumber("answer", "id")],
                $"Discussion {title} has an answer",
                data.Add("body", payload.Text("answer", "body"), EventText.MaxBodyLength)
            );
    }

    public static EventMapping DiscussionComment(GitHubObservation seen, JsonElement payload) =>
        payload.Number("discussion", "number") is not { } number
            ? EventMapping.Ignore("a discussion without a number")
            : seen.Event(
                "github.discussion.comment_created",
                seen.Repository.Item(number),
                [payload.TextOrNumber("comment", "id")],
                $"Discussion #{number}: {GitHubPullRequestEvents.Author(payload.At("comment"))} "
                    + $"commented{GitHubPullRequestEvents.Quoted(payload.Text("comment", "body"))}",
                GitHubPullRequestEvents.CommentData(number, payload.At("comment"))
            );

    static EventMapping FromIssue(
        GitHubObservation seen,
        JsonElement issue,
        Func<string, string, EventData, EventMapping> fact
    ) =>
        issue.Number("number") is not { } number
            ? EventMapping.Ignore("an issue without a number")
            : fact(
                seen.Repository.Item(number),
                GitHubPullRequestEvents.NumberAndTitle(issue, number),
                new EventData()
                    .Add("number", number)
                    .Add("title", issue.Text("title"))
                    .AddLink(issue.Text("html_url"))
                    .Add("author", issue.Text("user", "login"))
                    .Add("authorType", issue.Text("user", "type"))
            );
}
