using System.ComponentModel.DataAnnotations;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Wake.Producers.GitHub;
using Wake.Producers.Webhooks;
using Wake.Producing;

namespace Wake.Tests.Producing;

/// <summary>Signed bytes and everything about them that is not signed: whoever has a delivery cannot make another one
/// of it.</summary>
public sealed class ForgingADelivery
{
    const string Form = "application/x-www-form-urlencoded";

    static readonly GitHubWebhookProvider GitHub = new();

    static EventMapping? Read(IWebhookProvider sender, byte[] body, IEnumerable<KeyValuePair<string, string>> headers)
    {
        try
        {
            return sender.Map(new("test", headers, body));
        }
        catch (JsonException)
        {
            return null;
        }
    }

    static Dictionary<string, string> Headers(string name, string? content) =>
        content is null
            ? new() { ["X-GitHub-Event"] = name }
            : new() { ["X-GitHub-Event"] = name, ["Content-Type"] = content };

    [Theory]
    [InlineData("application/json")]
    [InlineData(Form)]
    [InlineData("application/x-www-form-urlencoded; charset=utf-8")]
    [InlineData(null)]
    public void The_text_of_a_comment_is_no_delivery_of_its_own(string? content)
    {
        var merged = Payload.Of("webhooks/pull_request.closed.merged.json");
        var comment = Payload.Of("webhooks/issue_comment.created.on-issue.json");
        var body = Encoding.UTF8.GetBytes(
            comment
                .Json.GetRawText()
                .Replace(
                    "You are totally right!",
                    $"&payload={Uri.EscapeDataString(merged.Json.GetRawText())}&",
                    StringComparison.Ordinal
                )
        );

        foreach (var name in GitHubPayloadShape.Events)
        {
            var events = Read(GitHub, body, Headers(name, content))?.Events ?? [];
            Assert.Equal(
                name is "issue_comment"
                    ? ["github.issue.comment_created|github:codertocat/hello-world#1|492700400"]
                    : [],
                events.Select(x => x.DedupKey)
            );
        }
    }

    [Theory]
    [InlineData("payload={0}&payload={1}")]
    [InlineData("payload={0}&a=b")]
    [InlineData("a=b&payload={0}")]
    [InlineData("payload={0}\n")]
    [InlineData(" payload={0}")]
    [InlineData("payload={0}%")]
    [InlineData("payload={0}%zz")]
    public void A_form_is_the_payload_alone_or_nothing(string form)
    {
        var merged = Payload.Of("webhooks/pull_request.closed.merged.json");
        var (one, another) = (
            Uri.EscapeDataString(merged.Json.GetRawText()),
            Uri.EscapeDataString(Payload.Of("webhooks/pull_request.closed.json").Json.GetRawText())
        );

        Assert.Null(
            Read(GitHub, Encoding.UTF8.GetBytes(string.Format(form, one, another)), Headers("pull_request", Form))
        );
        foreach (var content in (string?[])[Form, "application/json", null])
        {
            Assert.Equal(
                ["github.pull_request.merged|github:anbraten/test-ready-release-go#62"],
                Read(GitHub, Encoding.UTF8.GetBytes($"payload={one}"), Headers("pull_request", content))!
                    .Events.Select(x => x.DedupKey)
            );
        }
    }

    [Fact]
    public void No_header_makes_another_event_of_a_payload_of_github() =>
        Assert.All(
            Payload.Webhooks,
            payload =>
            {
                var own = payload.Entry.Text("event")!;
                var facts = payload.Sender.Map(payload.Request()).Events.Select(x => x.DedupKey).ToList();

                foreach (var name in GitHubPayloadShape.Events.Append("ping").Append("fork"))
                {
                    foreach (var content in (string[])[Form, "application/json"])
                    {
                        var headers = new Dictionary<string, string>(payload.Headers())
                        {
                            ["X-GitHub-Event"] = name,
                            ["Content-Type"] = content,
                            ["X-GitHub-Enterprise-Host"] = "ghe.example.com",
                            ["X-GitHub-Delivery"] = "another",
                            ["X-GitHub-Hook-Installation-Target-ID"] = "1",
                        };
                        var mapped = Read(payload.Sender, payload.Bytes, headers)!;
                        Assert.Equal(name == own ? facts : [], mapped.Events.Select(x => x.DedupKey));
                        Assert.True(
                            name == own || !GitHubPayloadShape.Events.Contains(name) || mapped.IsMalformed,
                            $"{payload.File} as {name}"
                        );
                    }
                }
            }
        );

