using System.Text;
using System.Text.Json;
using Wake.Contracts;
using Wake.Producers.GitHub;
using Wake.Producers.Webhooks;
using Wake.Producing;

namespace Wake.Tests.Producing;

/// <summary>Real payloads of every forge, and what each means: one fact, one key, by whichever way it was
/// learnt.</summary>
public sealed class ReadingForges
{
    static readonly GitHubRepository Hello = new("github.com", "Codertocat/Hello-World", 186853002);

    public static TheoryData<string> Delivered => [.. Payload.Webhooks.Concat(Payload.OtherForges).Select(x => x.File)];

    public static TheoryData<string> Read =>
        [.. Payload.All.Where(x => x.File.StartsWith("rest/", StringComparison.Ordinal)).Select(x => x.File)];

    [Theory]
    [MemberData(nameof(Delivered))]
    public void A_delivery_means_what_is_expected_of_it(string file)
    {
        var payload = Payload.Of(file);

        Payload.Check(payload.Expected, payload.Sender.Map(payload.Request()));
    }

    [Theory]
    [MemberData(nameof(Read))]
    public void An_answer_of_the_api_means_what_is_expected_of_it(string file)
    {
        var payload = Payload.Of(file);
        var (owner, name) = payload.Entry.Text("request")!.Split('/') is [_, _, var x, var y, ..] ? (x, y) : default;
        var seen = GitHubObservation.Poll(new("github.com", $"{owner}/{name}", 1));

        var mapped = FromApi(file, seen, payload.Json).Where(x => x.IgnoredReason is null).ToList();

        Assert.Equal(payload.Expected.GetArrayLength(), mapped.Count);
        Assert.All(payload.Expected.EnumerateArray().Zip(mapped), x => Payload.Check(x.First, x.Second));
    }

    static IEnumerable<EventMapping> FromApi(string file, GitHubObservation seen, JsonElement answer) =>
        file["rest/".Length..].Split(".json")[0] switch
        {
            "pulls.get.merged" or "pulls.get.open" => [GitHubEvents.Pull(seen, answer)],
            "pulls.reviews" => answer.Items().Select(x => GitHubEvents.Review(seen, 6, x)),
            "pulls.comments" => answer.Items().Select(x => GitHubEvents.ReviewComment(seen, x)),
            "issues.comments" => answer.Items().Select(x => GitHubEvents.IssueComment(seen, x)),
            "actions.runs" => answer.Items("workflow_runs").Select(x => GitHubEvents.WorkflowRun(seen, x)),
            _ => throw new InvalidOperationException($"Nobody reads {file}."),
        };

    [Fact]
    public void A_webhook_and_the_api_give_the_same_key()
    {
        var poll = GitHubObservation.Poll(Hello);

        // The objects inside of the deliveries are what the API answers, but for the case of a review's state.
        Same("pull_request.closed.merged", x => GitHubEvents.Pull(Polled(x), x.At("pull_request")));
        Same("pull_request.closed", x => GitHubEvents.Pull(Polled(x), x.At("pull_request")));
        Same("pull_request.synchronize", x => GitHubEvents.PullHead(poll, x.At("pull_request")));
        Same("pull_request_review.submitted.approved", x => GitHubEvents.Review(Polled(x), 8, Upper(x.At("review"))));
        Same("pull_request_review.submitted.empty", x => GitHubEvents.Review(poll, 2, Upper(x.At("review"))));
        Same("pull_request_review_comment.created", x => GitHubEvents.ReviewComment(poll, x.At("comment")));
        Same("issue_comment.created.on-issue", x => GitHubEvents.IssueComment(poll, x.At("comment")));
        Same("issue_comment.created.on-pull-request", x => GitHubEvents.IssueComment(Polled(x), x.At("comment")));
        Same("issues.closed", x => GitHubEvents.Issue(poll, x.At("issue")));
        Same("workflow_run.completed", x => GitHubEvents.WorkflowRun(Polled(x), x.At("workflow_run")));
        Same("status.success", x => GitHubEvents.Status(poll, x.Text("sha")!, x));
        Same(
            "deployment_status.success",
            x => GitHubEvents.Deployment(poll, x.At("deployment"), x.At("deployment_status"))
        );
        Same("release.published", x => GitHubEvents.Release(poll, x.At("release")));
        Same(
            "push.branch",
            x =>
                GitHubEvents.Ref(
                    poll,
                    JsonSerializer.SerializeToElement(
                        new { @ref = x.Text("ref"), @object = new { sha = x.Text("after") } }
                    )
                )
        );

        static GitHubObservation Polled(JsonElement x) =>
            GitHubObservation.Poll(GitHubRepository.Parse(x.At("repository"))!);

        static JsonElement Upper(JsonElement review) =>
            JsonElement.Parse(
                review
                    .GetRawText()
                    .Replace(
                        $"\"{review.Text("state")}\"",
                        $"\"{review.Text("state")!.ToUpperInvariant()}\"",
                        StringComparison.Ordinal
                    )
            );

        static void Same(string file, Func<JsonElement, EventMapping> api)
        {
            var payload = Payload.Of($"webhooks/{file}.json");
            var (delivered, read) = (payload.Sender.Map(payload.Request()), api(payload.Json));
            Assert.Equal(
                (
                    delivered.IgnoredReason,
                    delivered.Events.Select(x => x.DedupKey).FirstOrDefault(),
                    delivered.Events.Count
                ),
                (read.IgnoredReason, read.Events.Select(x => x.DedupKey).FirstOrDefault(), read.Events.Count)
            );
        }
    }

