using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Routing;
using Wake.Standalone;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>What runs in a turn speaks for its own session, while that runs, and for nobody else.</summary>
[Trait("Starts", "processes")]
public sealed class SpeakingForItself : IAsyncLifetime
{
    const string OwnersKey = "a key of the owner's own";

    // What a run may use, for its own session; everything else that asks for a key is closed to it. A new endpoint
    // stands in neither list, and fails the test until somebody has thought about it.
    static readonly string[] Open =
    [
        "GET /v1/sessions/{key}",
        "GET /v1/sessions/{key}/turns",
        "POST /v1/sessions/{key}/schedule",
        "GET /v1/sessions/{key}/schedule",
        "DELETE /v1/sessions/{key}/schedule/{id:guid}",
        "POST /v1/watches",
        "GET /v1/watches",
        "GET /v1/watches/{id:guid}",
        "DELETE /v1/watches/{id:guid}",
        "GET /v1/explain/events/{id}",
        "GET /v1/explain/sessions/{key}",
        "GET /v1/events",
    ];

    static readonly string[] Closed =
    [
        "POST /v1/events",
        "POST /v1/events/{id}/replay",
        "POST /v1/sessions",
        "GET /v1/sessions",
        "DELETE /v1/sessions",
        "DELETE /v1/sessions/{key}",
        "POST /v1/sessions/{key}/reset",
        "POST /v1/sessions/{key}/wake",
        "GET /v1/sessions/{key}/permissions",
        "DELETE /v1/sessions/{key}/permissions/{id:guid}",
        "POST /v1/sessions/batch",
        "GET /v1/sessions/{key}/turns/{number:int}/transcript",
        "GET /v1/sessions/{key}/turns/{number:int}/live",
        "GET /v1/runners",
        "GET /v1/sources",
        "GET /v1/activity",
        "GET /v1/costs",
        "GET /v1/audit",
        "GET /v1/config",
        "GET /v1/routes",
        "PUT /v1/routes/{name}",
        "DELETE /v1/routes/{name}",
        "POST /v1/pauses",
        "GET /v1/pauses",
        "DELETE /v1/pauses/{id:guid}",
        "GET /v1/breakers",
        "GET /v1/notifications",
        "GET /v1/notifications/{target}",
        "GET /v1/notifications/{target}/{id:guid}",
        "POST /v1/notifications/{target}/test",
        "POST /v1/notifications/{target}/redrive",
        "GET /v1/dead-letters",
        "POST /v1/dead-letters/redrive",
        "POST /v1/dead-letters/drop",
        "POST /v1/runners/{name}/drain",
        "DELETE /v1/runners/{name}/drain",
        "GET /v1/costs/profiles",
        "GET /v1/sources/reports",
        "GET /v1/matches",
        "GET /v1/questions",
        "GET /v1/questions/{id:guid}",
        "POST /v1/questions/{id:guid}/answer",
        "GET /v1/collisions",
        "GET /v1/tail",
        "POST /v1/terminals/{claudeSessionId:guid}/hooks",
        "POST /v1/terminals/{claudeSessionId:guid}/wait",
        "POST /v1/terminals/{claudeSessionId:guid}/acknowledge",
        "POST /v1/terminals/{claudeSessionId:guid}/state",
        "GET /v1/terminals/{claudeSessionId:guid}/transcript",
        "POST /v1/terminals/{claudeSessionId:guid}/transcript",
        "POST /v1/keys",
        "GET /v1/keys",
        "POST /v1/keys/{id:guid}/rotate",
        "DELETE /v1/keys/{id:guid}",
        "POST /v1/browser",
        "DELETE /v1/browser",
        "GET /v1/caller",
        "GET /openapi/{documentName}.json",
    ];

    readonly TemporaryFolder folder = new();
    WakeSystem wake = null!;

