using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.Gateway;
using Wake.ServiceDefaults;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>Whoever comes in takes no more than their part: of what there is to read, of names, of places, of
/// time.</summary>
[Trait("Starts", "processes")]
public sealed partial class BoundingTheDoors(StandaloneSystem shared) : IClassFixture<StandaloneSystem>
{
    readonly WakeSystem wake = shared.System;

    [Fact]
    public async Task A_dry_run_shows_a_publisher_nothing_of_the_sessions_it_may_not_read()
    {
        var key = await wake.Session();
        await wake.Watch(key, $"dry {key}", intent: "what it means to do");
        var observed = new
        {
            id = $"{Guid.NewGuid()}",
            source = "s",
            type = "t",
            subject = $"dry {key}",
            reason = "r",
            sessions = new[] { "nobody's at all" },
        };

        var publisher = await DryRun("events:write");
        var reader = await DryRun("events:write", "sessions:read");

        Assert.Equal(
            ("routed", 1),
            (publisher.GetProperty("outcome").GetString(), publisher.GetProperty("withheld").GetInt32())
        );
        Assert.Empty(publisher.GetProperty("sessions").EnumerateArray());
        Assert.DoesNotContain("what it means to do", publisher.GetRawText());
        Assert.DoesNotContain(key, publisher.GetRawText());
        Assert.False(publisher.TryGetProperty("unknownSessions", out _));
        Assert.Contains("what it means to do", reader.GetRawText());
        Assert.Contains("nobody's at all", reader.GetRawText());

        async Task<JsonElement> DryRun(params string[] scopes)
        {
            using var http = await Holder(scopes);
            var answer = await http.PostAsJsonAsync("/v1/events?dryRun=true", observed);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            return await answer.Content.ReadFromJsonAsync<JsonElement>();
        }
    }

    [Fact]
    public async Task Who_waits_for_a_turn_and_may_not_read_is_not_told_what_others_have_published()
    {
        var key = await wake.WatchingSession();
        await wake.Post(
            WakeSystem.Event(WakeSystem.Subject(key), "noted", Delivery.Ambient, reason: "what others said")
        );
        using var http = await Holder("events:write");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/events")
        {
            Content = JsonContent.Create(
                new
                {
                    id = $"{Guid.NewGuid()}",
                    source = "s",
                    type = "t",
                    subject = WakeSystem.Subject(key),
                    reason = "r",
                }
            ),
            Headers = { { "Prefer", "wait=60" } },
        };

        var answer = await http.SendAsync(request);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var turn = (await answer.Content.ReadFromJsonAsync<JsonElement>())
            .GetProperty("inboxEntries")[0]
            .GetProperty("turn");
        Assert.Equal("ended", turn.GetProperty("state").GetString());
        Assert.Empty(turn.GetProperty("reasons").EnumerateArray());
        Assert.Equal(["what others said", "r"], (await wake.Turns(key))[0].Reasons);
    }

