using System.Net.Http.Json;
using System.Text.Json;
using RabbitMQ.Client;
using Wake.Contracts;
using Wake.Offline;
using Wake.Testing;
using Wake.Tests.HouseRules;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>Every service reports to one collector.</summary>
public sealed class TracedSystem : IAsyncLifetime
{
    public OtlpReceiver Otlp { get; private set; } = null!;

    public MessagesApi Api { get; private set; } = null!;

    public WakeSystem Wake { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        (Otlp, Api) = (await OtlpReceiver.Start(), await MessagesApi.Start());
        Wake = await WakeSystem.Start(
            Transport.RabbitMq,
            new Dictionary<string, string>(Otlp.Environment)
            {
                ["ANTHROPIC_BASE_URL"] = Api.Url,
                ["ANTHROPIC_API_KEY"] = "sk-test-0123456789",
            },
            runner: false
        );
    }

    public async Task DisposeAsync()
    {
        await Wake.DisposeAsync();
        await Api.DisposeAsync();
        await Otlp.DisposeAsync();
    }
}

/// <summary>
/// What happens to an event is one trace, from the program that saw it to the tools the session calls; also where a
/// timer, a row in the database or a crash lies in between.
/// </summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class TracingAWake(TracedSystem system) : IClassFixture<TracedSystem>
{
    readonly OtlpReceiver otlp = system.Otlp;
    readonly WakeSystem wake = system.Wake;

    [Fact]
    public async Task From_a_request_to_the_spans_of_claude_itself()
    {
        await using var runner = await Runner(("Claude__Executable", RealClaude.Executable(RealClaude.Current)));
        var key = await wake.WatchingSession();
        var (trace, caller) = NewContext();
        var observed = WakeSystem.Event(WakeSystem.Subject(key), "merged", reason: "the secret of PR #972");

        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/events")
        {
            Content = JsonContent.Create(observed, options: EventJson.Options),
        };
        request.Headers.Add("traceparent", $"00-{trace}-{caller}-01");
        (await wake.Http.SendAsync(request)).EnsureSuccessStatusCode();
        await wake.WaitForTurnEnd(key, 1);

        var way = await otlp.PathToRoot(
            await otlp.Span(x => x.Trace == trace && x.Name == "claude_code.llm_request", "of the model"),
            caller
        );
        Assert.All(way, x => Assert.Equal(trace, x.Trace));
        Assert.Equal(
            [
                "claude_code.llm_request",
                "claude_code.interaction",
                "claude",
                "wake.turn",
                "wake.due",
                "wake.intake",
                "POST /v1/events",
            ],
            way.Select(x => x.Name).Where(x => !IsOfTheBus(x))
        );
        Assert.Equal(
            ["Wake.Gateway", "Wake.Coordinator", "Wake.Runner"],
            way.Reverse().Select(x => x.Service).Where(x => x.StartsWith("Wake.", StringComparison.Ordinal)).Distinct()
        );

        Assert.Equal(
            ("/v1/events", "202"),
            (way[^1].Attributes["http.route"], way[^1].Attributes["http.response.status_code"])
        );
        var turn = way.Single(x => x.Name == "wake.turn");
        Assert.Equal(
            (key, "1", "1", observed.Id, "completed"),
            (
                turn.Attributes["wake.session"],
                turn.Attributes["wake.wake_number"],
                turn.Attributes["wake.attempt"],
                turn.Attributes["wake.event.ids"],
                turn.Attributes["wake.outcome"]
            )
        );
        Assert.Contains(
            way,
            x =>
                x.Name.StartsWith("resume-session", StringComparison.Ordinal)
                || x.Name.Contains("ResumeSession", StringComparison.Ordinal)
        );
        Assert.Contains(
            otlp.Spans,
            x => x.Trace == trace && x.Name == "wake.decide" && x.Attributes["wake.outcome"] == "dispatched"
        );

        // Nobody asked for the looks at the database every second, or for those of whoever asks for health.
        Assert.DoesNotContain(otlp.Spans, x => x.Parent == "" && x.Attributes.ContainsKey("db.query.text"));
        Assert.DoesNotContain(
            otlp.Spans,
            x => x.Attributes.GetValueOrDefault("url.path", "").StartsWith("/health", StringComparison.Ordinal)
        );
        Assert.Contains(otlp.Spans, x => x.Attributes.ContainsKey("db.query.text"));

        // Of an event spans know names. What it says, and what opens doors, is nowhere.
        Assert.DoesNotContain(
            otlp.Spans.SelectMany(x => x.Attributes.Values),
            x => x.Contains("the secret of", StringComparison.Ordinal)
        );
        Assert.DoesNotContain(
            otlp.Spans.SelectMany(x => x.Attributes.Values),
            x => x.Contains("sk-test", StringComparison.Ordinal)
        );
        Assert.DoesNotContain(otlp.Logs, x => x.Body.Contains("sk-test", StringComparison.Ordinal));
    }

    [Fact]
    public async Task From_a_program_that_publishes_with_its_own_trace()
    {
        await using var runner = await Runner();
        var key = await wake.WatchingSession("instant");
        var (trace, caller) = NewContext();

        await Node.Run(
            Path.Combine(Repository.Root, "deploy", "examples", "publish.js"),
            "",
            new Dictionary<string, string>
            {
                ["AMQP_URL"] = new UriBuilder(wake.Broker!) { Scheme = "amqp" }.Uri.ToString(),
                ["TRACEPARENT"] = $"00-{trace}-{caller}-01",
            },
            WakeSystem.Subject(key),
            "Node says so"
        );
        await wake.WaitForTurnEnd(key, 1);

        var turn = await otlp.Span(x => x.Trace == trace && x.Name == "wake.turn", "of the turn");
        Assert.Equal(
            ["wake.turn", "wake.due"],
            (await otlp.PathToRoot(turn, caller)).Select(x => x.Name).Where(x => !IsOfTheBus(x))
        );
        var intake = await otlp.Span(x => x.Trace == trace && x.Name == "wake.intake", "of the intake");
        Assert.Equal(
            (caller, "rabbitmq", "process", "1"),
            (
                intake.Parent,
                intake.Attributes["messaging.system"],
                intake.Attributes["messaging.operation.name"],
                intake.Attributes["messaging.batch.message_count"]
            )
        );
    }

    // A relay between has a trace of its own, and the event tells that of what happened.
    [Fact]
    public async Task From_a_CloudEvent_that_tells_its_trace()
    {
        await using var runner = await Runner();
        await using var door = await wake.StartProcess(
            "Wake.Producers.Webhooks",
            new Dictionary<string, string>
            {
                ["Webhooks__Hooks__events__Sender"] = "CloudEvents",
                ["Webhooks__Hooks__events__Secrets__0"] = "a-secret-of-the-relay",
            }
        );
        var key = await wake.WatchingSession("instant");
        var ((trace, caller), (relayTrace, relay)) = (NewContext(), NewContext());

        using var http = new HttpClient { BaseAddress = door.Url };
        using var request = new HttpRequestMessage(HttpMethod.Post, "/hooks/events")
        {
            Headers =
            {
                { "Authorization", "Bearer a-secret-of-the-relay" },
                { "traceparent", $"00-{relayTrace}-{relay}-01" },
            },
            Content = new StringContent(
                $$"""
                {
                  "specversion": "1.0", "id": "1", "source": "/ci", "type": "build.failed", "subject": "{{WakeSystem.Subject(
                    key
                )}}",
                  "traceparent": "00-{{trace}}-{{caller}}-01"
                }
                """,
                new System.Net.Http.Headers.MediaTypeHeaderValue("application/cloudevents+json")
            ),
        };
        (await http.SendAsync(request)).EnsureSuccessStatusCode();
        await wake.WaitForTurnEnd(key, 1);

        var way = await otlp.PathToRoot(
            await otlp.Span(x => x.Trace == trace && x.Name == "wake.turn", "of the turn"),
            caller
        );
        Assert.Equal(
            ["wake.turn", "wake.due", "publish wake.events", "wake.webhook.delivery"],
            way.Select(x => x.Name).Where(x => !IsOfTheBus(x))
        );
        Assert.StartsWith(relayTrace, Assert.Single(way[^1].Links));
    }

    [Fact]
    public async Task From_several_events_of_which_the_first_leads_and_the_others_are_linked()
    {
        using var folder = new TemporaryFolder();
        await using var runner = await Runner(("OTEL_EXPORTER_OTLP_HEADERS", "authorization=a-key-of-the-collector"));
        var key = await wake.WatchingSession("patient");
        var contexts = Enumerable.Range(0, 3).Select(_ => NewContext()).ToList();

        for (var i = 0; i < contexts.Count; i++)
        {
            var observed = WakeSystem.Event(
                WakeSystem.Subject(key),
                $"thing {i}",
                reason: $"thing {i} [[fake:env {folder.File($"env{i}")}]]"
            );
            await Publish(observed, $"00-{contexts[i].Trace}-{contexts[i].Span}-01", $"vendor=state{i}");
            await Eventually.Holds(async () =>
                await wake.Scalar<long>("select count(*) from events where id = $1", observed.Id) == 1
            );
        }

        Assert.Equal(3, (await wake.WaitForTurnEnd(key, 1)).Reasons.Count);
        var (trace, caller) = contexts[0];
        var turn = await otlp.Span(x => x.Trace == trace && x.Name == "wake.turn", "of the turn");
        var decision = await otlp.Span(x => x.Trace == trace && x.Name == "wake.decide", "of the decision");
        await otlp.PathToRoot(turn, caller);
        await otlp.PathToRoot(decision, caller);
        Assert.Equal(contexts.Select(x => $"{x.Trace}-{x.Span}"), decision.Links);
        Assert.Equal(contexts.Select(x => $"{x.Trace}-{x.Span}"), turn.Links);

        // The state of the first travels with its trace, to the CLI as well.
        Assert.Equal(("vendor=state0", "vendor=state0"), (turn.State, decision.State));
        var environment = JsonElement.Parse(await File.ReadAllTextAsync(folder.File("env0")));
        Assert.Equal("vendor=state0", environment.GetProperty("TRACESTATE").GetString());
        Assert.StartsWith($"00-{trace}-", environment.GetProperty("TRACEPARENT").GetString());

        // It reports as well, and what opens the collector's door is not for its tools.
        Assert.Equal("1", environment.GetProperty("CLAUDE_CODE_ENABLE_TELEMETRY").GetString());
        Assert.Equal(
            otlp.Environment["OTEL_EXPORTER_OTLP_ENDPOINT"],
            environment.GetProperty("OTEL_EXPORTER_OTLP_ENDPOINT").GetString()
        );
        Assert.False(environment.TryGetProperty("OTEL_EXPORTER_OTLP_HEADERS", out _));
    }

    [Fact]
    public async Task Also_when_the_runner_was_killed_and_another_tries_again()
    {
        var runner = await Runner();
        var key = await wake.WatchingSession("instant");
        var (trace, caller) = NewContext();
        using var hold = new HoldFile();
        await Publish(
            WakeSystem.Event(WakeSystem.Subject(key), "merged", reason: $"merged [[fake:first hold {hold.Path}]]"),
            $"00-{trace}-{caller}-01"
        );
        await hold.Reached();

        await runner.Kill();
        await using var another = await Runner();
        Assert.Equal(2, (await wake.WaitForTurnEnd(key, 1)).Attempt);

        var turn = await otlp.Span(
            x => x.Trace == trace && x.Name == "wake.turn" && x.Attributes["wake.attempt"] == "2",
            "of the second attempt"
        );
        var way = await otlp.PathToRoot(turn, caller);
        Assert.Equal("dispatched", way.Single(x => x.Name == "wake.decide").Attributes["wake.outcome"]);
        Assert.Equal(2, way.Count(x => x.Name == "wake.due"));
        await otlp.Span(
            x => x.Trace == trace && x.Name == "wake.decide" && x.Attributes["wake.outcome"] == "repeated",
            "of the second decision"
        );
        await Eventually.Holds(() =>
            Task.FromResult(otlp.Points.Any(x => x is { Name: "wake.lease.lost", Value: >= 1 }))
        );
    }

    [Fact]
    public async Task Also_of_an_event_that_came_during_a_turn()
    {
        await using var runner = await Runner();
        var key = await wake.WatchingSession("instant");
        var ((first, before), (trace, caller)) = (NewContext(), NewContext());
        using var hold = new HoldFile();
        await Publish(
            WakeSystem.Event(WakeSystem.Subject(key), "merged", reason: $"merged [[fake:first hold {hold.Path}]]"),
            $"00-{first}-{before}-01"
        );
        await hold.Reached();

        await Publish(WakeSystem.Event(WakeSystem.Subject(key), "deployed"), $"00-{trace}-{caller}-01");
        await Eventually.Holds(async () => (await wake.Show(key)).Inbox == 1);
        hold.Release();
        await wake.WaitForTurnEnd(key, 2);

        var turn = await otlp.Span(x => x.Trace == trace && x.Name == "wake.turn", "of the follow-up");
        var way = await otlp.PathToRoot(turn, caller);
        Assert.Equal("dispatched", way.Single(x => x.Name == "wake.decide").Attributes["wake.outcome"]);
    }

    // The CLI reads its span once, when it starts.
    [Fact]
    public async Task Also_when_the_process_has_stayed_from_another_wake_whose_span_is_linked()
    {
        await using var runner = await Runner(("Runner__WarmSessions", "1"));
        var key = await wake.WatchingSession("instant");
        var contexts = new[] { NewContext(), NewContext() };
        for (var i = 0; i < 2; i++)
        {
            await Publish(
                WakeSystem.Event(WakeSystem.Subject(key), $"thing {i}"),
                $"00-{contexts[i].Trace}-{contexts[i].Span}-01"
            );
            await wake.WaitForTurnEnd(key, i + 1);
        }

        var first = await otlp.Span(x => x.Trace == contexts[0].Trace && x.Name == "claude", "of the first run");
        var second = await otlp.Span(x => x.Trace == contexts[1].Trace && x.Name == "claude", "of the second run");
        await otlp.PathToRoot(second, contexts[1].Span);
        Assert.Equal(("false", "true"), (first.Attributes["wake.warm"], second.Attributes["wake.warm"]));
        Assert.Equal([$"{first.Trace}-{first.Id}"], second.Links);
    }

    [Fact]
    public async Task Measures_and_lines_of_the_log_say_where_they_come_from()
    {
        await using var runner = await Runner();
        var key = await wake.WatchingSession("instant");
        await (await wake.Amqp()).BasicPublishAsync(
            "wake.events",
            "no event",
            mandatory: true,
            new BasicProperties(),
            "{}"u8.ToArray()
        );
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged", reason: "merged [[fake:cost 0.25]]"));
        await wake.WaitForTurnEnd(key, 1);
        using var schedule = JsonContent.Create(new { reason = "later", at = DateTimeOffset.UnixEpoch });
        (
            await wake.Http.PostAsync($"/v1/sessions/{Uri.EscapeDataString(key)}/schedule", schedule)
        ).EnsureSuccessStatusCode();
        await wake.WaitForTurnEnd(key, 2);

        await Measured("Wake.Coordinator", "wake.events.observed", "{event}", ("source", "test:producer"));
        await Measured("Wake.Coordinator", "wake.events.observed", "{event}", ("source", "wake:schedule"));
        await Measured("Wake.Coordinator", "wake.intake.outcomes", "{decision}", ("outcome", "routed"));
        await Measured("Wake.Coordinator", "wake.decision.set_size", "{session}");
        await Measured("Wake.Runner", "wake.latency", "s");
        await Measured("Wake.Runner", "wake.coalesce.size", "{event}");
        await Measured("Wake.Runner", "wake.turn.duration", "s", ("outcome", "completed"));
        await Measured("Wake.Runner", "wake.turn.cost", "{USD}");
        await Eventually.Holds(() =>
            Task.FromResult(otlp.Points.Any(x => x is { Name: "wake.turn.cost", Value: 0.25 }))
        );

        await Measured("Wake.Coordinator", "wake.sessions.waiting", "{session}", ("state", "parked"));
        await Measured("Wake.Coordinator", "wake.sessions.waiting.age", "s", ("state", "dispatched"));
        await Eventually.Holds(() =>
            Task.FromResult(otlp.Points.Any(x => x is { Name: "wake.dead_letters", Value: 1 }))
        );

        // Sessions come and go by the thousand.
        Assert.DoesNotContain(
            otlp.Points.SelectMany(x => x.Attributes.Values),
            x => x.Contains("tester@", StringComparison.Ordinal)
        );
        var line = await Eventually.Sees(() =>
            Task.FromResult(otlp.Logs.FirstOrDefault(x => x.Body.Contains(key, StringComparison.Ordinal)))
        );
        Assert.Equal(("Wake.Runner", "0.1.0"), (line.Resource["service.name"], line.Resource["service.version"]));
        Assert.True(Guid.TryParse(line.Resource["service.instance.id"], out _));
        Assert.Contains(otlp.Spans, x => x.Trace == line.Trace && x.Name == "wake.turn");

        Task<OtlpPoint> Measured(
            string service,
            string name,
            string unit,
            params (string Name, string Value)[] attributes
        ) =>
            Eventually.Sees(
                () =>
                    Task.FromResult(
                        otlp.Points.LastOrDefault(x =>
                            (x.Service, x.Name, x.Unit) == (service, name, unit)
                            && attributes.All(y => x.Attributes.GetValueOrDefault(y.Name) == y.Value)
                        )
                    ),
                $"{name} of {service}"
            );
    }

    Task<ServiceProcess> Runner(params (string Name, string Value)[] changed) =>
        wake.StartProcess("Wake.Runner", changed.ToDictionary(x => x.Name, x => x.Value));

    async Task Publish(ExternalEventObserved observed, string parent, string? state = null)
    {
        var headers = new Dictionary<string, object?> { ["traceparent"] = parent };
        if (state is not null)
            headers["tracestate"] = state;
        await (await wake.Amqp()).BasicPublishAsync(
            "wake.events",
            observed.Type,
            mandatory: true,
            new BasicProperties { Headers = headers },
            EventJson.Serialize(observed)
        );
    }

    static (string Trace, string Span) NewContext() =>
        (Guid.NewGuid().ToString("N"), Guid.NewGuid().ToString("N")[..16]);

    static bool IsOfTheBus(string name) => name.Split(' ')[^1] is "send" or "receive" or "process";
}
