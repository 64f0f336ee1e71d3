using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;
using Wake.Contracts;
using Wake.Gateway;
using Wake.ServiceDefaults;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>The keys of the HTTP door: what each may do, how they end, and what becomes of wrong ones.</summary>
[Trait("Starts", "processes")]
public sealed class OpeningByKey(OpeningByKey.Keyed shared) : IClassFixture<OpeningByKey.Keyed>
{
    const string Configured = "a key of the configuration";
    const string Good = """{"id":"good","source":"s","type":"t","subject":"s","reason":"r"}""";

    readonly WakeSystem wake = shared.System;

    [Fact]
    public async Task A_key_may_do_what_its_scopes_say()
    {
        var (_, publisher) = await Create("events:write");
        var (_, reader) = await Create("sessions:read");

        Assert.Equal(HttpStatusCode.Accepted, (await Send(publisher, HttpMethod.Post, "/v1/events", Good)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await Send(reader, HttpMethod.Get, "/v1/sessions")).StatusCode);

        var refused = await Send(reader, HttpMethod.Post, "/v1/events", Good);
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        Assert.Contains("scope=\"events:write\"", refused.Headers.WwwAuthenticate.ToString());
        Assert.Contains("lacks the scope events:write", await refused.Content.ReadAsStringAsync());
        Assert.Equal(HttpStatusCode.Forbidden, (await Send(publisher, HttpMethod.Get, "/v1/sessions")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await Send(publisher, HttpMethod.Get, "/v1/nothing")).StatusCode);
        Assert.Equal(
            HttpStatusCode.MethodNotAllowed,
            (await Send(publisher, HttpMethod.Put, "/v1/events", Good)).StatusCode
        );
    }

    // As a person may wake a session that is parked.
    [Fact]
    public async Task Only_who_may_wake_sessions_may_call_an_event_urgent()
    {
        var (_, publisher) = await Create("events:write");
        var (_, owner) = await Create("events:write", "sessions:write");
        const string urgent =
            """{"id":"urgent","source":"s","type":"t","subject":"urgent","reason":"r","urgent":true}""";

        var refused = await Send(publisher, HttpMethod.Post, "/v1/events", urgent);
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        Assert.Contains("sessions:write", await refused.Content.ReadAsStringAsync());

        var accepted = await Send(owner, HttpMethod.Post, "/v1/events", urgent);
        Assert.Equal(HttpStatusCode.Accepted, accepted.StatusCode);
        Assert.Equal(
            HttpStatusCode.Accepted,
            (await Send(publisher, HttpMethod.Post, "/v1/events/urgent/replay")).StatusCode
        );
        Assert.Equal(1, await wake.Scalar<long>("select count(*) from events where urgent and subject = $1", "urgent"));
    }

    [Fact]
    public async Task Every_endpoint_says_which_scope_it_needs()
    {
        // Whoever only reads may change nothing.
        var (_, reader) = await Create("sessions:read");
        var document = await (
            await Send(reader, HttpMethod.Get, "/openapi/v1.json")
        ).Content.ReadFromJsonAsync<JsonElement>();

        foreach (var path in document.GetProperty("paths").EnumerateObject())
        foreach (var operation in path.Value.EnumerateObject().Where(x => x.Name is not "get"))
        {
            var address = path
                .Name.Replace("{id}", $"{Guid.NewGuid()}")
                .Replace("{claudeSessionId}", $"{Guid.NewGuid()}")
                .Replace("{key}", "k")
                .Replace("{name}", "n");
            var answer = await Send(reader, new(operation.Name.ToUpperInvariant()), address, "{}");

            Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
            var needed = answer.Headers.WwwAuthenticate.ToString();
            Assert.Equal(
                path.Name.StartsWith("/v1/keys", StringComparison.Ordinal)
                    || path.Name is "/v1/browser" or "/v1/dead-letters/drop",
                needed.Contains("scope=\"admin\"")
            );
        }
    }

