using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>Idempotency-Key: the same request again is answered and not done; and Prefer: wait, the answer after the
/// turn.</summary>
[Trait("Starts", "processes")]
public sealed class IdempotencyKeys(StandaloneSystem shared) : IClassFixture<StandaloneSystem>
{
    readonly WakeSystem wake = shared.System;

    [Fact]
    public async Task The_same_request_again_has_the_same_answer_and_no_second_effect()
    {
        var session = await wake.Session();
        var (path, key) = ($"/v1/sessions/{Uri.EscapeDataString(session)}/wake", NewKey());

        var first = await Send(path, """{"reason":"PR #972 merged"}""", key);
        var again = await Send(path, """{"reason":"PR #972 merged"}""", key.Trim('"'));

        Assert.Equal(HttpStatusCode.Accepted, first.StatusCode);
        Assert.Equal((first.StatusCode, await Text(first)), (again.StatusCode, await Text(again)));
        Assert.Equal(first.Content.Headers.ContentType, again.Content.Headers.ContentType);
        Assert.False(first.Headers.Contains("Idempotency-Replayed"));
        Assert.True(again.Headers.Contains("Idempotency-Replayed"));
        await wake.WaitForTurnEnd(session, 1);
        await wake.WaitUntilIdle();
        Assert.Equal(["PR #972 merged"], Assert.Single(await wake.Turns(session)).Reasons);
    }

    [Fact]
    public async Task Events_and_what_is_made_are_answered_again_as_they_were()
    {
        var (workspace, session) = (Directory.GetCurrentDirectory(), $"made once {Guid.NewGuid()}");
        var body = JsonSerializer.Serialize(new { key = session, workspace });
        var (events, sessions) = (NewKey(), NewKey());

        foreach (
            var (path, text, key) in ((string, string, string)[])
                [("/v1/events", $"[{Event()}]", events), ("/v1/sessions", body, sessions)]
        )
        {
            var first = await Send(path, text, key);
            var again = await Send(path, text, key);

            Assert.True(first.IsSuccessStatusCode, await Text(first));
            Assert.Equal((first.StatusCode, await Text(first)), (again.StatusCode, await Text(again)));
            Assert.Equal(first.Headers.Location, again.Headers.Location);
        }
    }

    [Fact]
    public async Task The_same_key_for_another_request_is_a_mistake()
    {
        var key = NewKey();
        Assert.Equal(HttpStatusCode.Accepted, (await Send("/v1/events", Event(), key)).StatusCode);

        var other = await Send("/v1/events", Event(), key);

        Assert.Equal(HttpStatusCode.UnprocessableEntity, other.StatusCode);
        Assert.Equal("application/problem+json", other.Content.Headers.ContentType!.MediaType);

        // It names a request to one address.
        Assert.Equal(
            HttpStatusCode.NotFound,
            (await Send("/v1/sessions/nobody/wake", """{"reason":"r"}""", key)).StatusCode
        );
    }

    [Fact]
    public async Task A_request_that_is_under_way_is_not_done_beside_itself()
    {
        var session = await wake.Session("patient");
        var (path, key) = ($"/v1/sessions/{Uri.EscapeDataString(session)}/wake", NewKey());
        using var hold = new HoldFile();
        var first = Send(
            path,
            JsonSerializer.Serialize(new { reason = $"[[fake:first hold {hold.Path}]]" }),
            key,
            wait: 60
        );
        await wake.WaitForState(session, SessionState.Running);

        var beside = await Send(
            path,
            JsonSerializer.Serialize(new { reason = $"[[fake:first hold {hold.Path}]]" }),
            key,
            wait: 60
        );

        Assert.Equal(HttpStatusCode.Conflict, beside.StatusCode);
        Assert.NotNull(beside.Headers.RetryAfter);
        hold.Release();
        Assert.Equal(HttpStatusCode.OK, (await first).StatusCode);
        Assert.Equal(
            HttpStatusCode.OK,
            (
                await Send(
                    path,
                    JsonSerializer.Serialize(new { reason = $"[[fake:first hold {hold.Path}]]" }),
                    key,
                    wait: 60
                )
            ).StatusCode
        );
    }