    [Fact]
    public async Task A_replay_says_the_same_of_an_event_that_is_not_there_and_of_one_that_is_others()
    {
        await wake.Post(WakeSystem.Event("others", "secret") with { Id = "of others", Source = "their source" });
        var made = await wake.Http.PostAsJsonAsync(
            "/v1/keys",
            new
            {
                name = "n",
                scopes = new[] { "events:write" },
                subjects = new[] { "mine" },
            }
        );
        using var http = WakeSystem.HttpClientFor(
            wake.Processes[^1],
            (await made.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("key").GetString()
        );

        var (theirs, none) = (
            await http.PostAsync("/v1/events/of%20others/replay", null),
            await http.PostAsync("/v1/events/of%20nobody/replay", null)
        );

        Assert.Equal((HttpStatusCode.NotFound, HttpStatusCode.NotFound), (theirs.StatusCode, none.StatusCode));
        Assert.DoesNotContain("their source", await theirs.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task One_idempotency_key_for_two_names_that_look_alike_without_their_escapes_is_two_requests()
    {
        var name = $"{Guid.NewGuid():N}";
        var (slash, escape, once) = ($"{name}/x", $"{name}%2Fx", $"\"{Guid.NewGuid()}\"");
        await wake.Session(key: slash);
        await wake.Session(key: escape);

        var first = await Wake($"{name}%2Fx");
        var second = await Wake($"{name}%252Fx");
        var again = await Wake($"{name}%2fx");

        Assert.All(
            (HttpResponseMessage[])[first, second, again],
            x => Assert.Equal(HttpStatusCode.Accepted, x.StatusCode)
        );
        Assert.False(second.Headers.Contains("Idempotency-Replayed"));
        Assert.True(again.Headers.Contains("Idempotency-Replayed"));
        await wake.WaitForTurnEnd(slash, 1);
        await wake.WaitForTurnEnd(escape, 1);

        Task<HttpResponseMessage> Wake(string segment)
        {
            var request = new HttpRequestMessage(HttpMethod.Post, $"/v1/sessions/{segment}/wake")
            {
                Content = JsonContent.Create(new { reason = "now" }),
            };
            request.Headers.TryAddWithoutValidation("Idempotency-Key", once);
            return wake.Http.SendAsync(request);
        }
    }

    [Theory]
    [InlineData("%00")]
    [InlineData("%ff")]
    [InlineData("a%C3")]
    [InlineData("%ed%a0%80")]
    public async Task What_is_no_text_in_an_address_is_a_problem_everywhere(string nonsense)
    {
        var document = await wake.Http.GetFromJsonAsync<JsonElement>("/openapi/v1.json");
        var operations = document
            .GetProperty("paths")
            .EnumerateObject()
            .SelectMany(path =>
                path.Value.EnumerateObject().Select(x => (Method: x.Name.ToUpperInvariant(), Path: path.Name))
            )
            .ToList();
        Assert.True(operations.Count > 25);

        foreach (
            var (method, path) in operations
                .Append(("GET", "/health/live"))
                .Append(("POST", "/github"))
                .Append(("POST", "/hooks/none"))
                .Append(("GET", "/open"))
        )
        {
            var asked = await Raw(method, $"{InBraces().Replace(path, "x")}?after={nonsense}");
            Assert.True(asked.StartsWith("HTTP/1.1 400 ", StringComparison.Ordinal), $"{method} {path}: {asked}");
            Assert.Contains("application/problem+json", asked);

            // The server itself refuses a NUL there.
            if (path.Contains('{'))
                Assert.StartsWith("HTTP/1.1 400 ", await Raw(method, InBraces().Replace(path, nonsense)));
        }
    }

    [Theory]
    [InlineData("/v1/sessions/a/../b")]
    [InlineData("/v1/sessions/%2e%2e/wake")]
    [InlineData("/v1/routes/%2E%2E")]
    [InlineData("/v1/./sessions")]
    [InlineData("/v1/sessions/..?x=1")]
    public async Task Dots_in_a_path_lead_nowhere(string path) =>
        Assert.StartsWith("HTTP/1.1 400 ", await Raw("GET", path));

    [Fact]
    public async Task A_name_in_a_path_is_its_own_however_the_rest_is_spelt()
    {
        var key = $"{Guid.NewGuid():N}/events/sessions";
        await wake.Session(key: key);
        var escaped = Uri.EscapeDataString(key);

        foreach (
            var path in (string[])
                [
                    $"/v1/sessions/{escaped}",
                    $"/v1/%73essions/{escaped}",
                    $"/V1/Sessions/{escaped}",
                    $"/v1/explain/%73essions/{escaped}",
                ]
        )
            Assert.Contains($"\"key\":\"{key}\"", await Raw("GET", path));
    }

    [Fact]
    public async Task Every_answer_tells_browsers_to_make_nothing_else_of_it()
    {
        using var stranger = WakeSystem.HttpClientFor(wake.Processes[^1], key: null);
        foreach (
            var (http, path) in ((HttpClient, string)[])
                [
                    (wake.Http, "/v1/sessions"),
                    (wake.Http, "/v1/nothing"),
                    (wake.Http, "/v1/sessions?limit=0"),
                    (wake.Http, "/v1/sessions?after=%00"),
                    (stranger, "/v1/sessions"),
                    (stranger, "/health/live"),
                    (stranger, "/open?code=x"),
                    (stranger, "/github"),
                    (wake.Http, "/openapi/v1.json"),
                ]
        )
        {
            var answer = await http.GetAsync(path);
            Assert.Equal("nosniff", Assert.Single(answer.Headers.GetValues("X-Content-Type-Options")));
            Assert.Equal("no-referrer", Assert.Single(answer.Headers.GetValues("Referrer-Policy")));
            Assert.Contains(
                "frame-ancestors 'none'",
                Assert.Single(answer.Headers.GetValues("Content-Security-Policy"))
            );
            Assert.False(answer.Headers.Contains("Server"));
        }
    }

    [Fact]
    public async Task Two_hundred_followers_are_told_and_cost_the_database_nothing()
    {
        await wake.WaitUntilIdle();
        const string connections = "select count(*) from pg_stat_activity where datname = current_database()";
        var before = await wake.Scalar<long>(connections);
        using var http = WakeSystem.HttpClientFor(
            wake.Processes[^1],
            wake.Http.DefaultRequestHeaders.Authorization!.Parameter
        );
        var followers = await Task.WhenAll(
            Enumerable.Range(0, 200).Select(async _ => new StreamReader(await http.GetStreamAsync("/v1/tail")))
        );
        var subject = $"followed {Guid.NewGuid()}";

        for (var round = 1; round <= 5; round++)
        {
            var observed = WakeSystem.Event(subject, $"{round}");
            await wake.Post(observed);
            await Task.WhenAll(followers.Select(x => Reads(x, observed.Id)));
            Assert.InRange(await wake.Scalar<long>(connections), 0, before + 10);
        }

        foreach (var follower in followers)
            follower.Dispose();

        static async Task Reads(StreamReader follower, string id)
        {
            while (await follower.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(60)) is { } line)
            {
                if (line.Contains(id, StringComparison.Ordinal))
                    return;
            }

            Assert.Fail("The line ended.");
        }
    }

    [Fact]
    public async Task No_more_follow_than_may_and_a_place_that_is_left_is_free()
    {
        await using var system = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string> { ["Gateway__MaxFollowers"] = "2" }
        );
        var first = await system.Http.GetStreamAsync("/v1/tail");
        await using var second = await system.Http.GetStreamAsync("/v1/tail");

        var third = await Follow();

        Assert.Equal(HttpStatusCode.ServiceUnavailable, third.StatusCode);
        Assert.NotNull(third.Headers.RetryAfter);
        Assert.Contains("Gateway__MaxFollowers", await third.Content.ReadAsStringAsync());
        await first.DisposeAsync();
        await Eventually.Holds(async () => (await Follow()).IsSuccessStatusCode, "the place is free");

        Task<HttpResponseMessage> Follow() =>
            system.Http.GetAsync("/v1/tail", HttpCompletionOption.ResponseHeadersRead);
    }

    [Fact]
    public async Task A_follower_that_does_not_keep_up_is_ended_after_what_it_had_to_read_and_told_so()
    {
        using var follower = new LedgerFollower(TimeProvider.System);
        follower.MarkJoined(DateTimeOffset.UnixEpoch);
        var (lines, line) = (
            0,
            new LedgerFollower.SerializedLine("accepted", DateTimeOffset.UnixEpoch.AddSeconds(1), [])
        );
        while (follower.TryEnqueue(line))
            lines++;

        follower.Complete(line with { What = LedgerFollower.EndType });

        List<string> read = [];
        await foreach (var item in follower.ReadLines(CancellationToken.None))
            read.Add(item.EventType);
        Assert.InRange(lines, 10_000, 100_000);
        Assert.Equal([.. Enumerable.Repeat("accepted", lines), LedgerFollower.EndType], read);
        Assert.True(follower.TryEnqueue(line));
    }

    [Fact]
    public void A_follower_that_reads_nothing_at_all_is_given_up()
    {
        var clock = new Clock();
        using var follower = new LedgerFollower(clock);
        follower.MarkJoined(DateTimeOffset.UnixEpoch);
        clock.Pass(TimeSpan.FromDays(1));
        Assert.False(follower.Abandoned.IsCancellationRequested);

        follower.Complete(new(LedgerFollower.EndType, DateTimeOffset.UnixEpoch, []));

        clock.Pass(TimeSpan.FromSeconds(29));
        Assert.False(follower.Abandoned.IsCancellationRequested);
        clock.Pass(TimeSpan.FromSeconds(30));
        Assert.True(follower.Abandoned.IsCancellationRequested);
    }

    [Fact]
    public async Task Headers_that_do_not_come_are_not_waited_for()
    {
        using var client = await Connected();
        await client.GetStream().WriteAsync("GET /v1/sessions HTTP/1.1\r\nHost: local"u8.ToArray());

        Assert.Contains(
            " 408 ",
            await new StreamReader(client.GetStream())
                .ReadToEndAsync()
                .WaitAsync(3 * HttpServerDefaults.RequestHeadersTimeout)
        );
    }

    [Theory]
    [InlineData("POST /v1/events")]
    [InlineData("POST /v1/sessions")]
    public async Task A_body_that_comes_a_byte_a_second_is_not_waited_for(string request)
    {
        using var client = await Connected();
        await client
            .GetStream()
            .WriteAsync(
                Encoding.ASCII.GetBytes(
                    $"{request} HTTP/1.1\r\nHost: localhost\r\nAuthorization: "
                        + $"{wake.Http.DefaultRequestHeaders.Authorization}\r\nContent-Type: application/json\r\n"
                        + "Content-Length: 1000\r\n\r\n"
                )
            );

        var answer = Text(client);
        while (await Task.WhenAny(answer, Task.Delay(TimeSpan.FromSeconds(1))) != answer)
            await client.GetStream().WriteAsync("["u8.ToArray());

        // Nothing at all where the byte after the answer came before it was read.
        Assert.Matches("^$| 408 ", await answer);
    }

    [Fact]
    public async Task An_answer_that_is_read_a_byte_a_second_is_ended()
    {
        var ended = new TaskCompletionSource();
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddHttpServerDefaults();

        // What lies between the two counts as sent: little of it, or the test would take minutes.
        builder.Services.Configure<SocketTransportOptions>(x =>
        {
            x.MaxWriteBufferSize = 64;
            x.CreateBoundListenSocket = endpoint =>
            {
                var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
                socket.SendBufferSize = 1024;
                return socket;
            };
        });
        await using var server = builder.Build();
        server.MapGet(
            "/",
            async http =>
            {
                http.RequestAborted.Register(ended.SetResult);
                while (!http.RequestAborted.IsCancellationRequested)
                    await http.Response.Body.WriteAsync(new byte[64]);
            }
        );
        await server.StartAsync();
        using var client = new TcpClient { ReceiveBufferSize = 1024 };
        await client.ConnectAsync(IPAddress.Loopback, new Uri(server.Urls.Single()).Port);
        await client.GetStream().WriteAsync("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray());

        for (var seconds = 0; seconds < 90 && !ended.Task.IsCompleted; seconds++)
        {
            await Task.WhenAny(ended.Task, Task.Delay(TimeSpan.FromSeconds(1)));
            try
            {
                await client.GetStream().ReadAtLeastAsync(new byte[1], 1, throwOnEndOfStream: false);
            }
            catch (IOException)
            {
                await Task.WhenAny(ended.Task, Task.Delay(TimeSpan.FromSeconds(5)));
                break;
            }
        }

        Assert.True(ended.Task.IsCompleted);
    }

    [Fact]
    public async Task No_more_connect_than_may_and_a_place_that_is_left_is_free()
    {
        List<TcpClient> clients = [];
        try
        {
            for (var i = 0; i < HttpServerDefaults.MaxConnections; i++)
                clients.Add(await Connected());
            using var next = await Connected();

            Assert.Equal(
                0,
                await next.GetStream()
                    .ReadAsync(new byte[1])
                    .AsTask()
                    .WaitAsync(HttpServerDefaults.RequestHeadersTimeout / 2)
            );
        }
        finally
        {
            clients.ForEach(x => x.Dispose());
        }

        await Eventually.Holds(
            async () =>
            {
                using var client = await Connected();
                await client
                    .GetStream()
                    .WriteAsync(
                        "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"u8.ToArray()
                    );
                return await Text(client) is ['H', 'T', 'T', 'P', ..];
            },
            "a place is free"
        );
    }

    [Theory]
    [InlineData("", 3600, "Nothing was said for 60 minutes")]
    [InlineData("""{"type":""", 60, "is not ended")]
    public async Task A_connection_at_the_socket_that_says_nothing_or_ends_no_line_is_ended(
        string said,
        int seconds,
        string why
    )
    {
        using var folder = new TemporaryFolder();
        var clock = new Clock();
        using var door = new EventSocket(
            Options.Create(new LocalOptions { Socket = folder.File("wake.sock") }),
            null!,
            clock,
            NullLogger<EventSocket>.Instance
        );
        await door.StartAsync(CancellationToken.None);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(folder.File("wake.sock")));
        await using var stream = new NetworkStream(socket);
        await clock.Waits(TimeSpan.FromHours(1));

        // Byte by byte, each of which is no new beginning.
        foreach (var one in Encoding.UTF8.GetBytes(said))
            await stream.WriteAsync((byte[])[one]);
        await clock.Waits(TimeSpan.FromSeconds(seconds));
        clock.Pass(TimeSpan.FromSeconds(seconds));

        using var answers = new StreamReader(stream);
        Assert.Contains(why, await answers.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Null(await answers.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30)));
        await door.StopAsync(CancellationToken.None);
    }

