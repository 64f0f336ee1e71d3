using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using RabbitMQ.Client;
using Wake.Contracts;
using Wake.Producing;
using Wake.ServiceDefaults;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>Webhooks at the door of real processes, in one process and over RabbitMQ.</summary>
[Trait("Starts", "processes")]
public sealed class TakingDeliveries(TakingDeliveries.Hooked shared) : IClassFixture<TakingDeliveries.Hooked>
{
    const string Merged = "webhooks/pull_request.closed.merged.json";

    static readonly Dictionary<string, string> Settings = new()
    {
        ["GitHub__WebhookSecrets__0"] = "the old one",
        ["GitHub__WebhookSecrets__1"] = Payload.Secret,
        ["GitHub__Webhooks__acme__Secrets__0"] = "known to acme",
        ["GitHub__Webhooks__acme__Repositories__0"] = "acme/*",
        ["Webhooks__Hooks__codeberg__Sender"] = "Forgejo",
        ["Webhooks__Hooks__codeberg__Secrets__0"] = "key",
        ["Webhooks__Hooks__codeberg__MaxBody"] = "20000",
        ["Webhooks__Hooks__lab__Sender"] = "GitLab",
        ["Webhooks__Hooks__lab__Secrets__0"] = "token",
        ["Webhooks__Hooks__commits__Sender"] = "GitLab",
        ["Webhooks__Hooks__commits__Secrets__0"] = LongToken("commits"),
        ["Webhooks__Hooks__commits__Subjects__0"] = "gitlab@192.168.64.1:3005:gitlab-org/gitlab-test@",
        ["Webhooks__Hooks__events__Sender"] = "CloudEvents",
        ["Webhooks__Hooks__events__Secrets__0"] = Token("events"),
        ["Webhooks__Hooks__events__AllowedOrigins__0"] = "eventgrid.azure.net",
        ["Webhooks__Hooks__any__Sender"] = "Generic",
        ["Webhooks__Hooks__any__Secrets__0"] = Token("any"),
        ["Webhooks__Hooks__any__Scheme"] = "Bearer",
        ["Webhooks__Hooks__deploys__Sender"] = "Generic",
        ["Webhooks__Hooks__deploys__Secrets__0"] = Token("deploys"),
        ["Webhooks__Hooks__deploys__Scheme"] = "Bearer",
        ["Webhooks__Hooks__deploys__Types__0"] = "deploy",
        ["Webhooks__Hooks__deploys__Subjects__0"] = "deploy:shop",
        ["Webhooks__Hooks__shop__Sender"] = "CloudEvents",
        ["Webhooks__Hooks__shop__Secrets__0"] = LongToken("shop"),
        ["Webhooks__Hooks__shop__Sources__0"] = "/shop",
        ["Webhooks__Hooks__east__Sender"] = "Generic",
        ["Webhooks__Hooks__east__Secrets__0"] = LongToken("east"),
        ["Webhooks__Hooks__east__Scheme"] = "Bearer",
        ["Webhooks__Hooks__east__Namespace"] = "regions",
        ["Webhooks__Hooks__west__Sender"] = "Generic",
        ["Webhooks__Hooks__west__Secrets__0"] = LongToken("west"),
        ["Webhooks__Hooks__west__Scheme"] = "Bearer",
        ["Webhooks__Hooks__west__Namespace"] = "regions",
        ["Webhooks__Hooks__crm__Sender"] = "Standard",
        ["Webhooks__Hooks__crm__Secrets__0"] = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        ["Webhooks__Hooks__pager__Sender"] = "Generic",
        ["Webhooks__Hooks__pager__Secrets__0"] = "key of the pager",
        ["Webhooks__Hooks__pager__Header"] = "X-PagerDuty-Signature",
        ["Webhooks__Hooks__pager__Prefix"] = "v1=",
        ["Webhooks__Hooks__pager__Paths__Id"] = "event.id",
        ["Webhooks__Hooks__pager__Paths__Type"] = "event.event_type",
        ["Webhooks__Hooks__pager__Paths__Subject"] = "event.data.services.0.id",
        ["Webhooks__Hooks__pager__Paths__Reason"] = "event.data.title",
    };

    readonly WakeSystem wake = shared.System;

    static string Token(string hook) => $"key {hook}";

    static string LongToken(string hook) => $"a-token-of-enough-characters-of-{hook}";

    public sealed class Hooked : IAsyncLifetime
    {
        public WakeSystem System { get; private set; } = null!;

