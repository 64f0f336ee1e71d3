using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>What happens to issues and discussions, and the comments on them.</summary>
static class GitHubIssues
{
    public static Mapped Opened(GitHubSighting seen, JsonElement issue) =>
        Of(
            seen,
            issue,
            (subject, title, data) =>
                seen.Once(
                    "github.issue.opened",
                    subject,
                    $"Issue {title} was opened",
                    data.Add("body", issue.Text("body"), EventText.Written)
                )
        );

    public static Mapped Closed(GitHubSighting seen, JsonElement issue) =>
        Of(
            seen,
            issue,
            (subject, title, data) =>
                seen.Event(
                    "github.issue.closed",
                    subject,
                    [issue.Moment("closed_at")],
                    $"Issue {title} was closed{(issue.Text("state_reason") is { } why ? $" as {EventText.Line(why, EventText.Titled)}" : "")}",
                    data.Add("stateReason", issue.Text("state_reason"))
                )
        );

    public static Mapped Reopened(GitHubSighting seen, JsonElement issue) =>
        Of(
            seen,
            issue,
            (subject, title, data) =>
                seen.Event(
                    "github.issue.reopened",
                    subject,
                    [issue.Moment("updated_at")],
                    $"Issue {title} was reopened",
                    data
                )
        );

    public static Mapped Labeled(GitHubSighting seen, JsonElement issue, JsonElement payload) =>
        Of(
            seen,
            issue,
            (subject, title, data) =>
            {
                var label = payload.Text("label", "name");
                return seen.Event(
                    "github.issue.labeled",
                    subject,
                    [label, issue.Moment("updated_at")],
                    $"Issue {title} was labeled {label}",
                    data.Add("label", label)
                );
            }
        );

    public static Mapped Assigned(GitHubSighting seen, JsonElement issue, JsonElement payload) =>
        Of(
            seen,
            issue,
            (subject, title, data) =>
            {
                var login = payload.Login("assignee");
                return seen.Event(
                    "github.issue.assigned",
                    subject,
                    [login, issue.Moment("updated_at")],
                    $"Issue {title} was assigned to {login}",
                    data.Add("assignee", login).Add("body", issue.Text("body"), EventText.Written)
                );
            }
        );

    /// <summary>A comment on an issue, or in the conversation of a pull request.</summary>
    public static Mapped Comment(GitHubSighting seen, long number, bool onPull, JsonElement comment) =>
        seen.Event(
            onPull ? "github.pull_request.comment_created" : "github.issue.comment_created",
            seen.Repository.Item(number),
            [comment.Name("id")],
            $"{(onPull ? "PR" : "Issue")} #{number}: {GitHubPulls.Who(comment)} commented{GitHubPulls.Quoted(comment.Text("body"))}",
            GitHubPulls.Comment(number, comment)
        );

    public static Mapped Discussion(GitHubSighting seen, string action, JsonElement payload)
    {
        var discussion = payload.At("discussion");
        if (discussion.Number("number") is not { } number)
            return Mapped.Nothing("a discussion without a number");

        var (subject, title) = (seen.Repository.Item(number), GitHubPulls.Titled(discussion, number));
        var data = new EventData()
            .Add("number", number)
            .Add("title", discussion.Text("title"))
            .Link(discussion.Text("html_url"))
            .Add("author", discussion.Text("user", "login"));

        return action == "created"
            ? seen.Once(
                "github.discussion.created",
                subject,
                $"Discussion {title} was opened",
                data.Add("body", discussion.Text("body"), EventText.Written)
            )
            : seen.Event(
                "github.discussion.answered",
                subject,
                [payload.Name("answer", "id")],
                $"Discussion {title} has an answer",
                data.Add("body", payload.Text("answer", "body"), EventText.Written)
            );
    }

    public static Mapped DiscussionComment(GitHubSighting seen, JsonElement payload) =>
        payload.Number("discussion", "number") is not { } number
            ? Mapped.Nothing("a discussion without a number")
            : seen.Event(
                "github.discussion.comment_created",
                seen.Repository.Item(number),
                [payload.Name("comment", "id")],
                $"Discussion #{number}: {GitHubPulls.Who(payload.At("comment"))} commented{GitHubPulls.Quoted(payload.Text("comment", "body"))}",
                GitHubPulls.Comment(number, payload.At("comment"))
            );

    static Mapped Of(GitHubSighting seen, JsonElement issue, Func<string, string, EventData, Mapped> fact) =>
        issue.Number("number") is not { } number
            ? Mapped.Nothing("an issue without a number")
            : fact(
                seen.Repository.Item(number),
                GitHubPulls.Titled(issue, number),
                new EventData()
                    .Add("number", number)
                    .Add("title", issue.Text("title"))
                    .Link(issue.Text("html_url"))
                    .Add("author", issue.Text("user", "login"))
                    .Add("authorType", issue.Text("user", "type"))
            );
}