    [Fact]
    public async Task A_refusal_does_not_use_a_key_up()
    {
        var key = NewKey();
        Assert.Equal(HttpStatusCode.BadRequest, (await Send("/v1/events", "{", key)).StatusCode);
        Assert.Equal(
            HttpStatusCode.RequestEntityTooLarge,
            (await Send("/v1/events", new string(' ', 9_000_000), key)).StatusCode
        );
        Assert.Equal(HttpStatusCode.Accepted, (await Send("/v1/events", Event(), key)).StatusCode);
    }

    [Theory]
    [InlineData("\"\"")]
    [InlineData("long")]
    public async Task A_key_that_is_not_one_is_refused(string key) =>
        Assert.Equal(
            HttpStatusCode.BadRequest,
            (await Send("/v1/events", Event(), key == "long" ? new string('k', 256) : key)).StatusCode
        );

    [Fact]
    public async Task An_answer_survives_the_restart_of_the_gateway_and_what_died_is_done_again_as_the_same()
    {
        await using var system = await WakeSystem.Create(Transport.RabbitMq);
        var gateway = await system.StartProcess("Wake.Gateway");
        var key = await system.Session();
        var (path, body) = ($"/v1/sessions/{Uri.EscapeDataString(key)}/wake", """{"reason":"once"}""");
        var (kept, died) = (NewKey(), NewKey());
        var first = await Text(await Send(system, path, body, kept));
        await Send(system, path, body, died);

        // As it is when a gateway dies between doing and answering, and its patience is over.
        await system.Scalar<long>(
            "with dead as (update idempotency_keys set status = null, patience = now() where seq = (select max(seq) "
                + "from idempotency_keys) returning 1) select count(*) from dead"
        );
        await gateway.Kill();
        await system.StartProcess("Wake.Gateway");

        Assert.Equal(first, await Text(await Send(system, path, body, kept)));
        Assert.Equal(HttpStatusCode.Accepted, (await Send(system, path, body, died)).StatusCode);
        Assert.Equal(2, await system.Scalar<long>("select count(*) from events"));
    }

    /// <summary>What is asked, a text that is in the statement that does it, and what counts what was done.</summary>
    static (string Path, string Body, string Made)[] Requests(string session, string mark) =>
        [
            ("/v1/events", Event($"{mark} event"), $"select count(*) from events where subject = '{mark} event'"),
            (
                "/v1/sessions",
                JsonSerializer.Serialize(new { key = $"{mark} session", workspace = "/tmp" }),
                $"select count(*) from sessions where key = '{mark} session'"
            ),
            (
                "/v1/watches",
                JsonSerializer.Serialize(new { session, subject = $"{mark} watch" }),
                $"select count(*) from watches where subject = '{mark} watch'"
            ),
            (
                $"/v1/sessions/{Uri.EscapeDataString(session)}/schedule",
                JsonSerializer.Serialize(new { reason = $"{mark} later", at = DateTimeOffset.UtcNow.AddDays(1) }),
                $"select count(*) from scheduled_wakes where reason = '{mark} later'"
            ),
            (
                $"/v1/sessions/{Uri.EscapeDataString(session)}/wake",
                JsonSerializer.Serialize(new { reason = $"{mark} now" }),
                $"select count(*) from events where reason = '{mark} now'"
            ),
        ];

    [Fact]
    public async Task What_is_cut_off_at_its_commit_is_not_said_to_be_undone_and_done_again_it_is_done_once()
    {
        await using var wire = new TcpProxy(new Npgsql.NpgsqlConnectionStringBuilder(await Servers.Postgres).Port);
        await using var system = await WakeSystem.Create(Transport.InMemory);
        await system.StartProcess("Wake.Standalone", Through(wire, system));
        var session = await system.Session();
        var mark = $"cut {Guid.NewGuid()}";

        foreach (var (path, body, made) in Requests(session, mark))
        {
            var key = NewKey();
            var said = wire.HoldAnswersTo(mark);
            var first = Send(system, path, body, key);
            await said;
            await Eventually.Holds(async () => await system.Scalar<long>(made) == 1, $"{path} is committed");
            wire.Cut();

            var refused = await first;
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            Assert.Contains("whether this was done is not known", await Text(refused));

            // Another request does not take its place.
            Assert.Contains(
                (await Send(system, path, Event(), key)).StatusCode,
                (HttpStatusCode[])[HttpStatusCode.UnprocessableEntity, HttpStatusCode.ServiceUnavailable]
            );
            var again = await Settled(system, path, body, key);
            Assert.True(again.IsSuccessStatusCode, $"{path}: {await Text(again)}");
            Assert.DoesNotContain("duplicate", await Text(again));
            Assert.Equal(1, await system.Scalar<long>(made));
            Assert.Equal(await Text(again), await Text(await Settled(system, path, body, key)));
        }
    }

