using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;
using Wake.Contracts;
using Wake.Contracts.Http;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary><c>wake redrive</c> against a real RabbitMQ and the queues the services put messages aside in.</summary>
[Trait("Starts", "processes")]
public sealed class RedrivingDeadLetters(GuardedRabbitMqSystem shared) : IClassFixture<GuardedRabbitMqSystem>
{
    readonly WakeSystem wake = shared.System;

    [Fact]
    public async Task What_was_put_aside_is_shown_stays_and_is_sent_again_when_told_so()
    {
        var key = await wake.WatchingSession();
        var channel = await wake.Amqp();

        // As RabbitMQ itself does after a coordinator has crashed over it too often.
        var lost = WakeSystem.Event(WakeSystem.Subject(key), "nearly lost");
        await channel.BasicPublishAsync(
            "",
            "wake-events_error",
            true,
            new BasicProperties { Persistent = true },
            EventJson.Serialize(lost)
        );
        await channel.BasicPublishAsync("wake.events", "no.event", true, new BasicProperties(), "{\u0001}"u8.ToArray());
        await channel.BasicPublishAsync(
            "",
            "session-wake",
            true,
            new BasicProperties { ContentType = "text/rude" },
            "no message"u8.ToArray()
        );
        await Eventually.Holds(async () => await channel.MessageCountAsync("wake-events_error") == 2);
        await Eventually.Holds(async () => await Lying("session-wake_error") == 1);

        // Looking is no handling, however often.
        for (var look = 0; look < 3; look++)
        {
            var shown = await Redrive();
            Assert.Equal(
                ["session-wake_error", "wake-events_error", "wake-events_error"],
                shown.Select(x => x.Queue).Order()
            );
            Assert.All(shown, x => Assert.False(x.Redriven || string.IsNullOrWhiteSpace(x.Reason)));
        }

        var sent = await Redrive("--matching", "nearly lost");
        Assert.Contains(lost.Id, sent.Single(x => x.Redriven).Body);
        Assert.Equal(["nearly lost"], (await wake.WaitForTurnEnd(key, 1)).Reasons);

        // What still is nothing comes back.
        Assert.All(await Redrive("--all"), x => Assert.True(x.Redriven));
        await Eventually.Holds(async () =>
            await Lying("wake-events_error") == 1 && await Lying("session-wake_error") == 1
        );
        Assert.DoesNotContain("\u0001", (await Said()).Output);
        Assert.Equal(
            1,
            await wake.Scalar<long>(
                "select count(*) from turns t join sessions s on s.id = t.session_id where s.key = $1",
                key
            )
        );
    }

    [Fact]
    public async Task What_was_put_aside_is_listed_and_sent_again_or_dropped_by_the_API()
    {
        var key = await wake.WatchingSession();
        var channel = await wake.Amqp();
        var lost = WakeSystem.Event(WakeSystem.Subject(key), "lost on its way");
        await channel.BasicPublishAsync(
            "",
            "wake-events_error",
            true,
            new BasicProperties(),
            EventJson.Serialize(lost)
        );
        await channel.BasicPublishAsync(
            "wake.events",
            "none",
            true,
            new BasicProperties(),
            "no event of mine"u8.ToArray()
        );

        var letter = await Lists(lost.Id);
        var broken = await Lists("no event of mine");
        Assert.Equal(("wake-events_error", "not known here"), (letter.Queue, letter.Reason));
        Assert.Contains("JSON", broken.Reason);
        Assert.Null(broken.Wanted);

        await Does("redrive", new { ids = new[] { letter.Id } }, count: 1);
        Assert.Equal(["lost on its way"], (await wake.WaitForTurnEnd(key, 1)).Reasons);
        await Eventually.Holds(async () => !(await All()).Any(x => x.Id == letter.Id));

        // Sent again it is as wrong as before, and comes back under its id.
        await Does("redrive", new { ids = new[] { broken.Id } }, count: 1);
        await Eventually.Holds(async () => (await All()).Any(x => x.Id == broken.Id && x.Seen > broken.Seen));
        await Does("drop", new { ids = new[] { broken.Id } }, count: 1);
        await Eventually.Holds(async () => !(await All()).Any(x => x.Id == broken.Id));
        Assert.DoesNotContain(await Redrive(), x => x.Body.Contains("no event of mine"));
        await Does("drop", new { ids = new[] { broken.Id } }, count: 0);

        var activity = (await wake.Http.GetFromJsonAsync<List<LedgerLine>>("/v1/activity"))!;
        Assert.Contains(
            activity,
            x => x.What == "dropped" && x.Note!.Contains("wake-events_error") && x.Note.Contains("by ")
        );
        Assert.Contains(activity, x => x.What == "redriven");

        async Task Does(string what, object body, int count)
        {
            var answer = await wake.Http.PostAsJsonAsync($"/v1/dead-letters/{what}", body);
            Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
            Assert.Equal(count, (await answer.Content.ReadFromJsonAsync<DeadLetterCount>())!.Count);
        }

        Task<DeadLetter> Lists(string text) =>
            Eventually.Sees(async () => (await All()).FirstOrDefault(x => x.Body.Contains(text)), text);

        async Task<List<DeadLetter>> All() =>
            (await wake.Http.GetFromJsonAsync<List<DeadLetter>>("/v1/dead-letters?limit=1000"))!;
    }

