using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;
using RabbitMQ.Client;
using Wake.Contracts;
using Wake.Producing;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Producing;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>A Wake in which every service has a role of PostgreSQL and a user of RabbitMQ of its own, as they are
/// shipped.</summary>
public sealed class GuardedSystem : IAsyncLifetime
{
    public WakeSystem System { get; private set; } = null!;

    public async Task InitializeAsync() =>
        System = await WakeSystem.Start(
            Transport.RabbitMq,
            new Dictionary<string, string>
            {
                ["Profiles__default__Permissions"] = "Ask",
                ["Routes__builds__Types__0"] = "build.failed",
                ["Routes__builds__Session"] = "builder@{subject}",
                ["Routes__builds__Workspace"] = Path.GetTempPath(),
                ["Routes__builds__FullPrompt"] = "Find out why.",
                ["Coordinator__SilenceGrace"] = "00:00:00",
            },
            guarded: true
        );

    public async Task DisposeAsync() => await System.DisposeAsync();
}

/// <summary>Every service can do its own work with its own role and user, and nobody else's.</summary>
[Trait("Starts", "processes")]
public sealed class HavingNoMoreRights(GuardedSystem shared) : IClassFixture<GuardedSystem>
{
    readonly WakeSystem wake = shared.System;

    [Fact]
    public async Task Events_of_both_doors_wake_a_session_again_and_again()
    {
        var key = await wake.WatchingSession();
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "over the broker"));
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);

        await wake.Post(WakeSystem.Event(WakeSystem.Subject(key), "over HTTP"));
        Assert.Equal(["over HTTP"], (await wake.WaitForTurnEnd(key, 2)).Reasons);

        await wake.Wake(key, "by hand");
        Assert.Equal(["by hand"], (await wake.WaitForTurnEnd(key, 3)).Reasons);
        Assert.NotEmpty((await wake.Explain(key)).Ledger);
    }

    [Fact]
    public async Task A_route_makes_its_session_and_a_late_watch_looks_back()
    {
        var subject = $"build:{Guid.NewGuid()}";
        await wake.Publish(WakeSystem.Event(subject, "failed") with { Type = "build.failed" });
        Assert.Equal(
            TurnOutcome.Completed,
            (
                await Eventually.Sees(async () =>
                    await Registered($"builder@{subject}") ? await wake.WaitForTurnEnd($"builder@{subject}", 1) : null
                )
            ).Outcome
        );

        var key = await wake.Session();
        await wake.Post(WakeSystem.Event(subject, "before the watch"));
        await wake.Watch(key, subject);
        Assert.Contains("before the watch", (await wake.WaitForTurnEnd(key, 1)).Reasons);
    }

    [Fact]
    public async Task A_question_is_answered_and_a_wake_of_later_comes()
    {
        var key = await wake.Session();
        await wake.Wake(key, "[[fake:first ask Which colour?|Red|Blue]]");
        var question = await Eventually.Sees(async () =>
            (await wake.Http.GetFromJsonAsync<List<JsonElement>>("/v1/questions"))!.FirstOrDefault(x =>
                x.GetProperty("session").GetString() == key
            )
                is { ValueKind: JsonValueKind.Object } found
                ? found.GetProperty("id").GetString()
                : null
        );
        var answered = await wake.Http.PostAsJsonAsync(
            $"/v1/questions/{question}/answer",
            new { answers = new Dictionary<string, string> { ["Which colour?"] = "Blue" } }
        );
        Assert.True(answered.IsSuccessStatusCode, await answered.Content.ReadAsStringAsync());
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);

        var scheduled = await wake.Http.PostAsJsonAsync(
            $"/v1/sessions/{Uri.EscapeDataString(key)}/schedule",
            new { at = DateTimeOffset.UtcNow.AddSeconds(1), reason = "it is time" }
        );
        Assert.True(scheduled.IsSuccessStatusCode, await scheduled.Content.ReadAsStringAsync());
        Assert.Equal(["it is time"], (await wake.WaitForTurnEnd(key, 2)).Reasons);

        var closed = await wake.Http.DeleteAsync($"/v1/sessions/{Uri.EscapeDataString(key)}");
        Assert.True(closed.IsSuccessStatusCode, await closed.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task What_was_expected_in_vain_is_told()
    {
        var key = await wake.Session();
        await wake.Watch(key, "nothing", expectWithin: TimeSpan.FromSeconds(1));

        Assert.StartsWith("Nothing came of nothing", Assert.Single((await wake.WaitForTurnEnd(key, 1)).Reasons));
    }

    [Fact]
    public async Task Producers_and_whoever_looks_after_it_do_their_work()
    {
        await wake.StartProcess(
            "Wake.Producers.GitHub",
            new Dictionary<string, string> { ["GitHub__WebhookSecrets__0"] = "a secret of the tests" }
        );
        var hooks = await wake.StartProcess(
            "Wake.Producers.Webhooks",
            new Dictionary<string, string>
            {
                ["Webhooks__Hooks__ci__Sender"] = "CloudEvents",
                ["Webhooks__Hooks__ci__Secrets__0"] = "a token of the tests",
            }
        );
        var key = await wake.WatchingSession();
        using var http = WakeSystem.HttpClientFor(hooks, "a token of the tests");
        using var body = new StringContent(
            $$"""{"specversion":"1.0","id":"1","source":"/ci","type":"done","subject":"{{WakeSystem.Subject(key)}}"}""",
            Encoding.UTF8,
            "application/cloudevents+json"
        );
        var answer = await http.PostAsync("/hooks/ci", body);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        await wake.WaitForTurnEnd(key, 1);

        var scheduled = await wake.Session();
        await wake.StartProcess(
            "Wake.Producers.Cron",
            new Dictionary<string, string>
            {
                ["Cron__often__Expression"] = "* * * * * *",
                ["Cron__often__Sessions__0"] = scheduled,
                ["Cron__often__Reason"] = "a second is over",
            }
        );
        await wake.WaitForTurnEnd(scheduled, 1);

        var audit = await wake.Http.GetFromJsonAsync<List<JsonElement>>("/v1/audit");
        Assert.All(audit!, x => Assert.Equal(0, x.GetProperty("broken").GetInt64()));

        var made = await wake.Http.PostAsJsonAsync(
            "/v1/keys",
            new { name = "of a test", scopes = new[] { "events:write" } }
        );
        Assert.True(made.IsSuccessStatusCode, await made.Content.ReadAsStringAsync());
        await As(
            "wake_coordinator",
            database => new EventRetention(database).DeleteOlderThan(TimeSpan.Zero, CancellationToken.None)
        );
        await As("wake_runner", database => new Transcripts(database).Prune(TimeSpan.Zero, CancellationToken.None));
    }

    [Fact]
    public async Task A_turn_asks_the_producer_of_github_and_one_that_is_stale_is_not_run()
    {
        await using var github = await LoopbackGitHub.Start();
        github.Open(1);
        github.Merge(1);
        var producer = await wake.StartProcess(
            "Wake.Producers.GitHub",
            new Dictionary<string, string>
            {
                ["GitHub__Accounts__main__Api"] = github.Url.ToString(),
                ["GitHub__Accounts__main__Token"] = "ghp_secret",
                ["GitHub__PollInterval"] = "00:00:00.5",
            }
        );
        await Eventually.Holds(() => wake.Scalar<bool>("select exists (select from fact_checkers)"));
        var key = await wake.Session();
        var observed = WakeSystem.Event("github:octo-org/hello#1", "labeled") with
        {
            Type = "github.pull_request.labeled",
            Sessions = [key],
            Time = DateTimeOffset.UtcNow.AddMinutes(-1),
        };

        await wake.Post(observed);

        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal((TurnOutcome.Stale, "the pull request is merged"), (turn.Outcome, turn.Note));
        Assert.Contains("was not told of it: wake 1 ended stale", (await wake.ExplainEvent(observed.Id)).Summary);

        var watch = new
        {
            session = key,
            subject = "github:octo-org/hello#1",
            report = "comment",
        };
        Assert.True((await wake.Http.PostAsJsonAsync("/v1/watches", watch)).IsSuccessStatusCode);
        await wake.Post(WakeSystem.Event("github:octo-org/hello#1", "a result"));
        await Eventually.Holds(
            async () =>
                await wake.Scalar<long>("select count(*) from decisions where kind in ('reported', 'ownComment')") == 2,
            "the comment is made, and seen by the poller"
        );
        Assert.Contains("completed", Assert.Single(github.CommentsOn(1)).Body);

        // Nobody waits for one that has said good-bye.
        await producer.Stop();
        Assert.False(await wake.Scalar<bool>("select exists (select from fact_checkers)"));
        await wake.WaitUntilIdle();
    }

    [Fact]
    public async Task A_notifier_tells_of_a_question_that_a_runner_has_asked()
    {
        var notifier = await wake.StartProcess(
            "Wake.Notifier",
            new Dictionary<string, string>
            {
                ["Notifications__desktop__Kind"] = "Command",
                ["Notifications__desktop__Command__0"] = "/bin/true",
            }
        );
        await Eventually.Holds(async () =>
            (await wake.Http.GetFromJsonAsync<List<JsonElement>>("/v1/notifications"))!.Any(x =>
                x.GetProperty("name").GetString() == "desktop"
            )
        );
        var key = await wake.Session();
        await wake.Wake(key, "[[fake:first ask Which colour?|Red|Blue]]");

        await Eventually.Holds(async () =>
            (await wake.Explain(key)).Ledger.Any(x =>
                x.What == "notified"
                && x.Note!.StartsWith("question.asked", StringComparison.Ordinal)
                && x.Note.EndsWith(" to desktop", StringComparison.Ordinal)
            )
        );
        var tested = await wake.Http.PostAsync("/v1/notifications/desktop/test", null);
        Assert.True(tested.IsSuccessStatusCode, await tested.Content.ReadAsStringAsync());
        var redriven = await wake.Http.PostAsync("/v1/notifications/desktop/redrive", null);
        Assert.True(redriven.IsSuccessStatusCode, await redriven.Content.ReadAsStringAsync());
        // One that goes on takes facts from that of the next test, and has no use for them.
        await notifier.Stop();
    }

    [Fact]
    public async Task A_notifier_does_in_a_chat_what_people_answer_write_and_order_there()
    {
        await using var telegram = await LoopbackTelegram.Start();
        var notifier = await wake.StartProcess("Wake.Notifier", telegram.Variables("chat"));
        await Eventually.Holds(async () =>
            (await wake.Http.GetFromJsonAsync<List<JsonElement>>("/v1/notifications"))!.Any(x =>
                x.GetProperty("name").GetString() == "chat"
            )
        );
        var key = await wake.Session();
        await wake.Wake(key, "[[fake:first ask Which colour?|Red|Blue]]");
        var asked = await telegram.Shows($"{key} asks");

        Assert.Equal($"{key} goes on.", await telegram.Press(asked, "Blue", LoopbackChat.Anna));
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
        telegram.Write("and now the tests", LoopbackChat.Anna, asked.Id);
        await telegram.Shows($"{key} is told.");
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 2)).Outcome);
        telegram.Write("stop", LoopbackChat.Anna, asked.Id);
        await telegram.Shows($"{key} is paused");
        telegram.Write("status", LoopbackChat.Anna, asked.Id);
        await telegram.Shows("Paused until somebody ends it");
        telegram.Write("resume", LoopbackChat.Anna, asked.Id);
        await telegram.Shows($"{key} goes on.");
        telegram.Write("close", LoopbackChat.Anna, asked.Id);
        await telegram.Shows($"{key} is closed");
        await As(
            "wake_coordinator",
            database => new EventRetention(database).DeleteOlderThan(TimeSpan.Zero, CancellationToken.None)
        );
        await notifier.Stop();
    }

    [Theory]
    [InlineData("wake_runner", "select * from api_keys")]
    [InlineData("wake_runner", "select * from idempotency_keys")]
    [InlineData("wake_runner", "insert into events select * from events")]
    [InlineData("wake_runner", "insert into watches select * from watches")]
    [InlineData("wake_runner", "insert into sessions select * from sessions")]
    [InlineData("wake_runner", "update sessions set profile = 'open'")]
    [InlineData("wake_runner", "update routes set full_prompt = 'mine'")]
    [InlineData("wake_runner", "update questions set answers = '{}'")]
    [InlineData("wake_runner", "delete from decisions")]
    [InlineData("wake_runner", "insert into fact_checkers select * from fact_checkers")]
    [InlineData("wake_runner", "update fact_checks set subject = 'github:octo-org/secret#1'")]
    [InlineData("wake_github", "insert into fact_checks select * from fact_checks")]
    [InlineData("wake_runner", "drop table turns")]
    [InlineData("wake_runner", "create table mine ()")]
    [InlineData("wake_runner", "select * from github.cursors")]
    [InlineData("wake_runner", "copy decisions to program 'id'")]
    [InlineData("wake_runner", "select pg_read_file('/etc/passwd')")]
    [InlineData("wake_github", "select * from transcripts")]
    [InlineData("wake_github", "select * from events")]
    [InlineData("wake_github", "select intent from watches")]
    [InlineData("wake_notifier", "select * from transcripts")]
    [InlineData("wake_notifier", "select * from api_keys")]
    [InlineData("wake_notifier", "insert into watches select * from watches")]
    [InlineData("wake_notifier", "update turns set ended_at = now()")]
    [InlineData("wake_notifier", "insert into questions select * from questions")]
    [InlineData(
        "wake_github",
        "insert into reports (session_id, subject, kind) values (gen_random_uuid(), 's', 'comment')"
    )]
    [InlineData("wake_github", "update report_turns set words = 'x'")]
    [InlineData("wake_runner", "select from reports")]
    [InlineData("wake_notifier", "insert into notification_facts (type, data) values ('turn.completed', '{}')")]
    [InlineData("wake_runner", "insert into notification_facts (type, data) values ('turn.completed', '{}')")]
    [InlineData("wake_runner", "select state_fact('turn.completed', null, null, null, '{}')")]
    [InlineData("wake_cron", "select * from sessions")]
    [InlineData("wake_cron", "select * from github.cursors")]
    [InlineData("wake_gateway", "delete from transcript_segments")]
    [InlineData("wake_gateway", "delete from runners")]
    [InlineData("wake_gateway", "update turns set dispatched_at = now()")]
    [InlineData("wake_gateway", "delete from events")]
    [InlineData("wake_coordinator", "select * from api_keys")]
    [InlineData("wake_coordinator", "select * from transcripts")]
    public async Task A_role_that_needs_it_for_nothing_is_refused(string role, string sql)
    {
        await using var database = NpgsqlDataSource.Create(Servers.As(role, wake.ConnectionString));
        await using var command = database.CreateCommand(sql);

        Assert.Equal(
            PostgresErrorCodes.InsufficientPrivilege,
            (await Assert.ThrowsAsync<PostgresException>(() => command.ExecuteNonQueryAsync())).SqlState
        );
    }

    [Theory]
    [InlineData("wake_github")]
    [InlineData("wake_webhooks")]
    [InlineData("wake_cron")]
    public async Task A_producer_at_the_broker_publishes_events_and_does_nothing_else(string user)
    {
        await Refused(user, x => x.BasicGetAsync("wake-events", autoAck: false));
        await Refused(user, x => x.BasicGetAsync("resume-session", autoAck: false));
        await Refused(user, x => x.QueuePurgeAsync("wake-events"));
        await Refused(user, x => x.QueueDeleteAsync("wake-events"));
        await Refused(user, x => x.QueueDeclareAsync("mine", durable: true, exclusive: false, autoDelete: false));
        await Refused(user, x => x.QueueBindAsync("wake-events", "amq.topic", "#"));
        foreach (
            var exchange in (string[])
                ["", "resume-session", "Wake.Contracts:ResumeSession", "Wake.Contracts:TurnEnded", "session-wake"]
        )
            await Refused(
                user,
                x => x.BasicPublishAsync(exchange, "resume-session", Encoding.UTF8.GetBytes("{}")).AsTask()
            );
        await Refused(
            user,
            x =>
                x.BasicPublishAsync(
                        "wake.events",
                        "x",
                        mandatory: true,
                        new BasicProperties { UserId = "wake_coordinator" },
                        Encoding.UTF8.GetBytes("{}")
                    )
                    .AsTask(),
            406
        );
    }

    [Fact]
    public async Task A_runner_at_the_broker_takes_and_ends_turns_and_tells_of_nothing_that_happened()
    {
        await Refused(
            "wake_runner",
            x => x.BasicPublishAsync("wake.events", "x", Encoding.UTF8.GetBytes("{}")).AsTask()
        );
        await Refused(
            "wake_runner",
            x => x.BasicPublishAsync("", "wake-events", Encoding.UTF8.GetBytes("{}")).AsTask()
        );
        await Refused("wake_runner", x => x.BasicGetAsync("wake-events", autoAck: false));
        await Refused("wake_runner", x => x.BasicGetAsync("session-wake", autoAck: false));
        await Refused("wake_runner", x => x.QueueDeleteAsync("wake-events"));
    }

    [Fact]
    public async Task A_producer_is_not_ready_while_the_broker_refuses_its_events_though_it_is_connected()
    {
        await using var services = PublishingOverAmqp.Producer(RabbitNode.As("wake_runner", wake.Broker!));
        var health = services.GetRequiredService<HealthCheckService>();
        Assert.Equal(HealthStatus.Healthy, (await health.CheckHealthAsync()).Status);

        using var givingUp = new CancellationTokenSource();
        var publish = services
            .GetRequiredService<IEventPublisher>()
            .Publish([WakeSystem.Event("anything", "happened")], givingUp.Token);
        await Eventually.Holds(async () =>
            (await health.CheckHealthAsync()).Entries["wake-events"]
                is { Status: HealthStatus.Unhealthy, Description: "RabbitMQ has not taken 1 events yet." }
        );

        await givingUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => publish);
        Assert.Equal(HealthStatus.Healthy, (await health.CheckHealthAsync()).Status);
    }

    [Fact]
    public async Task A_service_that_may_make_no_tables_waits_for_them()
    {
        await using var late = await WakeSystem.Create(Transport.RabbitMq, guarded: true);
        var gateway = late.StartProcess("Wake.Gateway");
        await Task.WhenAny(gateway, Task.Delay(TimeSpan.FromSeconds(3)));
        Assert.False(gateway.IsCompleted);

        await late.Migrate();
        Assert.Contains("waiting for wake migrate", (await gateway).Log);
        await late.Migrate();
    }

    async Task<bool> Registered(string key) =>
        (await wake.Http.GetAsync($"/v1/sessions/{Uri.EscapeDataString(key)}")).IsSuccessStatusCode;

    async Task As(string role, Func<NpgsqlDataSource, Task> what)
    {
        await using var database = ServiceDefaults.Postgres.CreateDataSource(Servers.As(role, wake.ConnectionString));
        await what(database);
    }

    // With confirmations: RabbitMQ refuses a message a moment after it was sent.
    async Task Refused(string user, Func<IChannel, Task> what, int code = 403)
    {
        await using var connection = await new ConnectionFactory
        {
            Uri = new UriBuilder(RabbitNode.As(user, wake.Broker!)) { Scheme = "amqp" }.Uri,
        }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync(
            new(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true)
        );

        await Assert.ThrowsAnyAsync<Exception>(() => what(channel));
        Assert.Equal(code, (int)channel.CloseReason!.ReplyCode);
    }
}