    [Fact]
    public async Task What_a_killed_gateway_had_committed_is_not_done_a_second_time_even_if_it_is_over_by_then()
    {
        await using var wire = new TcpProxy(new Npgsql.NpgsqlConnectionStringBuilder(await Servers.Postgres).Port);
        await using var system = await WakeSystem.Create(Transport.InMemory);
        await system.StartProcess("Wake.Standalone");
        var session = await system.Session();
        var mark = $"killed {Guid.NewGuid()}";
        List<(string Path, string Body, string Made, string Key)> asked = [];

        foreach (var request in Requests(session, mark).Select((x, i) => (x.Path, x.Body, x.Made, i)))
        {
            var key = NewKey();
            await system.Processes[^1].Kill();
            var gateway = await system.StartProcess("Wake.Standalone", Through(wire, system));
            var said = wire.HoldAnswersTo(mark);
            var first = Send(system, request.Path, request.Body, key);
            await said;
            await Eventually.Holds(
                async () => await system.Scalar<long>(request.Made) == 1,
                $"{request.Path} is committed"
            );
            await gateway.Kill();
            await Assert.ThrowsAnyAsync<HttpRequestException>(() => first);
            wire.Cut();
            asked.Add((request.Path, request.Body, request.Made, key));
        }

        await system.StartProcess("Wake.Standalone");
        await system.Scalar<long>(
            "with dead as (update idempotency_keys set patience = now() where status is null returning 1) select "
                + "count(*) from dead"
        );

        // The watch and the wake at a date have come and gone before anybody asks again.
        await system.Scalar<long>(
            "with gone as (delete from watches where subject like 'killed %' returning 1) select count(*) from gone"
        );
        await system.Scalar<long>(
            "with gone as (delete from scheduled_wakes where reason like 'killed %' returning 1) select count(*) "
                + "from gone"
        );

        foreach (var (path, body, made, key) in asked)
        {
            var before = await system.Scalar<long>(made);
            var again = await Settled(system, path, body, key);

            Assert.True(again.IsSuccessStatusCode, $"{path}: {await Text(again)}");
            Assert.DoesNotContain("duplicate", await Text(again));
            Assert.Equal(before, await system.Scalar<long>(made));
        }

        await system.WaitForTurnEnd(session, 1);
        await system.WaitUntilIdle();
        Assert.Single(await system.Turns(session));
    }

    [Fact]
    public async Task A_hint_to_the_sweepers_that_is_lost_fails_nobody()
    {
        await using var wire = new TcpProxy(new Npgsql.NpgsqlConnectionStringBuilder(await Servers.Postgres).Port);
        await using var system = await WakeSystem.Create(Transport.InMemory);
        await system.StartProcess("Wake.Standalone", Through(wire, system));
        var session = await system.Session("instant");
        var said = wire.HoldAnswersTo("notify wake_due", everywhere: false);

        var first = Send(
            system,
            $"/v1/sessions/{Uri.EscapeDataString(session)}/wake",
            """{"reason":"now"}""",
            NewKey()
        );
        await said;
        wire.CutWhereSaid();

        Assert.Equal(HttpStatusCode.Accepted, (await first).StatusCode);
        Assert.Equal(["now"], (await system.WaitForTurnEnd(session, 1)).Reasons);
    }