    [Fact]
    public async Task An_endpoint_that_says_nothing_is_nobodys()
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Services.AddRoutingCore().AddProblemDetails().AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<IOptions<GatewayOptions>>(
            new OptionsWrapper<GatewayOptions>(new() { ApiKeys = [Configured] })
        );
        // Nothing asks for what is in it.
        builder.Services.AddSingleton(NpgsqlDataSource.Create("Host=nowhere"));
        builder.Services.AddSingleton<ApiKeys>().AddSingleton<RunTokens>();
        builder.Services.AddSingleton<ApiKeyCache>().AddSingleton<BrowserSessions>();
        builder.AddApiKeyAuthentication();
        await using var app = builder.Build();
        app.UseRouting();
        app.UseAuthentication();
        app.UseAuthorization();
        app.MapGet("/forgotten", () => "secret");
        app.MapGet("/open", () => "open").AllowAnonymous();
        app.MapGet("/read", () => "read").RequireScope(ApiScopes.SessionsRead);
        await app.StartAsync();
        using var http = new HttpClient { BaseAddress = new(app.Urls.Single()) };

        Assert.Equal(HttpStatusCode.Unauthorized, (await Send(http, null, HttpMethod.Get, "/forgotten")).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await Send(http, Configured, HttpMethod.Get, "/forgotten")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await Send(http, Configured, HttpMethod.Get, "/read")).StatusCode);

        // Nor does a token that is meant for somebody else count as a guess.
        for (var i = 0; i <= AuthenticationFailureLimiter.MaxFailures; i++)
            Assert.Equal(HttpStatusCode.OK, (await Send(http, "a sender's", HttpMethod.Get, "/open")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await Send(http, "wrong", HttpMethod.Get, "/read")).StatusCode);
    }

    [Fact]
    public async Task Only_admin_makes_keys_and_a_key_is_told_once()
    {
        var (id, key) = await Create("sessions:read");

        Assert.StartsWith("wake_", key);
        Assert.Equal(
            HttpStatusCode.Forbidden,
            (await Send(key, HttpMethod.Post, "/v1/keys", """{"name":"n","scopes":["admin"]}""")).StatusCode
        );
        Assert.Equal(HttpStatusCode.Forbidden, (await Send(key, HttpMethod.Get, "/v1/keys")).StatusCode);

        var listed = await (await Send(Configured, HttpMethod.Get, "/v1/keys")).Content.ReadAsStringAsync();
        Assert.Contains(id, listed);
        Assert.DoesNotContain(key, listed);
        Assert.Equal(0, await wake.RowsWith("api_keys", key));
        Assert.All(wake.Processes, x => Assert.DoesNotContain(key, x.Log));
    }

    [Fact]
    public async Task The_last_use_of_a_key_is_shown()
    {
        var (id, key) = await Create("sessions:read");
        Assert.False((await Listed(id)).TryGetProperty("lastUsedAt", out _));

        await Send(key, HttpMethod.Get, "/v1/sessions");

        Assert.InRange(
            (await Listed(id)).GetProperty("lastUsedAt").GetDateTimeOffset(),
            DateTimeOffset.UtcNow.AddMinutes(-1),
            DateTimeOffset.UtcNow.AddMinutes(1)
        );
    }

    [Fact]
    public async Task A_revoked_key_opens_nothing_at_once()
    {
        var (id, key) = await Create("sessions:read");
        Assert.Equal(HttpStatusCode.OK, (await Send(key, HttpMethod.Get, "/v1/sessions")).StatusCode);

        Assert.Equal(
            HttpStatusCode.NoContent,
            (await Send(Configured, HttpMethod.Delete, $"/v1/keys/{id}")).StatusCode
        );

        var refused = await Send(key, HttpMethod.Get, "/v1/sessions");
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        Assert.StartsWith("Bearer", refused.Headers.WwwAuthenticate.ToString());
        Assert.Equal(HttpStatusCode.NotFound, (await Send(Configured, HttpMethod.Delete, $"/v1/keys/{id}")).StatusCode);
    }

    [Fact]
    public async Task A_rotated_key_opens_beside_its_successor_until_the_overlap_is_over()
    {
        var (id, old) = await Create("sessions:read");
        var next = await Made(
            await Send(Configured, HttpMethod.Post, $"/v1/keys/{id}/rotate", """{"overlapSeconds":3600}""")
        );

        Assert.Equal(HttpStatusCode.OK, (await Send(old, HttpMethod.Get, "/v1/sessions")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await Send(next.Key, HttpMethod.Get, "/v1/sessions")).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await Send(next.Key, HttpMethod.Post, "/v1/events", Good)).StatusCode);
        Assert.Equal(
            HttpStatusCode.NotFound,
            (await Send(Configured, HttpMethod.Post, $"/v1/keys/{id}/rotate", "{}")).StatusCode
        );

        var last = await Made(
            await Send(Configured, HttpMethod.Post, $"/v1/keys/{next.Id}/rotate", """{"overlapSeconds":0}""")
        );
        Assert.Equal(HttpStatusCode.Unauthorized, (await Send(next.Key, HttpMethod.Get, "/v1/sessions")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await Send(last.Key, HttpMethod.Get, "/v1/sessions")).StatusCode);
    }

    [Theory]
    [InlineData("cinema", "build", "build:hello")]
    [InlineData("ci", "deploy", "build:hello")]
    [InlineData("ci", "build", "build:others")]
    public async Task A_rotated_key_is_for_what_it_was_for(string source, string type, string subject)
    {
        var (id, _) = await Limited();
        var next = await Made(await Send(Configured, HttpMethod.Post, $"/v1/keys/{id}/rotate", "{}"));
        Task<HttpResponseMessage> Publish(string source, string type, string subject) =>
            Send(
                next.Key,
                HttpMethod.Post,
                "/v1/events",
                JsonSerializer.Serialize(
                    new
                    {
                        id = $"{Guid.NewGuid()}",
                        source,
                        type,
                        subject,
                        reason = "r",
                    }
                )
            );

        Assert.Equal(HttpStatusCode.Accepted, (await Publish("ci", "build", "build:hello")).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await Publish(source, type, subject)).StatusCode);
    }

    [Fact]
    public async Task Without_a_key_the_answer_says_how_to_come_in()
    {
        var refused = await Send(null, HttpMethod.Get, "/v1/sessions");

        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        Assert.Equal("Bearer", refused.Headers.WwwAuthenticate.ToString());
    }

    [Theory]
    [InlineData("ci", "build.failed", "build:hello", null)]
    [InlineData("ci:7", "build", "build:hello/972", null)]
    [InlineData("github:webhook", "build.failed", "build:hello", "The source github:webhook is not among")]
    [InlineData("cinema", "build.failed", "build:hello", "The source cinema is not among")]
    [InlineData("ci", "github.pull_request.merged", "build:hello", "The type github.pull_request.merged is not among")]
    [InlineData("ci", "build.failed", "build:hello-2", "The subject build:hello-2 is not among")]
    [InlineData("ci", "build.failed", "github:octo-org/hello#7", "The subject github:octo-org/hello#7 is not among")]
    public async Task A_key_may_publish_what_it_is_for(string source, string type, string subject, string? refusal)
    {
        limited ??= Limited();
        var observed = new
        {
            id = $"{Guid.NewGuid()}",
            source,
            type,
            subject,
            reason = "r",
        };

        foreach (var path in (string[])["/v1/events?dryRun=true", "/v1/events"])
        {
            var answer = await Send((await limited).Key, HttpMethod.Post, path, JsonSerializer.Serialize(observed));
            Assert.Equal(refusal is not null, answer.StatusCode is HttpStatusCode.Forbidden);
            Assert.Contains(refusal ?? "unwatched", await answer.Content.ReadAsStringAsync());
        }

        // Nor by way of what it is related to, nor of a session that it names, nor of what another has published.
        if (refusal is null)
        {
            Assert.Equal(
                HttpStatusCode.Forbidden,
                (
                    await Send(
                        (await limited).Key,
                        HttpMethod.Post,
                        "/v1/events",
                        JsonSerializer.Serialize(
                            new
                            {
                                id = "related",
                                source,
                                type,
                                subject,
                                reason = "r",
                                related = new[] { "github:octo-org/hello#7" },
                            }
                        )
                    )
                ).StatusCode
            );
            Assert.Equal(
                HttpStatusCode.Forbidden,
                (
                    await Send(
                        (await limited).Key,
                        HttpMethod.Post,
                        "/v1/events",
                        JsonSerializer.Serialize(
                            new
                            {
                                id = "named",
                                source,
                                type,
                                subject,
                                reason = "r",
                                sessions = new[] { "anybody" },
                            }
                        )
                    )
                ).StatusCode
            );
            await Send(
                Configured,
                HttpMethod.Post,
                "/v1/events",
                """{"id":"others","source":"s","type":"t","subject":"others","reason":"r"}"""
            );
            Assert.Equal(
                HttpStatusCode.NotFound,
                (await Send((await limited).Key, HttpMethod.Post, "/v1/events/others/replay")).StatusCode
            );
        }
    }

    static Task<(string Id, string Key)>? limited;

    async Task<(string Id, string Key)> Limited() =>
        await Made(
            await Send(
                Configured,
                HttpMethod.Post,
                "/v1/keys",
                """{"name":"build of hello","scopes":["events:write"],"sources":["ci"],"types":["build"],"subjects":["build:hello"]}"""
            )
        );

    [Fact]
    public async Task What_is_published_by_one_key_hides_nothing_of_another_and_its_successor_tells_the_same()
    {
        var (id, first) = await Create("events:write");
        var (_, second) = await Create("events:write");
        const string merged =
            """{"id":"ID","source":"ci","type":"github.pull_request.merged","subject":"github:octo-org/hides#7","reason":"r","dedupKey":"merged"}""";
        async Task<string?> Outcome(string? key, string observation) =>
            (
                await (
                    await Send(key, HttpMethod.Post, "/v1/events", merged.Replace("ID", observation))
                ).Content.ReadFromJsonAsync<JsonElement>()
            )
                .GetProperty("outcome")
                .GetString();

        Assert.Equal("unwatched", await Outcome(first, "1"));
        Assert.Equal("unwatched", await Outcome(second, "2"));
        Assert.Equal("unwatched", await Outcome(Configured, "3"));
        Assert.Equal("duplicate", await Outcome(first, "4"));

        var next = await Made(await Send(Configured, HttpMethod.Post, $"/v1/keys/{id}/rotate", "{}"));
        Assert.Equal("duplicate", await Outcome(next.Key, "5"));
        Assert.Equal(
            "duplicate",
            await Outcome(
                (await Made(await Send(Configured, HttpMethod.Post, $"/v1/keys/{next.Id}/rotate", "{}"))).Key,
                "6"
            )
        );

        // Of one name they tell the same facts.
        var shared = """{"name":"n","scopes":["events:write"],"namespace":"ci"}""";
        var (third, fourth) = (
            await Made(await Send(Configured, HttpMethod.Post, "/v1/keys", shared)),
            await Made(await Send(Configured, HttpMethod.Post, "/v1/keys", shared))
        );
        Assert.Equal("unwatched", await Outcome(third.Key, "7"));
        Assert.Equal("duplicate", await Outcome(fourth.Key, "8"));
    }

    [Theory]
    [InlineData("""{"name":"n","scopes":["sessions:read"],"types":["build"]}""")]
    [InlineData("""{"name":"n","scopes":["admin","events:write"],"subjects":["build:"]}""")]
    [InlineData("""{"name":"n","scopes":["events:write"],"types":[""]}""")]
    [InlineData("""{"name":"n","scopes":["events:write"],"types":[null]}""")]
    [InlineData("""{"name":"n","scopes":["events:write"],"types":["a*b"]}""")]
    [InlineData("""{"name":"n","scopes":["events:write"],"namespace":" "}""")]
    [InlineData("""{"scopes":["admin"]}""")]
    [InlineData("""{"name":"n"}""")]
    [InlineData("""{"name":"n","scopes":[]}""")]
    [InlineData("""{"name":"n","scopes":["everything"]}""")]
    [InlineData("""{"name":"n","scopes":[null]}""")]
    public async Task A_key_that_is_not_one_is_refused(string body) =>
        Assert.Equal(HttpStatusCode.BadRequest, (await Send(Configured, HttpMethod.Post, "/v1/keys", body)).StatusCode);

    [Fact]
    public async Task The_command_makes_lists_rotates_and_revokes_them()
    {
        var made = await Wake(
            "keys",
            "create",
            "build server",
            "--scope",
            "events:write",
            "--scope",
            "sessions:read",
            "--type",
            "build",
            "--subject",
            "build:*",
            "--namespace",
            "ci"
        );
        Assert.True(made.ExitCode == 0, made.Errors);
        var key = made.Output.Trim();
        Assert.Equal(HttpStatusCode.OK, (await Send(key, HttpMethod.Get, "/v1/sessions")).StatusCode);

        var listed = await Wake("keys");
        var id = listed.Output.Split('\n').Single(x => x.Contains("build server")).Split(' ')[0];
        Assert.Contains("events:write sessions:read", listed.Output);
        Assert.Contains("type:build subject:build:* namespace:ci", listed.Output);

        var next = (await Wake("keys", "rotate", id, "--overlap", "1h")).Output.Trim();
        Assert.Equal(0, (await Wake("keys", "revoke", id)).ExitCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await Send(key, HttpMethod.Get, "/v1/sessions")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await Send(next, HttpMethod.Get, "/v1/sessions")).StatusCode);
        Assert.Equal(2, (await Wake("keys", "create", "n", "--scope", "everything")).ExitCode);
    }

    [Fact]
    public async Task Many_wrong_keys_are_answered_with_a_wait_and_right_ones_are_not()
    {
        await using var system = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string> { ["Gateway__ApiKeys__0"] = Configured }
        );
        for (var i = 0; i < AuthenticationFailureLimiter.MaxFailures; i++)
            Assert.Equal(
                HttpStatusCode.Unauthorized,
                (await Send(system, $"wake_wrong{i}", HttpMethod.Get, "/v1/sessions")).StatusCode
            );

        var refused = await Send(system, "wake_another", HttpMethod.Get, "/v1/sessions");

        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        Assert.InRange(
            refused.Headers.RetryAfter!.Delta!.Value,
            TimeSpan.FromSeconds(1),
            AuthenticationFailureLimiter.Window
        );
        Assert.Equal(HttpStatusCode.OK, (await Send(system, Configured, HttpMethod.Get, "/v1/sessions")).StatusCode);
        Assert.DoesNotContain("wake_wrong", Assert.Single(system.Processes).Log);
    }

    [Fact]
    public async Task Every_gateway_knows_the_same_keys_and_hears_of_their_end()
    {
        await using var system = await WakeSystem.Create(
            Transport.RabbitMq,
            new Dictionary<string, string> { ["Gateway__ApiKeys__0"] = Configured }
        );
        var other = WakeSystem.HttpClientFor(await system.StartProcess("Wake.Gateway"), key: null);
        await system.StartProcess("Wake.Gateway");
        var (id, key) = await Made(
            await Send(system, Configured, HttpMethod.Post, "/v1/keys", """{"name":"n","scopes":["sessions:read"]}""")
        );
        Assert.Equal(HttpStatusCode.OK, (await Send(other, key, HttpMethod.Get, "/v1/sessions")).StatusCode);

        await Send(system, Configured, HttpMethod.Delete, $"/v1/keys/{id}");

        await Eventually.Holds(async () =>
            (await Send(other, key, HttpMethod.Get, "/v1/sessions")).StatusCode is HttpStatusCode.Unauthorized
        );
    }

    [Fact]
    public async Task Beside_the_owners_token_a_key_still_says_what_it_may_do()
    {
        await using var system = await WakeSystem.Start(Transport.InMemory);
        var token = system.Http.DefaultRequestHeaders.Authorization!.Parameter;
        var made = await Made(
            await Send(system, token, HttpMethod.Post, "/v1/keys", """{"name":"n","scopes":["sessions:read"]}""")
        );

        Assert.Equal(HttpStatusCode.OK, (await Send(system, made.Key, HttpMethod.Get, "/v1/sessions")).StatusCode);
        Assert.Equal(
            HttpStatusCode.Forbidden,
            (await Send(system, made.Key, HttpMethod.Post, "/v1/events", Good)).StatusCode
        );
        Assert.Equal(
            HttpStatusCode.Accepted,
            (await Send(system, token, HttpMethod.Post, "/v1/events", Good)).StatusCode
        );
        Assert.Equal(
            HttpStatusCode.Unauthorized,
            (await Send(system, "nobody's", HttpMethod.Get, "/v1/sessions")).StatusCode
        );
        Assert.Equal(
            HttpStatusCode.Forbidden,
            (await Send(system, made.Key, HttpMethod.Post, "/v1/browser")).StatusCode
        );

        // A browser is the owner, and so is no key that may do everything.
        var admin = await Made(
            await Send(system, token, HttpMethod.Post, "/v1/keys", """{"name":"n","scopes":["admin"]}""")
        );
        Assert.Equal(HttpStatusCode.OK, (await Send(system, admin.Key, HttpMethod.Get, "/v1/keys")).StatusCode);
        Assert.Equal(
            HttpStatusCode.Forbidden,
            (await Send(system, admin.Key, HttpMethod.Post, "/v1/browser")).StatusCode
        );
        Assert.Equal(HttpStatusCode.OK, (await Send(system, token, HttpMethod.Post, "/v1/browser")).StatusCode);
    }

    Task<CommandOutput> Wake(params string[] arguments) =>
        WakeCommandLine.Run(
            new Dictionary<string, string>
            {
                ["WAKE_URL"] = wake.Http.BaseAddress!.ToString(),
                ["WAKE_API_KEY"] = Configured,
            },
            null,
            arguments
        );

    async Task<(string Id, string Key)> Create(params string[] scopes) =>
        await Made(
            await Send(
                Configured,
                HttpMethod.Post,
                "/v1/keys",
                JsonSerializer.Serialize(new { name = "tester", scopes })
            )
        );

    static async Task<(string Id, string Key)> Made(HttpResponseMessage answer)
    {
        Assert.True(answer.StatusCode is HttpStatusCode.Created, await answer.Content.ReadAsStringAsync());
        var made = await answer.Content.ReadFromJsonAsync<JsonElement>();
        return (made.GetProperty("id").GetString()!, made.GetProperty("key").GetString()!);
    }

    async Task<JsonElement> Listed(string id) =>
        (
            await (await Send(Configured, HttpMethod.Get, "/v1/keys")).Content.ReadFromJsonAsync<List<JsonElement>>()
        )!.Single(x => x.GetProperty("id").GetString() == id);

    Task<HttpResponseMessage> Send(string? key, HttpMethod method, string path, string? body = null) =>
        Send(wake, key, method, path, body);

    static Task<HttpResponseMessage> Send(
        WakeSystem system,
        string? key,
        HttpMethod method,
        string path,
        string? body = null
    ) => Send(WakeSystem.HttpClientFor(system.Processes[^1], key: null), key, method, path, body);

    static Task<HttpResponseMessage> Send(
        HttpClient http,
        string? key,
        HttpMethod method,
        string path,
        string? body = null
    )
    {
        var request = new HttpRequestMessage(method, path)
        {
            Content = body is null
                ? null
                : new StringContent(body, new System.Net.Http.Headers.MediaTypeHeaderValue("application/json")),
        };
        if (key is not null)
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
        return http.SendAsync(request);
    }

    public sealed class Keyed : IAsyncLifetime
    {
        public WakeSystem System { get; private set; } = null!;

        public async Task InitializeAsync() =>
            System = await WakeSystem.Start(
                Transport.InMemory,
                new Dictionary<string, string> { ["Gateway__ApiKeys__0"] = Configured }
            );

        public async Task DisposeAsync() => await System.DisposeAsync();
    }
}