    // Of these only headers tell them apart elsewhere: a review thread from its pull request, an answer from its
    // discussion.
    [Theory]
    [InlineData("pull_request", """{"action":"closed","pull_request":{"number":1,"merged":true},"thread":{}}""")]
    [InlineData("pull_request", """{"action":"closed","pull_request":{"number":1,"merged":true},"review":{"id":1}}""")]
    [InlineData("discussion", """{"action":"created","discussion":{"number":1},"comment":{"id":2}}""")]
    [InlineData(
        "workflow_run",
        """{"action":"completed","workflow_run":{"id":1,"head_sha":"a"},"workflow_job_runs":[]}"""
    )]
    [InlineData("push", """{"ref":"refs/heads/main","after":"a","workflow_run":{}}""")]
    [InlineData("push", """{"ref":"refs/heads/main","inputs":{}}""")]
    [InlineData("status", """{"sha":"a"}""")]
    public void A_payload_of_another_shape_is_refused_and_its_sender_learns_why(string name, string payload)
    {
        var json = payload.Insert(payload.Length - 1, ",\"repository\":{\"full_name\":\"octo-org/hello\"}");

        var mapped = Read(GitHub, Encoding.UTF8.GetBytes(json), Headers(name, null))!;

        Assert.True(mapped.IsMalformed);
        Assert.Contains($"X-GitHub-Event says {name}", mapped.IgnoredReason);
    }

    [Fact]
    public void Nor_does_one_change_what_another_forge_tells() =>
        Assert.All(
            Payload.OtherForges,
            payload =>
            {
                var facts = payload.Sender.Map(payload.Request()).Events.Select(x => (x.DedupKey, x.Reason)).ToList();

                string[] names =
                [
                    "ping",
                    "push",
                    "pull_request",
                    "pull_request_rejected",
                    "issues",
                    "status",
                    "workflow_run",
                    "release",
                    "action_run_success",
                    "action_run_failure",
                    "Push Hook",
                    "",
                ];
                foreach (var name in names)
                {
                    var headers = new Dictionary<string, string>(payload.Headers()) { ["Content-Type"] = Form };
                    foreach (
                        var header in (string[])
                            [
                                "X-Forgejo-Event",
                                "X-Gitea-Event",
                                "X-Gitlab-Event",
                                "X-GitHub-Event",
                                "X-Gitea-Event-Type",
                                "X-Forgejo-Event-Type",
                            ]
                    )
                        headers[header] = name;
                    foreach (
                        var header in (string[])
                            ["X-Forgejo-Delivery", "X-Gitea-Delivery", "X-Gitlab-Event-UUID", "Idempotency-Key"]
                    )
                        headers[header] = $"another {name}";

                    Assert.Equal(
                        facts,
                        payload
                            .Sender.Map(new("test", headers, payload.Bytes))
                            .Events.Select(x => (x.DedupKey, x.Reason))
                    );
                }
            }
        );

    // Whether it succeeded stood in a header alone.
    [Fact]
    public void A_run_of_forgejo_ends_as_its_payload_says()
    {
        var run =
            """{"action":"failure","run":{"id":7,"commit_sha":"a1","stopped":"2026-11-28T10:05:00Z","repository":{"full_name":"team/app","html_url":"https://git.example.com/team/app"}}}"""u8.ToArray();

        var observed = Assert.Single(
            WebhookProviders
                .Create(new() { Sender = WebhookProviderKind.Forgejo })
                .Map(new("test", [new("X-Forgejo-Event", "action_run_success")], run))
                .Events
        );

        Assert.Equal("failure", observed.Data!.Value.Text("conclusion"));
    }

    static HookOptions Signed(bool trust = false, TimeSpan? age = null) =>
        new()
        {
            Sender = WebhookProviderKind.Generic,
            Secrets = ["key"],
            IdHeader = "X-Id",
            TrustHeaders = trust,
            MaxAge = age,
            Paths = new() { Type = "text:build.failed", Time = "at" },
        };

    static string Key(HookOptions hook, string body, string id) =>
        Assert
            .Single(
                WebhookProviders.Create(hook).Map(new("ci", [new("X-Id", id)], Encoding.UTF8.GetBytes(body))).Events
            )
            .DedupKey!;