        public async Task InitializeAsync() => System = await WakeSystem.Start(Transport.InMemory, Settings);

        public async Task DisposeAsync() => await System.DisposeAsync();
    }

    static HttpRequestMessage Delivery(string path, byte[] body, IReadOnlyDictionary<string, string> headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent(body) };
        foreach (var (name, value) in headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, value))
                request.Content.Headers.TryAddWithoutValidation(name, value);
        }

        return request;
    }

    static HttpRequestMessage GitHub(string file) =>
        Delivery("/github", Payload.Of(file).Bytes, Payload.Of(file).Headers());

    static string Hex(string key, byte[] body) =>
        Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(key), body));

    static async Task<JsonElement> Answer(HttpResponseMessage answer, HttpStatusCode status)
    {
        var body = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == status, $"{answer.StatusCode}: {body}");
        return JsonElement.Parse(body);
    }

    [Fact]
    public async Task A_delivery_wakes_who_watches_its_subject_and_its_redelivery_wakes_nobody()
    {
        var key = await wake.Session();
        await wake.Watch(key, "github:anbraten/test-ready-release-go#62");

        var answer = await Answer(await wake.Http.SendAsync(GitHub(Merged)), HttpStatusCode.Accepted);
        Assert.Equal(
            ["github.pull_request.merged|github:anbraten/test-ready-release-go#62"],
            answer.Items("accepted").Select(x => x.GetString())
        );

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
        await Answer(await wake.Http.SendAsync(GitHub(Merged)), HttpStatusCode.Accepted);
        await wake.WaitUntilIdle();
        Assert.Contains("PR #62", Assert.Single(Assert.Single(await wake.Turns(key)).Reasons));
    }

    [Theory]
    [InlineData("webhooks/ping.json", "ping")]
    [InlineData("webhooks/workflow_dispatch.json", "event")]
    [InlineData("webhooks/check_run.completed.form.txt", "detail of a suite")]
    public async Task What_is_ignored_is_answered_with_the_reason(string file, string why) =>
        Assert.Equal(why, (await Answer(await wake.Http.SendAsync(GitHub(file)), HttpStatusCode.OK)).Text("ignored"));

    [Fact]
    public async Task What_is_signed_and_no_json_is_refused_as_that()
    {
        var body = "{\"action\":"u8.ToArray();

        await Answer(
            await wake.Http.SendAsync(
                Delivery(
                    "/github",
                    body,
                    new Dictionary<string, string>
                    {
                        ["X-GitHub-Event"] = "push",
                        ["X-Hub-Signature-256"] = $"sha256={Hex(Payload.Secret, body)}",
                    }
                )
            ),
            HttpStatusCode.BadRequest
        );
    }

    [Fact]
    public async Task The_endpoint_decides_whose_delivery_it_is_though_forgejo_speaks_like_github()
    {
        var key = await wake.Session();
        await wake.Watch(key, "forgejo@forgejo.com:anbraten/test-repo#1");
        var payload = Payload.Of("other-forges/forgejo.pull_request.closed.merged.json");
        var headers = payload.Headers();
        (headers["X-GitHub-Event"], headers["X-Forgejo-Signature"]) = ("pull_request", Hex("key", payload.Bytes));

        await Answer(
            await wake.Http.SendAsync(Delivery("/hooks/codeberg", payload.Bytes, headers)),
            HttpStatusCode.Accepted
        );

        await wake.WaitForTurnEnd(key, 1);
        Assert.Equal(
            "forgejo.pull_request.merged",
            await wake.Scalar<string>(
                "select type from events where subject = $1",
                "forgejo@forgejo.com:anbraten/test-repo#1"
            )
        );
    }

    [Fact]
    public async Task A_body_that_is_too_large_is_refused_whether_it_says_so_or_not()
    {
        await Answer(
            await wake.Http.SendAsync(Delivery("/hooks/codeberg", new byte[20_001], new Dictionary<string, string>())),
            HttpStatusCode.RequestEntityTooLarge
        );

        var chunked = Delivery("/hooks/codeberg", new byte[20_001], new Dictionary<string, string>());
        chunked.Headers.TransferEncodingChunked = true;
        await Answer(await wake.Http.SendAsync(chunked), HttpStatusCode.RequestEntityTooLarge);
    }

    [Fact]
    public async Task A_hook_that_nobody_set_up_is_not_there() =>
        await Answer(
            await wake.Http.SendAsync(Delivery("/hooks/nobody", [], new Dictionary<string, string>())),
            HttpStatusCode.NotFound
        );

    [Fact]
    public async Task Any_sender_is_understood_as_it_is_described()
    {
        var body =
            """{"event":{"id":"E1","event_type":"incident.triggered","data":{"title":"The shop is down","services":[{"id":"shop"}]}}}"""u8.ToArray();

        await Answer(
            await wake.Http.SendAsync(
                Delivery(
                    "/hooks/pager",
                    body,
                    new Dictionary<string, string> { ["X-PagerDuty-Signature"] = $"v1={Hex("key of the pager", body)}" }
                )
            ),
            HttpStatusCode.Accepted
        );

        Assert.Equal(
            "incident.triggered shop The shop is down incident.triggered|shop|webhook:pager|E1",
            await wake.Scalar<string>(
                "select concat_ws(' ', type, subject, reason, dedup_key) from events where id = 'E1'"
            )
        );
    }

    [Fact]
    public async Task Standard_webhooks_are_one_fact_however_often_they_are_sent()
    {
        var body =
            """{"type":"contact.created","timestamp":"2022-11-03T20:26:10.344522Z","subject":"crm:contact:7"}"""u8.ToArray();
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var code = Convert.ToBase64String(
            HMACSHA256.HashData(
                "0123456789abcdef0123456789abcdef"u8,
                [.. Encoding.UTF8.GetBytes($"msg_1.{now}."), .. body]
            )
        );
        Dictionary<string, string> headers = new()
        {
            ["webhook-id"] = "msg_1",
            ["webhook-timestamp"] = now,
            ["webhook-signature"] = $"v1,{code}",
        };

        await Answer(await wake.Http.SendAsync(Delivery("/hooks/crm", body, headers)), HttpStatusCode.Accepted);
        await Answer(await wake.Http.SendAsync(Delivery("/hooks/crm", body, headers)), HttpStatusCode.Accepted);

        Assert.Equal(
            1,
            await wake.Scalar<long>("select count(*) from events where subject = 'crm:contact:7' and id = 'msg_1'")
        );
    }

    [Theory]
    [InlineData("binary")]
    [InlineData("structured")]
    [InlineData("batch")]
    public async Task Cloudevents_are_taken_in_every_mode(string mode)
    {
        var one = JsonSerializer.Serialize(
            new
            {
                specversion = "1.0",
                id = $"{mode}-1",
                source = "/shop",
                type = "shop.order.paid",
                subject = "Euro € 5",
                dedupkey = $"{mode}|paid",
                data = new { reason = "Paid" },
            }
        );
        Dictionary<string, string> headers = new() { ["Authorization"] = $"Bearer {Token("events")}" };
        var body = "{\"reason\":\"Paid\"}";
        if (mode == "binary")
        {
            foreach (
                var (name, value) in new[]
                {
                    ("specversion", "1.0"),
                    ("id", "binary-1"),
                    ("source", "/shop"),
                    ("type", "shop.order.paid"),
                    ("subject", "Euro%20%E2%82%AC%205"),
                    ("dedupkey", "binary|paid"),
                }
            )
                headers[$"ce-{name}"] = value;
            headers["Content-Type"] = "application/json";
        }
        else
        {
            headers["Content-Type"] =
                mode == "batch"
                    ? "application/cloudevents-batch+json; charset=utf-8"
                    : "application/cloudevents+json; charset=utf-8";
            body = mode == "batch" ? $"[{one},{one.Replace("batch", "second batch", StringComparison.Ordinal)}]" : one;
        }

        var answer = await Answer(
            await wake.Http.SendAsync(Delivery("/hooks/events", Encoding.UTF8.GetBytes(body), headers)),
            HttpStatusCode.Accepted
        );

        Assert.Equal(mode == "batch" ? 2 : 1, answer.Items("accepted").Count());
        Assert.Equal(
            "shop.order.paid Euro € 5 Paid",
            await wake.Scalar<string>(
                "select concat_ws(' ', type, subject, reason) from events where dedup_key = $1",
                $"{mode}|paid"
            )
        );
    }

    [Theory]
    [InlineData(
        "application/cloudevents+json",
        """{"specversion":"0.2","id":"1","source":"/shop","type":"t"}""",
        "specversion is 0.2"
    )]
    [InlineData(
        "application/cloudevents+json",
        """{"specversion":"1.0","id":"1","source":"/shop"}""",
        "has an id, a source and a type"
    )]
    [InlineData(
        "application/cloudevents-batch+json",
        """[{"specversion":"1.0","id":"1","source":"/shop","type":"t"},{"specversion":"1.0"}]""",
        "[1]: "
    )]
    public async Task A_cloudevent_that_cannot_be_read_is_refused_and_its_sender_learns_why(
        string type,
        string body,
        string why
    ) =>
        Assert.Contains(
            why,
            (
                await Answer(
                    await wake.Http.SendAsync(
                        Delivery(
                            "/hooks/events",
                            Encoding.UTF8.GetBytes(body),
                            new Dictionary<string, string>
                            {
                                ["Authorization"] = $"Bearer {Token("events")}",
                                ["Content-Type"] = type,
                            }
                        )
                    ),
                    HttpStatusCode.BadRequest
                )
            ).Text("detail")
        );

    [Theory]
    [InlineData("events", "eventgrid.azure.net", "120", HttpStatusCode.OK, "120")]
    [InlineData("events", "EventGrid.azure.net", "many", HttpStatusCode.OK, "*")]
    [InlineData("events", "eventgrid.azure.net", null, HttpStatusCode.OK, null)]
    [InlineData("events", "evil.example", "120", HttpStatusCode.Forbidden, null)]
    [InlineData("events", "eventgrid.azure.net.evil example", "120", HttpStatusCode.BadRequest, null)]
    [InlineData("events", null, null, HttpStatusCode.BadRequest, null)]
    [InlineData("codeberg", "eventgrid.azure.net", "120", HttpStatusCode.MethodNotAllowed, null)]
    [InlineData("nobody", "eventgrid.azure.net", "120", HttpStatusCode.NotFound, null)]
    public async Task Who_asks_whether_he_may_send_is_answered(
        string hook,
        string? origin,
        string? rate,
        HttpStatusCode status,
        string? granted
    )
    {
        // Anybody's address, which is never called.
        using var callback = new TcpListener(IPAddress.Loopback, 0);
        callback.Start();
        var request = new HttpRequestMessage(HttpMethod.Options, $"/hooks/{hook}");
        request.Headers.TryAddWithoutValidation("WebHook-Request-Callback", $"http://{callback.LocalEndpoint}/");
        if (origin is not null)
            request.Headers.TryAddWithoutValidation("WebHook-Request-Origin", origin);
        if (rate is not null)
            request.Headers.TryAddWithoutValidation("WebHook-Request-Rate", rate);

        var answer = await wake.Http.SendAsync(request);

        Assert.Equal(status, answer.StatusCode);
        Assert.Equal(
            status is HttpStatusCode.OK ? origin : null,
            answer.Headers.TryGetValues("WebHook-Allowed-Origin", out var origins) ? origins.Single() : null
        );
        Assert.Equal(
            granted,
            answer.Headers.TryGetValues("WebHook-Allowed-Rate", out var rates) ? rates.Single() : null
        );
        Assert.False(callback.Pending());
    }

    [Fact]
    public async Task A_hook_cannot_hide_what_github_delivers()
    {
        var payload = Payload.Of("webhooks/issues.opened.json");
        var fact = Assert.Single(payload.Sender.Map(payload.Request()).Events);
        var forged = JsonSerializer.SerializeToUtf8Bytes(
            new
            {
                id = "forged",
                type = fact.Type,
                subject = fact.Subject,
                reason = "Nothing",
                dedupKey = fact.DedupKey,
            }
        );

        await Answer(
            await wake.Http.SendAsync(
                Delivery(
                    "/hooks/any",
                    forged,
                    new Dictionary<string, string> { ["Authorization"] = $"Bearer {Token("any")}" }
                )
            ),
            HttpStatusCode.Accepted
        );
        await wake.Http.PostAsync(
            "/v1/events",
            JsonContent.Create(fact with { Id = "posted", Reason = "Nothing" }, options: EventJson.Options)
        );
        await Answer(await wake.Http.SendAsync(GitHub("webhooks/issues.opened.json")), HttpStatusCode.Accepted);
        await Answer(await wake.Http.SendAsync(GitHub("webhooks/issues.opened.json")), HttpStatusCode.Accepted);

        // Taken in once, as what it is.
        Assert.Equal(
            1,
            await wake.Scalar<long>(
                "select count(*) from events where type = $1 and subject = $2 and scope = 'github'",
                fact.Type,
                fact.Subject
            )
        );
        Assert.Equal(
            "forged",
            await wake.Scalar<string>(
                "select h.id from collisions c join events h on h.seq = c.held_by where c.dedup_key = $1",
                fact.DedupKey!
            )
        );
    }

    [Fact]
    public async Task A_secret_speaks_for_its_repositories_alone()
    {
        var own = await Answer(
            await wake.Http.SendAsync(
                OfAcme("acme/app", "https://github.com/acme/app", "Closes victim/app#5, closes acme/lib#6")
            ),
            HttpStatusCode.Accepted
        );
        Assert.Equal("github.pull_request.merged|github:acme/app#7", own.Items("accepted").Single().GetString());

        // Nor does it concern others, whatever its text says.
        Assert.Equal(
            "github:acme/lib#6",
            await wake.Scalar<string>(
                "select array_to_string(related, ' ') from events where subject = 'github:acme/app#7'"
            )
        );

        foreach (
            var (name, page) in ((string, string)[])
                [
                    ("victim/app", "https://github.com/victim/app"),
                    ("acme/app", "https://ghe.example.com/acme/app"),
                    ("acme-2/app", "https://github.com/acme-2/app"),
                ]
        )
        {
            var refused = await Answer(await wake.Http.SendAsync(OfAcme(name, page, "")), HttpStatusCode.Forbidden);
            Assert.Contains(
                $"GitHub:Webhooks:acme speaks for acme/* on github.com, not for {name}",
                refused.Text("detail")
            );
        }

        Assert.Equal(
            1,
            await wake.Scalar<long>(
                "select count(*) from events where subject like '%victim/app%' or subject like '%acme%'"
            )
        );

        static HttpRequestMessage OfAcme(string name, string page, string text)
        {
            var body = JsonSerializer.SerializeToUtf8Bytes(
                new
                {
                    action = "closed",
                    repository = new { full_name = name, html_url = page },
                    pull_request = new
                    {
                        number = 7,
                        merged = true,
                        merged_at = "2026-11-28T10:05:00Z",
                        body = text,
                        author_association = "OWNER",
                    },
                }
            );
            return Delivery(
                "/github",
                body,
                new Dictionary<string, string>
                {
                    ["X-GitHub-Event"] = "pull_request",
                    ["X-Hub-Signature-256"] = $"sha256={Hex("known to acme", body)}",
                }
            );
        }
    }

    [Fact]
    public async Task A_delivery_that_says_to_be_another_event_is_refused()
    {
        var forged = Payload.Of("webhooks/pull_request_review.submitted.approved.json").Headers();
        forged["X-GitHub-Event"] = "pull_request";

        var refused = await Answer(
            await wake.Http.SendAsync(
                Delivery("/github", Payload.Of("webhooks/pull_request_review.submitted.approved.json").Bytes, forged)
            ),
            HttpStatusCode.BadRequest
        );

        Assert.Contains("X-GitHub-Event says pull_request", refused.Text("detail"));
    }

    [Theory]
    [InlineData("deploy.finished", "deploy:shop", null)]
    [InlineData("deploy", "deploy:shop/eu", null)]
    [InlineData("github.pull_request.merged", "deploy:shop", "The type github.pull_request.merged is not among")]
    [InlineData("deployed", "deploy:shop", "The type deployed is not among")]
    [InlineData("deploy.finished", "deploy:shop-2", "The subject deploy:shop-2 is not among")]
    public async Task A_hook_tells_what_it_is_for(string type, string subject, string? refusal)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(
            new
            {
                id = $"{type} {subject}",
                type,
                subject,
                reason = "Done",
            }
        );

        var answer = await wake.Http.SendAsync(
            Delivery(
                "/hooks/deploys",
                body,
                new Dictionary<string, string> { ["Authorization"] = $"Bearer {Token("deploys")}" }
            )
        );

        Assert.Equal(refusal is null ? HttpStatusCode.Accepted : HttpStatusCode.Forbidden, answer.StatusCode);
        if (refusal is not null)
            Assert.Contains(refusal, await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task What_a_hook_tells_concerns_nothing_that_it_may_not_speak_of()
    {
        const string project = "gitlab@192.168.64.1:3005:gitlab-org/gitlab-test";
        var key = await wake.Session();
        await wake.Watch(key, $"{project}!15");
        var pipeline = Payload.Of("other-forges/gitlab.pipeline.success.json");

        // One event each: what has happened twice has finished twice.
        foreach (var (hook, token, finished) in new[] { ("commits", LongToken("commits"), 1), ("lab", "token", 2) })
        {
            var payload = JsonNode.Parse(pipeline.Bytes)!;
            payload["object_attributes"]!["finished_at"] = $"2026-11-28 10:00:0{finished} UTC";
            payload["merge_request"]!["target_project_id"] = payload["project"]!["id"]!.DeepClone();
            await Answer(
                await wake.Http.SendAsync(
                    Delivery(
                        $"/hooks/{hook}",
                        Encoding.UTF8.GetBytes(payload.ToJsonString()),
                        new Dictionary<string, string>(pipeline.Headers()) { ["X-Gitlab-Token"] = token }
                    )
                ),
                HttpStatusCode.Accepted
            );
        }

        // The limited one came first, and wakes nobody who waits for something else.
        Assert.Single((await wake.WaitForTurnEnd(key, 1)).Reasons);
        Assert.Equal(
            $"nothing, {project}!15",
            await wake.Scalar<string>(
                "select string_agg(coalesce(array_to_string(related, ' '), 'nothing'), ', ' order by seq) from events "
                    + $"where subject like '{project}@%'"
            )
        );
    }

    [Fact]
    public async Task What_one_hook_tells_hides_nothing_of_another()
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(
            new
            {
                id = "1",
                type = "deploy.done",
                subject = "deploy:shop",
                reason = "Done",
                dedupKey = "the deployment",
            }
        );

        foreach (var hook in (string[])["any", "deploys", "any", "deploys"])
            await Answer(
                await wake.Http.SendAsync(
                    Delivery(
                        $"/hooks/{hook}",
                        body,
                        new Dictionary<string, string> { ["Authorization"] = $"Bearer {Token(hook)}" }
                    )
                ),
                HttpStatusCode.Accepted
            );

        Assert.Equal(
            "hook:any hook:deploys",
            await wake.Scalar<string>(
                "select string_agg(scope, ' ' order by scope) from events where type = 'deploy.done'"
            )
        );
    }

    [Fact]
    public async Task Whoever_fails_too_often_must_wait_and_what_is_genuine_is_always_heard()
    {
        await using var system = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>(Settings) { ["Proxies__Known__0"] = "127.0.0.0/8" }
        );
        var forged = Payload.Of(Merged).Headers();
        forged["X-Hub-Signature-256"] = $"sha256={new string('0', 64)}";

        for (var i = 0; i < AuthenticationFailureLimiter.MaxFailures; i++)
            await Answer(
                await system.Http.SendAsync(Delivery("/github", Payload.Of(Merged).Bytes, forged)),
                HttpStatusCode.Unauthorized
            );
        var tooOften = await system.Http.SendAsync(Delivery("/github", Payload.Of(Merged).Bytes, forged));

        await Answer(tooOften, HttpStatusCode.TooManyRequests);
        Assert.InRange(tooOften.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
        Assert.Equal(0, await system.Scalar<long>("select count(*) from events"));

        // Everybody may come from one proxy.
        await Answer(await system.Http.SendAsync(GitHub(Merged)), HttpStatusCode.Accepted);
        var gitlab = Payload.Of("other-forges/gitlab.merge_request.merge.json");
        await Answer(
            await system.Http.SendAsync(
                Delivery("/hooks/lab", gitlab.Bytes, new Dictionary<string, string> { ["X-Gitlab-Token"] = "token" })
            ),
            HttpStatusCode.Accepted
        );
        await Answer(
            await system.Http.SendAsync(
                Delivery(
                    "/hooks/any",
                    """{"type":"t"}"""u8.ToArray(),
                    new Dictionary<string, string> { ["Authorization"] = $"Bearer {Token("any")}" }
                )
            ),
            HttpStatusCode.Accepted
        );
        await Answer(
            await system.Http.SendAsync(Delivery("/hooks/any", [], new Dictionary<string, string>())),
            HttpStatusCode.TooManyRequests
        );

        // Whom a proxy that is known names, and not whom he himself names before, counts alone.
        for (var i = 0; i <= AuthenticationFailureLimiter.MaxFailures; i++)
            await From(
                $"10.9.8.{i}, 203.0.113.7",
                i < AuthenticationFailureLimiter.MaxFailures
                    ? HttpStatusCode.Unauthorized
                    : HttpStatusCode.TooManyRequests
            );
        await From("203.0.113.8", HttpStatusCode.Unauthorized);

        async Task From(string address, HttpStatusCode status)
        {
            var headers = new Dictionary<string, string>(forged) { ["X-Forwarded-For"] = address };
            await Answer(await system.Http.SendAsync(Delivery("/github", Payload.Of(Merged).Bytes, headers)), status);
        }
    }

    [Fact]
    public async Task Who_came_is_not_asked_of_whom_nobody_knows_as_a_proxy()
    {
        await using var system = await WakeSystem.Start(Transport.InMemory, Settings);

        // Whoever is believed is somebody else every time, and never too often.
        for (var i = 0; i <= AuthenticationFailureLimiter.MaxFailures; i++)
            await Answer(
                await system.Http.SendAsync(
                    Delivery(
                        "/hooks/any",
                        [],
                        new Dictionary<string, string> { ["X-Forwarded-For"] = $"203.0.113.{i}" }
                    )
                ),
                i < AuthenticationFailureLimiter.MaxFailures
                    ? HttpStatusCode.Unauthorized
                    : HttpStatusCode.TooManyRequests
            );
    }

    [Fact]
    public async Task What_a_forge_has_delivered_is_its_word_no_more_when_somebody_repeats_it()
    {
        var accepted = (
            await Answer(await wake.Http.SendAsync(GitHub("webhooks/release.published.json")), HttpStatusCode.Accepted)
        )
            .Items("accepted")
            .Single()
            .GetString()!
            .Split('|');
        var id = await wake.Scalar<string>(
            "select id from events where type = $1 and subject = $2 and scope = 'github'",
            accepted[0],
            accepted[1]
        );

        await Answer(
            await wake.Http.PostAsync($"/v1/events/{Uri.EscapeDataString(id)}/replay", null),
            HttpStatusCode.Accepted
        );

        Assert.NotEqual("github", await wake.Scalar<string>("select scope from events where replay_of = $1", id));
    }

    [Theory]
    [InlineData("/shop", true)]
    [InlineData("/shop/eu", true)]
    [InlineData("/bank", false)]
    [InlineData("/shop-2", false)]
    public async Task A_hook_names_the_sources_it_is_for(string source, bool accepted)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(
            new
            {
                specversion = "1.0",
                id = source,
                source,
                type = "shop.order.sent",
                data = new { reason = "Sent" },
            }
        );

        var answer = await wake.Http.SendAsync(
            Delivery(
                "/hooks/shop",
                body,
                new Dictionary<string, string>
                {
                    ["Authorization"] = $"Bearer {LongToken("shop")}",
                    ["Content-Type"] = "application/cloudevents+json",
                }
            )
        );

        Assert.Equal(accepted ? HttpStatusCode.Accepted : HttpStatusCode.Forbidden, answer.StatusCode);
        if (!accepted)
            Assert.Contains($"The source {source} is not among", await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Hooks_of_one_name_tell_the_same_facts()
    {
        var body =
            """{"id":"1","type":"region.down","subject":"region","reason":"Down","dedupKey":"down"}"""u8.ToArray();

        foreach (var hook in (string[])["east", "west"])
            await Answer(
                await wake.Http.SendAsync(
                    Delivery(
                        $"/hooks/{hook}",
                        body,
                        new Dictionary<string, string> { ["Authorization"] = $"Bearer {LongToken(hook)}" }
                    )
                ),
                HttpStatusCode.Accepted
            );

        Assert.Equal(
            "hook:regions",
            await wake.Scalar<string>("select string_agg(scope, ' ') from events where type = 'region.down'")
        );
    }

    [Fact]
    public void A_token_that_trying_may_find_is_told_of()
    {
        var log = Assert.Single(wake.Processes).Log;

        Assert.All(
            ["lab", "events", "any", "deploys"],
            x => Assert.Contains($"The token of the hook {x} has fewer than 16 characters", log)
        );
        // Long enough; and a key that signs, which nobody tries at the door.
        Assert.All(
            ["shop", "east", "pager", "codeberg"],
            x => Assert.DoesNotContain($"The token of the hook {x}", log)
        );
    }

    [Fact]
    public async Task Hooks_need_no_key_of_the_api_and_none_without_a_secret_is_open()
    {
        await using var system = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["Gateway__ApiKeys__0"] = "a key of sixteen characters",
                ["Webhooks__Hooks__lab__Sender"] = "GitLab",
                ["Webhooks__Hooks__lab__Secrets__0"] = "token",
            }
        );
        system.Http.DefaultRequestHeaders.Authorization = null;
        var gitlab = Payload.Of("other-forges/gitlab.merge_request.merge.json");

        await Answer(
            await system.Http.SendAsync(
                Delivery("/hooks/lab", gitlab.Bytes, new Dictionary<string, string> { ["X-Gitlab-Token"] = "token" })
            ),
            HttpStatusCode.Accepted
        );
        await Answer(await system.Http.SendAsync(GitHub(Merged)), HttpStatusCode.NotFound);
        Assert.Equal(
            HttpStatusCode.Unauthorized,
            (await system.Http.PostAsJsonAsync("/v1/events", new { })).StatusCode
        );
    }

    [Fact]
    public async Task What_is_accepted_before_the_first_coordinator_ever_ran_waits_for_it()
    {
        await using var system = await WakeSystem.Create(Transport.RabbitMq, Settings);
        var producers = await Task.WhenAll(
            system.StartProcess("Wake.Producers.GitHub"),
            system.StartProcess("Wake.Producers.Webhooks"),
            system.StartProcess("Wake.Gateway")
        );
        using var github = new HttpClient { BaseAddress = producers[0].Url };
        using var hooks = new HttpClient { BaseAddress = producers[1].Url };
        var gitlab = Payload.Of("other-forges/gitlab.merge_request.merge.json");

        await Answer(await github.SendAsync(GitHub(Merged)), HttpStatusCode.Accepted);
        await Answer(
            await hooks.SendAsync(
                Delivery("/hooks/lab", gitlab.Bytes, new Dictionary<string, string> { ["X-Gitlab-Token"] = "token" })
            ),
            HttpStatusCode.Accepted
        );

        await system.StartProcess("Wake.Coordinator");
        await Eventually.Holds(async () =>
            await system.Scalar<long>("select count(*) from events where type like '%.merged'") == 2
        );
        Assert.Equal(
            1,
            await system.Scalar<long>(
                "select count(*) from events where type like 'github.%' and traceparent is not null"
            )
        );
        Assert.Equal(
            1,
            await system.Scalar<long>("select count(*) from events where type like 'github.%' and scope = 'github'")
        );
    }

    [Fact]
    public async Task A_queue_that_somebody_deleted_is_declared_again_and_the_event_is_in_it()
    {
        await using var system = await WakeSystem.Create(Transport.RabbitMq, Settings);
        var producer = await system.StartProcess("Wake.Producers.GitHub");
        using var github = new HttpClient { BaseAddress = producer.Url };
        var channel = await system.Amqp();
        await channel.QueueDeleteAsync("wake-events");

        await Answer(await github.SendAsync(GitHub(Merged)), HttpStatusCode.Accepted);

        await Eventually.Holds(async () => await channel.MessageCountAsync("wake-events") == 1);
    }

    [Fact]
    public async Task A_delivery_is_accepted_only_once_the_broker_has_confirmed_it()
    {
        await using var system = await WakeSystem.Create(Transport.RabbitMq, Settings);
        await using var wire = new TcpProxy(system.Broker!.Port);
        await using var producer = await system.StartProcess(
            "Wake.Producers.GitHub",
            new Dictionary<string, string>
            {
                ["MessageBus__Host"] = new UriBuilder(system.Broker) { Port = wire.Port }.Uri.ToString(),
            }
        );
        using var github = new HttpClient { BaseAddress = producer.Url };

        // The broker has it, and the producer never learns of that.
        var published = wire.HoldAnswersTo("github.pull_request.merged");
        var answer = github.SendAsync(GitHub(Merged));
        await published;
        Assert.False(answer.IsCompleted);
        wire.Cut();

        await Answer(await answer, HttpStatusCode.Accepted);
        await Task.WhenAll(system.StartProcess("Wake.Gateway"), system.StartProcess("Wake.Coordinator"));
        await Eventually.Holds(async () => await system.Scalar<long>("select count(*) from events") == 1);

        // While nothing reaches the broker, nothing is accepted.
        wire.HoldUpstream();
        var refused = await github.SendAsync(GitHub("webhooks/issues.opened.json"));
        await Answer(refused, HttpStatusCode.ServiceUnavailable);
        Assert.NotNull(refused.Headers.RetryAfter);
    }
}