    [Fact]
    public async Task What_names_sessions_is_answered_for_by_an_administrator_alone()
    {
        var key = await wake.Session();
        var channel = await wake.Amqp();
        var named = WakeSystem.Event("answered for", "named") with { Sessions = [key] };
        await channel.BasicPublishAsync("wake.events", "any", true, new BasicProperties(), EventJson.Serialize(named));
        var id = await Eventually.Sees(
            async () =>
                (await wake.Http.GetFromJsonAsync<List<DeadLetter>>("/v1/dead-letters"))!
                    .FirstOrDefault(x => x.Body.Contains(named.Id))
                    ?.Id,
            "it lies aside"
        );

        Assert.Equal(HttpStatusCode.Forbidden, (await Asks("redrive", "sessions:write", trust: true)).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await Asks("drop", "sessions:write", trust: false)).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await Asks("redrive", "sessions:read", trust: false)).StatusCode);
        Assert.Equal(HttpStatusCode.Accepted, (await Asks("redrive", "admin", trust: true)).StatusCode);
        Assert.Equal(["named"], (await wake.WaitForTurnEnd(key, 1)).Reasons);

        async Task<HttpResponseMessage> Asks(string what, string scope, bool trust)
        {
            var made = await wake.Http.PostAsJsonAsync("/v1/keys", new { name = "redriver", scopes = new[] { scope } });
            using var http = new HttpClient { BaseAddress = wake.Http.BaseAddress };
            http.DefaultRequestHeaders.Authorization = new(
                "Bearer",
                (await made.Content.ReadFromJsonAsync<NewApiKey>())!.Key
            );
            return await http.PostAsJsonAsync($"/v1/dead-letters/{what}", new { ids = new[] { id }, trust });
        }
    }

    [Theory]
    [InlineData("No broker is named")]
    [InlineData("is to be like rabbitmq://", "--broker", "http://127.0.0.1/")]
    [InlineData("No connection to RabbitMQ", "--broker", "rabbitmq://guest:secret@127.0.0.1:1/")]
    [InlineData("Either --all or --matching", "--all", "--matching", "x")]
    public async Task What_is_wrong_is_said_without_the_password(string expected, params string[] arguments)
    {
        var said = await WakeCommandLine.Run(new Dictionary<string, string>(), null, ["redrive", .. arguments]);

        Assert.Equal(1, said.ExitCode);
        Assert.Contains(expected, said.Errors);
        Assert.DoesNotContain("secret", said.Errors);
    }

    // Sent again it must not become what it was refused for, unless somebody means it.
    [Fact]
    public async Task What_a_stranger_may_not_say_is_only_sent_on_by_whoever_answers_for_it()
    {
        var key = await wake.Session();
        var channel = await wake.Amqp();
        var named = WakeSystem.Event("redriven", "x") with { Sessions = [key] };
        var forged = new BasicProperties { Headers = new Dictionary<string, object?> { ["wake-verified"] = "github" } };
        await channel.BasicPublishAsync("wake.events", "any", true, forged, EventJson.Serialize(named));
        await Eventually.Holds(async () =>
            await Lying("wake-events_error") > 0 && (await Redrive()).Any(x => x.Body.Contains(named.Id))
        );

        Assert.Contains(named.Id, Assert.Single(await Redrive("--matching", named.Id), x => x.Redriven).Body);
        await Eventually.Holds(async () =>
            (await Redrive()).Any(x => x.Body.Contains(named.Id) && x.Reason.Contains("TrustedPublishers"))
        );
        Assert.Empty(await wake.Turns(key));

        await Redrive("--matching", named.Id, "--trust");
        Assert.Equal(["x"], (await wake.WaitForTurnEnd(key, 1)).Reasons);
        Assert.StartsWith("amqp:", await wake.Scalar<string>("select scope from events where id = $1", named.Id));
    }

    [Fact]
    public async Task A_queue_that_does_not_exist_is_named()
    {
        var said = await Said("--queue", "nowhere_error");

        Assert.Equal(1, said.ExitCode);
        Assert.Contains("no queue nowhere_error", said.Errors);
    }

    [Fact]
    public async Task The_broker_is_found_where_the_services_find_it()
    {
        using var secrets = new TemporaryFolder();
        await File.WriteAllTextAsync(secrets.File("MessageBus__Host"), $"{wake.Broker}\n");

        var said = await WakeCommandLine.Run(
            new Dictionary<string, string>
            {
                ["WAKE_SECRETS"] = secrets.Path,
                ["MessageBus__Host"] = "rabbitmq://127.0.0.1:1/",
            },
            null,
            "redrive"
        );

        Assert.True(said.ExitCode == 0, said.Errors);
    }

    Task<CommandOutput> Said(params string[] arguments) =>
        WakeCommandLine.Run(
            new Dictionary<string, string> { ["MessageBus__Host"] = $"{wake.Broker}" },
            null,
            ["redrive", .. arguments]
        );

    async Task<IReadOnlyList<Letter>> Redrive(params string[] arguments)
    {
        var said = await Said([.. arguments, "--output", "json"]);
        Assert.True(said.ExitCode == 0, said.Errors);
        return JsonSerializer.Deserialize<List<Letter>>(said.Output, JsonSerializerOptions.Web)!;
    }

    // On a channel of its own: asking for a queue that is not there yet ends the channel.
    async Task<uint> Lying(string queue)
    {
        await using var connection = await new ConnectionFactory
        {
            Uri = new UriBuilder(wake.Broker!) { Scheme = "amqp" }.Uri,
        }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        try
        {
            return await channel.MessageCountAsync(queue);
        }
        catch (OperationInterruptedException)
        {
            return 0;
        }
    }

    sealed record Letter(string Queue, string Reason, string Body, bool Redriven);
}