    [Theory]
    [InlineData("Closes #12", "NONE", "github:codertocat/hello-world#12")]
    [InlineData(
        "This fixes: octo-org/Hello#7,\nresolved #8 and fix #8",
        "MEMBER",
        "github:octo-org/hello#7 github:codertocat/hello-world#8"
    )]
    [InlineData(
        "This fixes: octo-org/Hello#7,\nresolved #8 and fix #8",
        "CONTRIBUTOR",
        "github:codertocat/hello-world#8"
    )]
    [InlineData("See #12. It discloses #13 and closes issue #14, fixes #0 and #15x", "OWNER", "")]
    public void A_pull_request_concerns_the_issues_it_says_it_closes(string body, string author, string issues)
    {
        var pull = new
        {
            number = 2,
            body,
            author_association = author,
            updated_at = "2026-11-20T22:01:19Z",
        };
        var payload = JsonSerializer.SerializeToElement(
            new { pull_request = pull, repository = new { full_name = "Codertocat/Hello-World" } }
        );

        foreach (
            var (name, action, more) in ((string, string, string)[])
                [
                    ("pull_request", "ready_for_review", ""),
                    ("pull_request_review", "submitted", """ "review":{"id":1,"state":"approved"},"""),
                ]
        )
        {
            var acted = JsonElement.Parse(payload.GetRawText().Insert(1, $"\"action\":\"{action}\",{more}"));
            Assert.Equal(
                issues,
                string.Join(' ', Assert.Single(GitHubEvents.FromWebhook(name, acted, "1").Events).Related ?? [])
            );
        }
    }

    [Fact]
    public void A_run_of_a_workflow_again_is_another_fact()
    {
        var run = Payload.Of("webhooks/workflow_run.completed.json").Json.At("workflow_run").GetRawText();
        var again = JsonElement.Parse(run.Insert(run.Length - 1, ", \"run_attempt\": 2"));

        var (first, second) = (
            GitHubEvents.WorkflowRun(GitHubObservation.Poll(Hello), JsonElement.Parse(run)),
            GitHubEvents.WorkflowRun(GitHubObservation.Poll(Hello), again)
        );

        Assert.EndsWith("|289782451|1", first.Events[0].DedupKey);
        Assert.EndsWith("|289782451|2", second.Events[0].DedupKey);
    }