    static Dictionary<string, string> Through(TcpProxy wire, WakeSystem system) =>
        new()
        {
            ["ConnectionStrings__Wake"] = new Npgsql.NpgsqlConnectionStringBuilder(system.ConnectionString)
            {
                Host = "127.0.0.1",
                Port = wire.Port,
            }.ConnectionString,
        };

    // Until it is no longer under way, nor a connection of before the cut in use.
    static async Task<HttpResponseMessage> Settled(WakeSystem system, string path, string body, string key) =>
        await Eventually.Sees(
            async () =>
                await Send(system, path, body, key) is var answer
                && answer.StatusCode is not (HttpStatusCode.Conflict or HttpStatusCode.ServiceUnavailable)
                    ? answer
                    : null,
            $"{path} is answered"
        );

    [Fact]
    public async Task What_is_older_than_a_day_is_forgotten()
    {
        var (session, key) = (await wake.Session(), NewKey());
        var path = $"/v1/sessions/{Uri.EscapeDataString(session)}/wake";
        await Send(path, """{"reason":"today"}""", key);
        await wake.Scalar<long>(
            "with old as (update idempotency_keys set begun_at = now() - interval '25 hours' returning 1) select "
                + "count(*) from old"
        );

        await Send(path, """{"reason":"tomorrow"}""", key);

        await wake.WaitUntilIdle();
        Assert.Equal(["today", "tomorrow"], (await wake.Turns(session)).SelectMany(x => x.Reasons));
        Assert.Equal(
            0,
            await wake.Scalar<long>("select count(*) from idempotency_keys where begun_at < now() - interval '1 day'")
        );
    }

    [Fact]
    public async Task Waiting_answers_when_the_turn_is_over()
    {
        var key = await wake.WatchingSession();

        var answer = await Send("/v1/events", Event(WakeSystem.Subject(key)), wait: 60);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("wait=60", Assert.Single(answer.Headers.GetValues("Preference-Applied")));
        var told = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.True(told.GetProperty("completed").GetBoolean());
        var delivery = Assert.Single(told.GetProperty("inboxEntries").EnumerateArray());
        Assert.Equal(
            (key, "ended"),
            (delivery.GetProperty("session").GetString(), delivery.GetProperty("turn").GetProperty("state").GetString())
        );
    }

    [Fact]
    public async Task Waiting_ends_when_the_time_is_over_with_what_is_known()
    {
        var key = await wake.WatchingSession("patient");

        var answer = await Send("/v1/events", $"[{Event(WakeSystem.Subject(key))}]", wait: 0);

        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        var told = Assert.Single((await answer.Content.ReadFromJsonAsync<List<JsonElement>>())!);
        Assert.Equal(
            (false, "routed"),
            (told.GetProperty("completed").GetBoolean(), told.GetProperty("outcome").GetString())
        );
        await wake.WaitForTurnEnd(key, 1);
    }

    [Fact]
    public async Task Nobody_waits_for_an_event_that_nobody_watches() =>
        Assert.Equal(HttpStatusCode.OK, (await Send("/v1/events", Event(), wait: 60)).StatusCode);

    static string NewKey() => $"\"{Guid.NewGuid()}\"";

    static string Event(string? subject = null) =>
        JsonSerializer.Serialize(
            new
            {
                id = $"{Guid.NewGuid()}",
                source = "test:producer",
                type = "test.happened",
                subject = subject ?? "nobody's",
                reason = "r",
            }
        );

    static Task<string> Text(HttpResponseMessage answer) => answer.Content.ReadAsStringAsync();

    Task<HttpResponseMessage> Send(string path, string body, string? key = null, int? wait = null) =>
        Send(wake, path, body, key, wait);

    static Task<HttpResponseMessage> Send(
        WakeSystem system,
        string path,
        string body,
        string? key = null,
        int? wait = null
    )
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new StringContent(body, new MediaTypeHeaderValue("application/json")),
        };
        if (key is not null)
            request.Headers.TryAddWithoutValidation("Idempotency-Key", key);
        if (wait is not null)
            request.Headers.TryAddWithoutValidation("Prefer", $"respond-async, wait={wait}");
        return system.Http.SendAsync(request);
    }
}