    public async Task InitializeAsync() =>
        wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["Runner__WarmSessions"] = "2",
                ["Gateway__ApiKeys__0"] = OwnersKey,
                ["WAKE_API_KEY"] = OwnersKey,
                // However much its owner hands on.
                ["Claude__PassEnvironment__0"] = "WAKE_*",
                // No turn renews it within a test.
                ["Runner__Lease"] = "00:10:00",
            }
        );

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        folder.Dispose();
    }

    [Fact]
    public void Every_endpoint_is_open_to_runs_or_closed() =>
        Assert.Equal(Open.Concat(Closed).Order(), Endpoints().Select(x => x.Name).Order());

    [Fact]
    public async Task A_run_may_do_for_its_session_what_it_may_do_for_no_other()
    {
        using var hold = new HoldFile();
        var (own, other) = (await wake.Session("instant"), await wake.Session());
        var theirs = await Made(
            await wake.Http.PostAsync("/v1/watches", Json($$"""{"session":"{{other}}","subject":"theirs"}"""))
        );
        var later = await Made(
            await wake.Http.PostAsync(
                Path("/v1/sessions/{key}/schedule", other),
                Json("""{"reason":"r","at":"2031-02-03T04:05:06Z"}""")
            )
        );
        await wake.Post(WakeSystem.Event("elsewhere", "x", id: "of another") with { Sessions = [other] });
        await wake.Post(
            WakeSystem.Event("both", "y", id: "of both", delivery: Contracts.Delivery.Ambient) with
            {
                Sessions = [own, other],
            }
        );
        await wake.WaitForTurnEnd(other, 1);
        var environment = await Running(own, hold);
        var run = WakeSystem.HttpClientFor(wake.Processes[^1], environment[RunTokens.Variable]);

        // For itself.
        var watch = await Made(
            await run.PostAsync("/v1/watches", Json($$"""{"session":"{{own}}","subject":"mine"}"""))
        );
        Assert.Equal(own, watch.GetProperty("session").GetString());
        var wish = await Made(
            await run.PostAsync(
                Path("/v1/sessions/{key}/schedule", own),
                Json("""{"reason":"r","at":"2031-02-03T04:05:06Z"}""")
            )
        );
        foreach (var path in (string[])["", "/turns", "/schedule"])
            Assert.Equal(HttpStatusCode.OK, (await run.GetAsync(Path("/v1/sessions/{key}", own) + path)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await run.GetAsync(Path("/v1/explain/sessions/{key}", own))).StatusCode);
        Assert.Equal(
            ["mine"],
            JsonElement
                .Parse(await run.GetStringAsync("/v1/watches"))
                .EnumerateArray()
                .Select(x => x.GetProperty("subject").GetString())
        );
        Assert.Equal(HttpStatusCode.OK, (await run.GetAsync(Id("/v1/watches", watch))).StatusCode);
        var both = await run.GetStringAsync("/v1/explain/events/of%20both");
        Assert.Contains(own, both);
        Assert.DoesNotContain(other, both);
        foreach (var path in (string[])["/v1/events?limit=10", $"/v1/events?session={Uri.EscapeDataString(own)}"])
        {
            var heard = JsonElement.Parse(await run.GetStringAsync(path)).EnumerateArray().ToList();
            Assert.Contains("of both", heard.Select(x => x.GetProperty("id").GetString()));
            Assert.DoesNotContain("of another", heard.Select(x => x.GetProperty("id").GetString()));
            Assert.All(heard, x => Assert.Equal(1, x.GetProperty("sessionCount").GetInt32()));
        }

        Assert.Equal(HttpStatusCode.NoContent, (await run.DeleteAsync(Id("/v1/watches", watch))).StatusCode);
        Assert.Equal(
            HttpStatusCode.NoContent,
            (await run.DeleteAsync(Id(Path("/v1/sessions/{key}/schedule", own), wish))).StatusCode
        );

        // For another session.
        foreach (var path in (string[])["", "/turns", "/schedule"])
            await Refused(HttpStatusCode.Forbidden, "GET", Path("/v1/sessions/{key}", other) + path);
        await Refused(HttpStatusCode.Forbidden, "GET", Path("/v1/explain/sessions/{key}", other));
        await Refused(HttpStatusCode.Forbidden, "POST", "/v1/watches", $$"""{"session":"{{other}}","subject":"s"}""");
        await Refused(HttpStatusCode.Forbidden, "GET", $"/v1/watches?session={Uri.EscapeDataString(other)}");
        await Refused(HttpStatusCode.Forbidden, "GET", $"/v1/events?session={Uri.EscapeDataString(other)}");
        await Refused(HttpStatusCode.NotFound, "GET", Id("/v1/watches", theirs));
        await Refused(HttpStatusCode.NotFound, "DELETE", Id("/v1/watches", theirs));
        await Refused(HttpStatusCode.NotFound, "GET", "/v1/explain/events/of%20another");
        await Refused(
            HttpStatusCode.Forbidden,
            "POST",
            Path("/v1/sessions/{key}/schedule", other),
            """{"reason":"r","at":"2031-02-03T04:05:06Z"}"""
        );
        await Refused(HttpStatusCode.Forbidden, "DELETE", Id(Path("/v1/sessions/{key}/schedule", other), later));

        // With an account of its owner's.
        await Refused(
            HttpStatusCode.BadRequest,
            "POST",
            "/v1/watches",
            $$"""{"session":"{{own}}","subject":"s","report":"comment"}"""
        );

        // Beside its path: what the router reads and what is checked are the same.
        await Refused(
            HttpStatusCode.Forbidden,
            "GET",
            Path("/v1/sessions/{key}", other) + "?key=" + Uri.EscapeDataString(own)
        );

        // All that is nobody's but the owner's, its own session's not excepted.
        foreach (var (name, method, pattern) in Endpoints().Where(x => Closed.Contains(x.Name)))
        {
            var path = Path(pattern, own)
                .Replace("{id:guid}", $"{Guid.NewGuid()}")
                .Replace("{claudeSessionId:guid}", $"{Guid.NewGuid()}")
                .Replace("{id}", "of%20both")
                .Replace("{name}", "n")
                .Replace("{documentName}", "v1");
            await Refused(HttpStatusCode.Forbidden, method, path, method is "POST" or "PUT" ? "{}" : null);
        }

        Assert.Equal(HttpStatusCode.OK, (await wake.Http.GetAsync(Id("/v1/watches", theirs))).StatusCode);
        Assert.Single(
            JsonElement
                .Parse(await wake.Http.GetStringAsync(Path("/v1/sessions/{key}/schedule", other)))
                .EnumerateArray()
        );
        Assert.Equal(
            1,
            await wake.Scalar<long>("select count(*) from turns where ended_at is null and run_token is not null")
        );
        Assert.Equal(0, await wake.RowsWith("turns", environment[RunTokens.Variable]));
        hold.Release();
        await wake.WaitForTurnEnd(own, 1);
        Assert.Equal(0, await wake.RowsWith("turns", environment[RunTokens.Variable]));
        Assert.All(wake.Processes, x => Assert.DoesNotContain(environment[RunTokens.Variable], x.Log));

        async Task Refused(HttpStatusCode status, string method, string path, string? body = null)
        {
            var answer = await run.SendAsync(new(new(method), path) { Content = body is null ? null : Json(body) });
            Assert.True(
                answer.StatusCode == status,
                $"{method} {path}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}"
            );
        }
    }

    [Fact]
    public async Task It_ends_with_the_turn_and_counts_again_in_the_next_of_the_same_process()
    {
        using var first = new HoldFile();
        var key = await wake.Session("instant");
        var run = WakeSystem.HttpClientFor(wake.Processes[^1], (await Running(key, first))[RunTokens.Variable]);
        Assert.Equal(HttpStatusCode.OK, await Asks());
        var process = MachineProcess.CliProcess(wake);

        first.Release();
        await wake.WaitForTurnEnd(key, 1);
        Assert.Equal(HttpStatusCode.Unauthorized, await Asks());

        using var second = new HoldFile();
        await wake.Wake(key, $"again [[fake:hold {second.Path}]]");
        await second.Reached();
        Assert.Equal(process, MachineProcess.CliProcess(wake));
        Assert.Equal(HttpStatusCode.OK, await Asks());

        // A session that is closed is nobody's, also where its key is another's by now.
        await wake.Http.DeleteAsync(Path("/v1/sessions/{key}", key));
        await wake.Session(key: key);
        Assert.Equal(HttpStatusCode.Unauthorized, await Asks());
        second.Release();

        async Task<HttpStatusCode> Asks() => (await run.GetAsync(Path("/v1/sessions/{key}", key))).StatusCode;
    }

    // A runner that froze or lost its database holds nothing any more, and neither does what it started.
    [Fact]
    public async Task It_ends_with_the_lease_also_where_nobody_has_ended_the_turn()
    {
        using var hold = new HoldFile();
        var key = await wake.Session("instant");
        var run = WakeSystem.HttpClientFor(wake.Processes[^1], (await Running(key, hold))[RunTokens.Variable]);
        Assert.Equal(HttpStatusCode.OK, await Asks());

        await Lease("- interval '1 second'");
        Assert.Equal(HttpStatusCode.Unauthorized, await Asks());

        await Lease("+ interval '10 minutes'");
        Assert.Equal(HttpStatusCode.OK, await Asks());
        hold.Release();

        async Task<HttpStatusCode> Asks() => (await run.GetAsync(Path("/v1/sessions/{key}", key))).StatusCode;

        Task<int> Lease(string until) =>
            wake.Scalar<int>(
                $"update turns set lease_until = clock_timestamp() {until} where ended_at is null returning wake_number"
            );
    }

    // A runner of before there were such tokens has marked its runs, and no more.
    [Fact]
    public async Task The_command_in_a_run_without_a_token_has_nothing_of_its_owners_to_show()
    {
        var outside = new Dictionary<string, string>
        {
            ["WAKE_URL"] = $"{wake.Http.BaseAddress}".TrimEnd('/'),
            ["WAKE_DATA"] = wake.Data,
        };
        var inside = new Dictionary<string, string>(outside)
        {
            // Of no pid namespace there is, or a runner of another test would take it for one of a dead runner.
            ["WAKE_RUN"] = "1.1.2.b18d1bc9000040008000000000000001",
        };

        foreach (var key in (string?[])[null, OwnersKey])
        {
            if (key is not null)
                outside["WAKE_API_KEY"] = inside["WAKE_API_KEY"] = key;
            Assert.Equal(0, (await WakeCommandLine.Run(outside, null, "sessions")).ExitCode);
            Assert.Equal(1, (await WakeCommandLine.Run(inside, null, "sessions")).ExitCode);
            Assert.Equal(1, (await WakeCommandLine.Run(inside, null, "sessions", "--data", wake.Data)).ExitCode);
        }
    }

    [Fact]
    public async Task The_command_finds_the_token_of_its_turn_and_never_its_owners()
    {
        using var hold = new HoldFile();
        var (own, other) = (await wake.Session("instant"), await wake.Session());
        var environment = await Running(own, hold);

        Assert.Equal(own, environment["WAKE_SESSION"]);
        Assert.Equal($"{wake.Http.BaseAddress}".TrimEnd('/'), environment["WAKE_URL"]);
        Assert.DoesNotContain("WAKE_DATA", environment.Keys);
        Assert.DoesNotContain(
            environment.Values,
            x => x.Contains(OwnersKey) || x.Contains(File.ReadAllText(System.IO.Path.Combine(wake.Data, "token")))
        );

        Assert.Equal(0, (await Wake("watch", "--subject", "mine")).ExitCode);
        Assert.Contains("mine", (await Wake("explain", "session", own)).Output);
        Assert.Equal(0, (await Wake("schedule", "add", "--at", "7d", "--reason", "r")).ExitCode);
        Assert.Equal(0, (await Wake("watches", "--session", own)).ExitCode);

        foreach (
            var command in (string[][])
                [
                    ["keys", "create", "n", "--scope", "admin"],
                    ["keys"],
                    ["sessions", "add", "n", "--workspace", "/"],
                    ["sessions", "close", other],
                    ["watch", "--session", other, "--subject", "s"],
                    ["resume", "--session", other, "--reason", "r"],
                    ["sessions"],
                    ["config"],
                    ["open"],
                    ["questions"],
                    ["routes", "set", "r", "--session", "k@{subject}", "--workspace", "/srv/{session}"],
                    ["answer", $"{Guid.NewGuid()}", "--deny", "no"],
                    ["publish", "--subject", "s", "--type", "t", "--reason", "r"],
                    ["tail"],
                    ["audit"],
                ]
        )
        {
            // Pointed at the owner's folder and key, as an option and in the environment.
            var said = await Wake([.. command, .. command is ["keys", ..] ? ["--data", wake.Data] : (string[])[]]);
            Assert.True(
                said.ExitCode == 1 && said.Errors.Contains("turn"),
                $"{string.Join(' ', command)}: {said.ExitCode} {said.Output}{said.Errors}"
            );
        }

        Assert.Empty(JsonElement.Parse(await wake.Http.GetStringAsync("/v1/keys")).EnumerateArray());
        hold.Release();
        await wake.WaitForTurnEnd(own, 1);

        Task<CommandOutput> Wake(params string[] arguments) =>
            WakeCommandLine.Run(
                new Dictionary<string, string>(
                    environment.Where(x => x.Key.StartsWith("WAKE", StringComparison.Ordinal))
                )
                {
                    ["WAKE_DATA"] = wake.Data,
                    ["WAKE_API_KEY"] = OwnersKey,
                },
                null,
                arguments
            );
    }

    // A turn that waits, and the environment of what runs in it.
    async Task<Dictionary<string, string>> Running(string key, HoldFile hold)
    {
        var file = folder.File($"{Guid.NewGuid()}");
        await wake.Wake(key, $"go [[fake:env {file}]] [[fake:hold {hold.Path}]]");
        await hold.Reached();
        return JsonSerializer.Deserialize<Dictionary<string, string>>(File.ReadAllText(file))!;
    }

    // Those of all of Wake that ask for a key.
    List<(string Name, string Method, string Pattern)> Endpoints()
    {
        using var door = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        door.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        using var app = (IDisposable)StandaloneHost.Build(new DataFolder(folder.Path), wake.ConnectionString, door);
        return
        [
            .. from source in ((IEndpointRouteBuilder)app).DataSources
            from endpoint in source.Endpoints.OfType<RouteEndpoint>()
            where
                endpoint.Metadata.GetMetadata<IAllowAnonymous>() is null
                && endpoint.RoutePattern.RawText?.StartsWith("/health", StringComparison.Ordinal) is false
            from method in endpoint.Metadata.GetMetadata<HttpMethodMetadata>()!.HttpMethods
            let pattern = endpoint.RoutePattern.RawText!.TrimEnd('/')
            select ($"{method} {pattern}", method, pattern),
        ];
    }

    static string Path(string pattern, string key) =>
        pattern.Replace("{key}", Uri.EscapeDataString(key)).Replace("{number:int}", "1");

    static string Id(string path, JsonElement made) => $"{path}/{made.GetProperty("id").GetString()}";

    static async Task<JsonElement> Made(HttpResponseMessage answer)
    {
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, text);
        return JsonElement.Parse(text);
    }

    static StringContent Json(string body) => new(body, new MediaTypeHeaderValue("application/json"));
}