    [Theory]
    [InlineData(
        "\"html_url\":\"https://ghe.example.com/Codertocat/Hello-World\",\"url\":\"https://else.example.com/\"",
        "github@ghe.example.com:"
    )]
    [InlineData("\"url\":\"https://ghe.example.com/api/v3/repos/Codertocat/Hello-World\"", "github@ghe.example.com:")]
    [InlineData("\"url\":\"https://api.octocorp.ghe.com/repos/Codertocat/Hello-World\"", "github@octocorp.ghe.com:")]
    [InlineData("\"url\":\"https://api.github.com/repos/Codertocat/Hello-World\"", "github:")]
    [InlineData("\"url\":\"nowhere\"", "github:")]
    public void Another_host_than_githubs_own_is_named_in_the_subject(string addresses, string prefix)
    {
        var json =
            $$$"""{"action":"opened","pull_request":{"number":2},"repository":{"full_name":"Codertocat/Hello-World",{{{addresses}}}}}""";

        var mapped = GitHubEvents.FromWebhook("pull_request", JsonElement.Parse(json), "1");

        Assert.Equal($"{prefix}codertocat/hello-world#2", Assert.Single(mapped.Events).Subject);
    }

    [Fact]
    public void A_delivery_of_forgejo_is_not_taken_for_one_of_github()
    {
        var payload = Payload.Of("other-forges/forgejo.pull_request.closed.merged.json");
        var headers = payload.Headers();
        headers["X-GitHub-Event"] = "pull_request";

        Assert.Empty(new GitHubWebhookProvider().Map(new("test", headers, payload.Bytes)).Events);
        Assert.Equal(
            "forgejo.pull_request.merged",
            payload.Sender.Map(new("test", headers, payload.Bytes)).Events[0].Type
        );
    }

    [Fact]
    public void What_a_person_wrote_is_in_the_reason_and_who_wrote_it_in_the_data()
    {
        var payload = Payload.Of("webhooks/issue_comment.created.on-issue.json");

        var observed = Assert.Single(payload.Sender.Map(payload.Request()).Events);

        Assert.Contains(
            "Codertocat commented: You are totally right! I'll get this fixed right away.",
            observed.Reason
        );
        Assert.Equal(
            ("Codertocat", "User", "Codertocat"),
            (observed.Actor, observed.Data!.Value.Text("actorType"), observed.Data.Value.Text("author"))
        );
        Assert.Equal(
            "https://github.com/Codertocat/Hello-World/issues/1#issuecomment-492700400",
            observed.Data.Value.Text("link")
        );
        Assert.Equal(Delivery.Wake, observed.Delivery);
    }

    [Fact]
    public void What_two_hooks_count_alike_are_two_facts_unless_the_payload_knows_better()
    {
        var sender = WebhookProviders.Create(new() { Sender = WebhookProviderKind.Generic });
        string? Key(string hook, string body) =>
            Assert.Single(sender.Map(new(hook, [], Encoding.UTF8.GetBytes(body))).Events).DedupKey;

        Assert.Equal(
            "build.failed|build:hello|webhook:one|17",
            Key("one", """{"id":17,"type":"build.failed","subject":"build:hello"}""")
        );
        Assert.Equal(
            "build.failed|build:hello|webhook:two|17",
            Key("two", """{"id":17,"type":"build.failed","subject":"build:hello"}""")
        );
        Assert.Equal(
            "hello/17",
            Key("two", """{"id":17,"type":"build.failed","subject":"build:hello","dedupKey":"hello/17"}""")
        );
    }

    [Theory]
    [InlineData("a\\u0000b")]
    [InlineData("half \\ud83d")]
    [InlineData("long")]
    public void Strange_text_does_not_keep_an_event_back(string text)
    {
        var body = text == "long" ? string.Concat(Enumerable.Repeat("🚀", 20_000)) : text;
        var json = Payload
            .Of("webhooks/issue_comment.created.on-issue.json")
            .Json.GetRawText()
            .Replace("You are totally right! I'll get this fixed right away.", body, StringComparison.Ordinal)
            .Replace("\"Spelling error in the README file\"", $"\"{body}\"", StringComparison.Ordinal);

        var observed = Assert.Single(GitHubEvents.FromWebhook("issue_comment", JsonElement.Parse(json), "1").Events);

        Assert.Empty(EventValidation.Problems(observed));
        Assert.Equal("github.issue.comment_created|github:codertocat/hello-world#1|492700400", observed.DedupKey);
    }
}