    [Fact]
    public void The_same_signed_body_is_one_fact_however_often_it_is_sent()
    {
        Assert.Equal(Key(Signed(), """{"n":1}""", "1"), Key(Signed(), """{"n":1}""", "2"));
        Assert.NotEqual(Key(Signed(), """{"n":1}""", "1"), Key(Signed(), """{"n":2}""", "1"));

        // Unless the owner says that the header can be trusted; and who sends a token needs no old delivery.
        Assert.NotEqual(Key(Signed(trust: true), """{"n":1}""", "1"), Key(Signed(trust: true), """{"n":1}""", "2"));
        var bearer = new HookOptions
        {
            Sender = WebhookProviderKind.Generic,
            Scheme = SignatureScheme.Bearer,
            IdHeader = "X-Id",
            Paths = new() { Type = "text:t" },
        };
        Assert.NotEqual(Key(bearer, """{"n":1}""", "1"), Key(bearer, """{"n":1}""", "2"));
    }

    [Theory]
    [InlineData("2026-11-28T10:00:00Z", null)]
    [InlineData("2026-11-28T10:04:00Z", null)]
    [InlineData("2026-11-28T10:06:00Z", "too old, or from the future")]
    [InlineData("2026-11-28T09:54:00Z", "too old, or from the future")]
    [InlineData("noon", "does not say when it was made")]
    [InlineData(null, "does not say when it was made")]
    public void A_hook_can_demand_that_a_delivery_is_of_now(string? at, string? refusal)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(new { n = 1, at });
        var hook = Signed(age: TimeSpan.FromMinutes(5));

        var why = WebhookProviders
            .Create(hook)
            .VerificationFailure(
                new("ci", [new("X-Signature", Convert.ToHexStringLower(HMACSHA256.HashData("key"u8, body)))], body),
                ["key"],
                DateTimeOffset.Parse("2026-11-28T10:00:00Z")
            );

        if (refusal is null)
            Assert.Null(why);
        else
            Assert.Contains(refusal, why);
    }

    [Theory]
    [InlineData(
        WebhookProviderKind.Generic,
        SignatureScheme.HmacSha256,
        "kind.{header:X-Event-Key}",
        false,
        "Paths:Type reads a header"
    )]
    [InlineData(
        WebhookProviderKind.Generic,
        SignatureScheme.Slack,
        "header:X-Event-Key",
        false,
        "Paths:Type reads a header"
    )]
    [InlineData(
        WebhookProviderKind.Standard,
        SignatureScheme.HmacSha256,
        "header:X-Event-Key",
        false,
        "Paths:Type reads a header"
    )]
    [InlineData(WebhookProviderKind.Standard, SignatureScheme.HmacSha256, "header:Webhook-Id", false, null)]
    [InlineData(WebhookProviderKind.Generic, SignatureScheme.HmacSha256, "kind.{header:X-Event-Key}", true, null)]
    [InlineData(WebhookProviderKind.Generic, SignatureScheme.Bearer, "header:X-Event-Key", false, null)]
    [InlineData(WebhookProviderKind.Generic, SignatureScheme.HmacSha256, "text:header:X", false, null)]
    public void A_header_that_is_not_signed_decides_only_where_the_owner_says_so(
        WebhookProviderKind sender,
        SignatureScheme scheme,
        string type,
        bool trust,
        string? problem
    )
    {
        var hook = new HookOptions
        {
            Sender = sender,
            Secrets = ["c2VjcmV0"],
            Scheme = scheme,
            TrustHeaders = trust,
            Paths = new() { Type = type },
        };

        var said = new WebhooksOptions { Hooks = { ["bb"] = hook } }
            .Validate(new ValidationContext(hook))
            .Select(x => x.ErrorMessage)
            .FirstOrDefault();

        if (problem is null)
            Assert.Null(said);
        else
            Assert.Contains(problem, said);
    }

    [Theory]
    [InlineData("github:acme/app#1", "acme/app")]
    [InlineData("github:acme/app@0a1b", "acme/app")]
    [InlineData("github:acme/app:refs/heads/main", "acme/app")]
    [InlineData("github@ghe.example.com:acme/app#1", "acme/app on ghe.example.com")]
    [InlineData("github@ghe.example.com:8443:acme/app:refs/heads/main", "acme/app on ghe.example.com:8443")]
    [InlineData("github:acme", null)]
    [InlineData("githubber:acme/app#1", null)]
    [InlineData("gitlab:acme/app#1", null)]
    public void A_subject_says_which_repository_it_is_in(string subject, string? repository) =>
        Assert.Equal(
            repository,
            GitHubRepository.FromSubject(subject) is { } found
                ? found.Host == GitHubRepository.Public
                    ? found.FullName
                    : $"{found.FullName} on {found.Host}"
                : null
        );
}