    [Fact]
    public async Task A_connection_at_the_socket_that_reads_no_answer_is_ended()
    {
        using var folder = new TemporaryFolder();
        var clock = new Clock();
        using var door = new EventSocket(
            Options.Create(new LocalOptions { Socket = folder.File("wake.sock") }),
            null!,
            clock,
            NullLogger<EventSocket>.Instance
        );
        await door.StartAsync(CancellationToken.None);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(folder.File("wake.sock")));
        socket.Blocking = false;
        var lines = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("[]\n", 1000)));

        // Until the answers fill what lies between, and then the lines.
        var standing = 0;
        await Eventually.Holds(
            () => Task.FromResult(Sent() is null ? (standing = 0) > 0 : ++standing > 50),
            "neither side takes any more"
        );
        Assert.Equal(SocketError.WouldBlock, Sent());

        clock.Pass(TimeSpan.FromSeconds(60));

        await Eventually.Holds(
            () => Task.FromResult(Sent() is not (null or SocketError.WouldBlock)),
            "the connection is ended"
        );
        await door.StopAsync(CancellationToken.None);

        SocketError? Sent()
        {
            try
            {
                socket.Send(lines);
                return null;
            }
            catch (SocketException refused)
            {
                return refused.SocketErrorCode;
            }
        }
    }

    [Theory]
    [InlineData("Wake.Gateway", "Gateway__ApiKeys__0", "Change-Me-change-me")]
    [InlineData("Wake.Gateway", "ConnectionStrings__Wake", "Host=localhost;Username=wake;Password=CHANGE-ME")]
    [InlineData("Wake.Producers.Webhooks", "MessageBus__Host", "amqp://wake:CHANGE_ME@localhost:5672")]
    [InlineData("Wake.Producers.Webhooks", "Webhooks__Hooks__lab__Secrets__0", "changeme")]
    [InlineData("Wake.Producers.GitHub", "GitHub__WebhookSecrets__0", "CHANGE-ME-TOO")]
    public async Task A_secret_that_stands_in_an_example_stops_the_start(string service, string setting, string value)
    {
        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() =>
            ServiceProcess.Start(
                service,
                new Dictionary<string, string>
                {
                    ["ConnectionStrings__Wake"] = "Host=localhost;Username=wake;Password=nobody's",
                    ["Gateway__ApiKeys__0"] = "a key of the tests themselves",
                    ["MessageBus__Host"] = "amqp://wake:secret@localhost:1",
                    ["Webhooks__Hooks__lab__Sender"] = "GitLab",
                    ["Webhooks__Hooks__lab__Secrets__0"] = "a token of the tests",
                    [setting] = value,
                }
            )
        );

        Assert.Contains($"{setting} is still the placeholder of an example", refused.Message);
    }

    [Fact]
    public void Every_placeholder_of_the_examples_is_known_and_nothing_else_is_one()
    {
        var examples = Assigned()
            .Matches(
                File.ReadAllText(Path.Combine(HouseRules.Repository.Root, "deploy/kubernetes/secrets.example.yaml"))
            )
            .ToList();
        Assert.True(examples.Count >= 12);
        Assert.All(examples, x => Assert.Single(Found(x.Groups[1].Value, x.Groups[2].Value)));

        Assert.Empty(Found("Coordinator__TrustedExchanges__0", "change-me"));
        Assert.Empty(Found("Routes__r__FullPrompt", "Change me, then go on…"));
        Assert.Empty(Found("Gateway__ApiKeys__0", "exchange-metrics-change-meter"));

        static IEnumerable<string> Found(string setting, string value) =>
            PlaceholderSecrets.FindProblems(
                new ConfigurationBuilder()
                    .AddInMemoryCollection([new(setting.Replace("__", ":", StringComparison.Ordinal), value)])
                    .Build()
            );
    }

    [Theory]
    [InlineData("Wake.Producers.Webhooks", "Webhooks__Hooks__lab__Secrets__0", "Webhooks__Hooks__shop__Secrets__1")]
    [InlineData("Wake.Producers.GitHub", "GitHub__WebhookSecrets__0", "GitHub__Webhooks__acme__Secrets__0")]
    public async Task A_secret_that_would_speak_for_two_places_stops_the_start(string service, string one, string other)
    {
        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() =>
            ServiceProcess.Start(
                service,
                new Dictionary<string, string>
                {
                    ["ConnectionStrings__Wake"] = "Host=localhost;Username=wake;Password=nobody's",
                    ["MessageBus__Host"] = "amqp://wake:secret@localhost:1",
                    ["Webhooks__Hooks__lab__Sender"] = "GitLab",
                    ["Webhooks__Hooks__shop__Sender"] = "CloudEvents",
                    ["Webhooks__Hooks__shop__Secrets__0"] = "a token of the shop's",
                    ["Webhooks__Hooks__shop__Sources__0"] = "/shop",
                    ["GitHub__Webhooks__acme__Repositories__0"] = "acme/*",
                    [one] = "known to both of them",
                    [other] = "known to both of them",
                }
            )
        );

        Assert.Contains($"{one} and {other} are the same secret", refused.Message);
        Assert.DoesNotContain("known to both", refused.Message);
    }

    [Theory]
    [InlineData("Gateway:ApiKeys:0", "key", "Webhooks:Hooks:a:Secrets:0", "key", true)]
    [InlineData("GitHub:WebhookSecrets:0", "key", "Webhooks:Hooks:a:Secrets:0", "key", true)]
    [InlineData("Webhooks:Hooks:a:Secrets:0", "whsec_a2V5", "Webhooks:Hooks:b:Secrets:0", "v1,whsec_a2V5", true)]
    [InlineData("Webhooks:Hooks:a:Secrets:0", "key", "webhooks:hooks:A:secrets:1", "key", false)]
    [InlineData("GitHub:WebhookSecrets:0", "key", "GitHub:WebhookSecrets:1", "key", false)]
    [InlineData("GitHub:Accounts:a:Token", "key", "GitHub:Accounts:b:Token", "key", false)]
    [InlineData("Webhooks:Hooks:a:Header", "key", "Webhooks:Hooks:b:Secrets:0", "key", false)]
    public void One_secret_is_in_one_place(string one, string value, string other, string same, bool problem) =>
        Assert.Equal(
            problem,
            RepeatedSecrets
                .FindProblems(
                    new ConfigurationBuilder().AddInMemoryCollection([new(one, value), new(other, same)]).Build()
                )
                .Any()
        );

    [Fact]
    public async Task A_workspace_that_leads_out_of_a_directory_again_is_refused()
    {
        foreach (var workspace in (string[])["/tmp/../etc", "/tmp/..", "/../tmp", "/tmp/x/./../y"])
        {
            var refused = await wake.Http.PostAsJsonAsync("/v1/sessions", new { key = "k", workspace });
            Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
            Assert.Contains("..", await refused.Content.ReadAsStringAsync());

            var said = await WakeCommandLine.Run(wake.Here, null, "sessions", "add", "k", "--workspace", workspace);
            Assert.NotEqual(0, said.ExitCode);
            Assert.Contains("--workspace", said.Errors);
        }

        Assert.Equal(
            HttpStatusCode.Created,
            (
                await wake.Http.PostAsJsonAsync(
                    "/v1/sessions",
                    new { key = $"{Guid.NewGuid()}", workspace = "/tmp/..x" }
                )
            ).StatusCode
        );
    }

    async Task<HttpClient> Holder(params string[] scopes)
    {
        var made = await wake.Http.PostAsJsonAsync("/v1/keys", new { name = "tester", scopes });
        Assert.Equal(HttpStatusCode.Created, made.StatusCode);
        return WakeSystem.HttpClientFor(
            wake.Processes[^1],
            (await made.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("key").GetString()
        );
    }

    // As it is written: a client of .NET would mend much of it.
    async Task<string> Raw(string method, string target)
    {
        using var client = await Connected();
        await client
            .GetStream()
            .WriteAsync(
                Encoding.ASCII.GetBytes(
                    $"{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: "
                        + $"{wake.Http.DefaultRequestHeaders.Authorization}\r\nContent-Length: 0\r\nConnection: "
                        + "close\r\n\r\n"
                )
            );
        return await Text(client);
    }

    async Task<TcpClient> Connected()
    {
        var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, wake.Http.BaseAddress!.Port);
        return client;
    }

    static async Task<string> Text(TcpClient client)
    {
        try
        {
            return await new StreamReader(client.GetStream()).ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(30));
        }
        catch (IOException)
        {
            return "";
        }
    }

    [GeneratedRegex(@"\{\w+\}")]
    private static partial Regex InBraces();

    [GeneratedRegex(@"^ +(?:# )?(\w+__\w+): (.*CHANGE-ME.*)$", RegexOptions.Multiline)]
    private static partial Regex Assigned();

    /// <summary>A clock that stands still until it is told.</summary>
    sealed class Clock : TimeProvider
    {
        readonly Lock mutex = new();
        readonly List<Timer> timers = [];

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = new Timer(this, callback, state) { Due = dueTime };
            lock (mutex)
                timers.Add(timer);
            return timer;
        }

        public Task Waits(TimeSpan due) =>
            Eventually.Holds(
                () =>
                {
                    lock (mutex)
                        return Task.FromResult(timers.Any(x => x.Due == due));
                },
                $"something waits for {due}"
            );

        public void Pass(TimeSpan time)
        {
            List<Timer> due;
            lock (mutex)
                due = timers.Where(x => x.Due > TimeSpan.Zero && x.Due <= time).ToList();
            due.ForEach(x => x.Ring());
        }

        sealed class Timer(Clock clock, TimerCallback callback, object? state) : ITimer
        {
            public TimeSpan Due { get; set; }

            public void Ring()
            {
                Due = Timeout.InfiniteTimeSpan;
                callback(state);
            }

            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                lock (clock.mutex)
                    Due = dueTime;
                return true;
            }

            public void Dispose()
            {
                lock (clock.mutex)
                    clock.timers.Remove(this);
            }

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }
}
