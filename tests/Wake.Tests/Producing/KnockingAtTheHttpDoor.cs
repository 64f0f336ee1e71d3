using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>Bad input at the HTTP door: a clear answer, nothing lost, nothing executed.</summary>
[Trait("Starts", "processes")]
public sealed class KnockingAtTheHttpDoor(StandaloneSystem shared) : IClassFixture<StandaloneSystem>
{
    const string Good = """{"id":"good","source":"s","type":"t","subject":"s","reason":"r"}""";

    readonly WakeSystem wake = shared.System;

    public static TheoryData<string, int> Bodies =>
        new()
        {
            { "", 400 },
            { "{", 400 },
            { "null", 400 },
            { "42", 400 },
            { "{}", 400 },
            { """{"id":1}""", 400 },
            { """{"id":"x","source":"s","type":"t","subject":"s","reason":"r","delivery":"later"}""", 400 },
            { """{"id":"x","source":"s","type":"t","subject":"\u0000","reason":"r"}""", 400 },
            { $"[{Good},{{}}]", 400 },
            { $"[{string.Concat(Enumerable.Repeat("[", 500))}{string.Concat(Enumerable.Repeat("]", 500))}]", 400 },
            { $"[{string.Join(',', Enumerable.Repeat(Good, 1001))}]", 413 },
            {
                $$"""{"id":"x","source":"s","type":"t","subject":"s","reason":"r","data":"{{new string('d', 300_000)}}"}""",
                400
            },
            {
                $$"""{"id":"x","source":"s","type":"t","subject":"s","reason":"r","data":"{{new string('d', 10_000_000)}}"}""",
                413
            },
        };

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task A_body_that_holds_no_event_is_refused_whole(string body, int status)
    {
        var before = await wake.Scalar<long>("select count(*) from events");

        var answer = await wake.Http.PostAsync("/v1/events", Json(body));

        await IsProblem(answer, status);
        Assert.Equal(before, await wake.Scalar<long>("select count(*) from events"));
    }

    [Fact]
    public async Task What_was_not_taken_as_it_came_is_answered_kept_and_explained()
    {
        byte[] body =
        [
            0xEF,
            0xBB,
            0xBF,
            .. """{"id":4711,"source":"s","type":"t","subject":"mended","reason":"r","time":"yesterday","dedup_key":"k"}"""u8,
        ];

        var tried = await Answer("/v1/events?dryRun=true", 200);
        var taken = await Answer("/v1/events", 202);
        var explained = await wake.Http.GetFromJsonAsync<JsonElement>("/v1/explain/events/4711");

        string[] warnings =
        [
            "time cannot be read as a moment and was left out.",
            "dedup_key is no field of an event and was ignored; dedupKey may be meant.",
        ];
        Assert.Equal(warnings, tried.GetProperty("warnings").EnumerateArray().Select(x => x.GetString()));
        Assert.Equal(
            ("4711", "unwatched"),
            (taken.GetProperty("id").GetString(), taken.GetProperty("outcome").GetString())
        );
        Assert.Equal(warnings, taken.GetProperty("warnings").EnumerateArray().Select(x => x.GetString()));
        Assert.Equal(
            warnings,
            explained
                .GetProperty("ledger")
                .EnumerateArray()
                .Where(x => x.GetProperty("what").GetString() == "warning")
                .Select(x => x.GetProperty("note").GetString())
        );

        async Task<JsonElement> Answer(string path, int status)
        {
            var answer = await wake.Http.PostAsync(
                path,
                new ByteArrayContent(body) { Headers = { ContentType = new("application/json") } }
            );
            Assert.Equal(status, (int)answer.StatusCode);
            return await answer.Content.ReadFromJsonAsync<JsonElement>();
        }
    }

    [Fact]
    public async Task The_key_of_another_fact_is_told_in_the_answer_and_by_doctor()
    {
        await wake.Http.PostAsync(
            "/v1/events",
            Json("""{"id":"holder","source":"s","type":"t","subject":"one","reason":"r","dedupKey":"shared"}""")
        );

        var answer = await wake.Http.PostAsync(
            "/v1/events",
            Json("""{"id":"collides","source":"s","type":"t","subject":"two","reason":"r","dedupKey":"shared"}""")
        );
        var said = await WakeCommandLine.Run(wake.Here, null, "doctor");

        Assert.Equal(
            "holder",
            (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("collidesWith").GetString()
        );
        Assert.Contains("came under the dedupKey of another fact", said.Output);
        Assert.Contains("wake explain collides", said.Output);
    }

    [Fact]
    public async Task A_body_of_another_type_is_refused() =>
        await IsProblem(
            await wake.Http.PostAsync("/v1/events", new StringContent(Good, Encoding.UTF8, "text/plain")),
            415
        );

    [Fact]
    public async Task An_unknown_path_and_a_wrong_method_are_problems_too()
    {
        await IsProblem(await wake.Http.GetAsync("/v1/nothing"), 404);
        await IsProblem(await wake.Http.PutAsync("/v1/events", Json(Good)), 405);
    }

    public static TheoryData<string> Sessions =>
        new()
        {
            "",
            "{}",
            """{"key":"k"}""",
            """{"key":"","workspace":"/"}""",
            """{"key":"..","workspace":"/"}""",
            """{"key":"k","workspace":"relative"}""",
            """{"key":"k","workspace":"../.."}""",
            """{"key":"k","workspace":"/tmp/\u0000x"}""",
            """{"key":"k","workspace":"/","claudeSessionId":"not-a-uuid"}""",
            """{"key":"k","workspace":"/","claudeSessionId":"--dangerously-skip-permissions"}""",
            """{"key":"k","workspace":"/","claudeSessionId":"../../etc/passwd"}""",
            $$"""{"key":"{{new string('k', 600)}}","workspace":"/"}""",
        };

    [Theory]
    [MemberData(nameof(Sessions))]
    public async Task A_session_that_is_not_one_is_refused(string body) =>
        await IsProblem(await wake.Http.PostAsync("/v1/sessions", Json(body)), 400);

    [Theory]
    [InlineData("""{"subject":"s"}""", 400)]
    [InlineData("""{"session":"nobody","subject":"s"}""", 404)]
    [InlineData("""{"session":"nobody","subject":"s","types":[]}""", 400)]
    [InlineData("""{"session":"nobody","subject":"s","expires":"soon"}""", 400)]
    [InlineData("""{"session":"nobody","subject":"s","where":["data.x > 3"]}""", 400)]
    [InlineData("""{"session":"nobody","subject":"s","until":[""]}""", 400)]
    public async Task A_watch_that_is_not_one_is_refused(string body, int status) =>
        await IsProblem(await wake.Http.PostAsync("/v1/watches", Json(body)), status);

    [Theory]
    [InlineData("r", "{}")]
    [InlineData("r", """{"session":"k@{subject}","workspace":"relative"}""")]
    [InlineData("r", """{"session":"k@{subject}","workspace":"/srv/{session}/../.."}""")]
    [InlineData("-r", """{"session":"k@{subject}","workspace":"/srv/{session}"}""")]
    [InlineData("r", """{"session":"k@{subject}","workspace":"/srv/{session}","types":"all"}""")]
    public async Task A_route_that_is_not_one_is_refused(string name, string body) =>
        await IsProblem(await wake.Http.PutAsync($"/v1/routes/{name}", Json(body)), 400);

    [Theory]
    [InlineData("GET", "/v1/watches?session=a%00b", 400)]
    [InlineData("GET", "/v1/sessions?after=%00", 400)]
    [InlineData("GET", "/v1/explain/events/x?source=%00", 400)]
    [InlineData("POST", "/v1/events/x/replay?source=%00", 400)]
    public async Task What_no_database_can_hold_is_the_callers_mistake_and_not_its_absence(
        string method,
        string path,
        int status
    ) => await IsProblem(await wake.Http.SendAsync(new(new(method), path)), status);

    [Theory]
    [InlineData("/etc/passwd/x", "/etc/passwd is no directory")]
    [InlineData("/nowhere/at/all", "names no Repository to make it from")]
    [InlineData("/tmp/{session}", "has to be made by somebody else")]
    [InlineData("/tmp", null)]
    public async Task A_route_whose_sessions_may_not_work_is_set_with_a_warning(string workspace, string? warning)
    {
        var answer = await wake.Http.PutAsJsonAsync(
            $"/v1/routes/r{Guid.NewGuid():N}",
            new
            {
                session = "k@{subject}",
                subject = "never",
                workspace,
            }
        );

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var route = await answer.Content.ReadFromJsonAsync<JsonElement>();
        if (warning is null)
            Assert.False(route.TryGetProperty("warnings", out _));
        else
            Assert.Contains(warning, Assert.Single(route.GetProperty("warnings").EnumerateArray()).GetString());
    }

    [Fact]
    public async Task A_wish_with_the_same_dedup_key_is_the_same_wish_to_that_session()
    {
        var (key, other) = (await wake.Session(), await wake.Session());

        var first = await Wish(key, "PR #972 merged", "merged-972");
        await wake.WaitForTurnEnd(key, 1);
        var again = await Wish(key, "PR #972 merged, said again", "merged-972");
        var elsewhere = await Wish(other, "PR #972 merged", "merged-972");

        Assert.Equal(
            ["routed", "duplicate", "routed"],
            ((JsonElement[])[first, again, elsewhere]).Select(x => x.GetProperty("outcome").GetString())
        );
        Assert.Equal(first.GetProperty("id").GetString(), again.GetProperty("duplicateOf").GetString());
        await wake.WaitForTurnEnd(other, 1);
        await wake.WaitUntilIdle();
        Assert.Single(await wake.Turns(key));
        foreach (var wrong in (string[])["", " ", "a\0b", new string('k', 513)])
            Assert.Equal(HttpStatusCode.BadRequest, (await Send(key, "r", wrong)).StatusCode);
        Assert.Equal("routed", (await Wish(key, "r", new string('k', 512))).GetProperty("outcome").GetString());
        Assert.Equal("duplicate", (await Wish(key, "r", new string('k', 512))).GetProperty("outcome").GetString());

        async Task<JsonElement> Wish(string session, string reason, string dedupKey)
        {
            var answer = await Send(session, reason, dedupKey);
            Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
            return await answer.Content.ReadFromJsonAsync<JsonElement>();
        }

        Task<HttpResponseMessage> Send(string session, string reason, string dedupKey) =>
            wake.Http.PostAsJsonAsync($"/v1/sessions/{Uri.EscapeDataString(session)}/wake", new { reason, dedupKey });
    }

    [Fact]
    public async Task Waking_nobody_and_explaining_nothing_are_not_found()
    {
        await IsProblem(await wake.Http.PostAsync("/v1/sessions/nobody/wake", Json("""{"reason":"r"}""")), 404);
        await IsProblem(await wake.Http.GetAsync("/v1/sessions/nobody"), 404);
        await IsProblem(await wake.Http.GetAsync("/v1/explain/events/nothing"), 404);
        await IsProblem(await wake.Http.GetAsync("/v1/explain/sessions/nobody"), 404);
        await IsProblem(await wake.Http.DeleteAsync("/v1/sessions/nobody"), 404);
        await IsProblem(await wake.Http.PostAsync("/v1/sessions/nobody/reset", Json("{}")), 404);
        await IsProblem(await wake.Http.DeleteAsync($"/v1/watches/{Guid.NewGuid()}"), 404);
        await IsProblem(await wake.Http.DeleteAsync("/v1/routes/nothing"), 404);
        await IsProblem(await wake.Http.DeleteAsync($"/v1/pauses/{Guid.NewGuid()}"), 404);
        await IsProblem(await wake.Http.GetAsync($"/v1/notifications/nobody/{Guid.NewGuid()}"), 404);
        await IsProblem(await wake.Http.PostAsync("/v1/notifications/nobody/test", null), 404);
        await IsProblem(await wake.Http.PostAsync("/v1/notifications/nobody/redrive", null), 404);
        await IsProblem(await wake.Http.PostAsync("/v1/runners/nobody/drain", null), 404);
        await IsProblem(await wake.Http.DeleteAsync("/v1/runners/nobody/drain"), 404);
        await IsProblem(await wake.Http.PostAsync("/v1/dead-letters/redrive", Json("{}")), 400);
        await IsProblem(await wake.Http.PostAsync("/v1/dead-letters/drop", Json("""{"ids":["x"],"all":true}""")), 400);
        await IsProblem(await wake.Http.PostAsync("/v1/events/nothing/replay", null), 404);
        await IsProblem(
            await wake.Http.PostAsync(
                "/v1/sessions/nobody/schedule",
                Json("""{"reason":"r","at":"2031-02-03T04:05:06Z"}""")
            ),
            404
        );
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("implementer@github:octo-org/hello#972")]
    [InlineData("with/slash and space")]
    [InlineData("with%2Fescape")]
    [InlineData("with?query=1&x=2#fragment")]
    [InlineData("'; drop table sessions; --")]
    [InlineData("$(touch /tmp/wake-executed) `touch /tmp/wake-executed`")]
    [InlineData("-rf --help")]
    [InlineData("line\nbreak\ttab")]
    [InlineData("🚀 ü ‮")]
    [InlineData("...")]
    public async Task A_key_is_the_same_on_every_way_in_and_out(string key)
    {
        await wake.Session(key: key);
        await wake.Watch(key, $"subject {key}");
        var observed = WakeSystem.Event($"subject {key}", key, reason: $"reason {key}", id: $"event {key}");

        Assert.Equal(
            key,
            Assert.Single((await wake.Post(observed))[0].GetProperty("sessions").EnumerateArray()).GetString()
        );

        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal([$"reason {key}"], turn.Reasons);
        Assert.Equal(key, (await wake.Show(key)).Key);
        Assert.Equal($"event {key}", (await wake.ExplainEvent($"event {key}")).Event.Id);
        Assert.False(File.Exists("/tmp/wake-executed"));
    }

    [Fact]
    public async Task Registering_again_is_no_mistake_and_taking_a_key_or_a_memory_is()
    {
        var claudeSession = Guid.NewGuid();
        var key = await wake.Session(claudeSession: claudeSession);
        var session = await wake.Show(key);
        var again = new
        {
            key,
            workspace = session.Workspace,
            profile = session.Profile,
            claudeSessionId = claudeSession,
        };

        Assert.Equal(HttpStatusCode.OK, (await wake.Http.PostAsJsonAsync("/v1/sessions", again)).StatusCode);
        await IsProblem(await wake.Http.PostAsJsonAsync("/v1/sessions", again with { workspace = "/elsewhere" }), 409);
        await IsProblem(await wake.Http.PostAsJsonAsync("/v1/sessions", again with { key = "another" }), 409);
    }

    [Fact]
    public async Task A_key_may_be_taken_again_once_its_session_is_closed()
    {
        var key = await wake.WatchingSession();
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "first"));
        var first = (await wake.WaitForTurnEnd(key, 1)).ClaudeSessionId;
        await wake.Http.DeleteAsync($"/v1/sessions/{Uri.EscapeDataString(key)}");

        await wake.Session(key: key);
        await wake.Wake(key, "begin again");

        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal(["begin again"], turn.Reasons);
        Assert.NotEqual(first, turn.ClaudeSessionId);
    }

    [Theory]
    [InlineData("evil.example", null, 403)]
    [InlineData("127.0.0.1.evil.example", null, 403)]
    [InlineData("localhost", "https://evil.example", 403)]
    [InlineData("localhost", "null", 403)]
    [InlineData("localhost", null, 200)]
    public async Task Pages_in_a_browser_do_not_come_in(string host, string? origin, int status)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/sessions");
        request.Headers.Host = $"{host}:{wake.Http.BaseAddress!.Port}";
        if (origin is not null)
            request.Headers.Add("Origin", origin);

        Assert.Equal(status, (int)(await wake.Http.SendAsync(request)).StatusCode);
    }

    [Fact]
    public async Task Health_and_the_open_api_document_are_there()
    {
        Assert.Equal(HttpStatusCode.OK, (await wake.Http.GetAsync("/health/live")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await wake.Http.GetAsync("/health/ready")).StatusCode);

        var document = await wake.Http.GetFromJsonAsync<JsonElement>("/openapi/v1.json");
        var paths = document.GetProperty("paths").EnumerateObject().Select(x => x.Name).ToList();
        string[] promised =
        [
            "/v1/events",
            "/v1/events/{id}/replay",
            "/v1/sessions",
            "/v1/sessions/{key}",
            "/v1/sessions/batch",
            "/v1/sessions/{key}/turns",
            "/v1/sessions/{key}/turns/{number}/live",
            "/v1/sessions/{key}/turns/{number}/transcript",
            "/v1/runners",
            "/v1/sources",
            "/v1/activity",
            "/v1/sessions/{key}/wake",
            "/v1/sessions/{key}/reset",
            "/v1/sessions/{key}/permissions",
            "/v1/sessions/{key}/permissions/{id}",
            "/v1/sessions/{key}/schedule",
            "/v1/sessions/{key}/schedule/{id}",
            "/v1/routes",
            "/v1/routes/{name}",
            "/v1/watches",
            "/v1/watches/{id}",
            "/v1/explain/events/{id}",
            "/v1/explain/sessions/{key}",
            "/v1/pauses",
            "/v1/pauses/{id}",
            "/v1/breakers",
            "/v1/notifications",
            "/v1/notifications/{target}",
            "/v1/notifications/{target}/{id}",
            "/v1/notifications/{target}/test",
            "/v1/notifications/{target}/redrive",
            "/v1/dead-letters",
            "/v1/dead-letters/redrive",
            "/v1/dead-letters/drop",
            "/v1/runners/{name}/drain",
            "/v1/costs/profiles",
            "/v1/sources/reports",
            "/v1/matches",
            "/v1/questions",
            "/v1/questions/{id}",
            "/v1/questions/{id}/answer",
            "/v1/tail",
            "/v1/costs",
            "/v1/keys",
            "/v1/keys/{id}",
            "/v1/keys/{id}/rotate",
            "/v1/audit",
            "/v1/collisions",
            "/v1/browser",
            "/v1/caller",
            "/v1/config",
            "/v1/terminals/{claudeSessionId}/acknowledge",
            "/v1/terminals/{claudeSessionId}/hooks",
            "/v1/terminals/{claudeSessionId}/state",
            "/v1/terminals/{claudeSessionId}/transcript",
            "/v1/terminals/{claudeSessionId}/wait",
        ];
        Assert.Equal(promised.Order(), paths.Where(x => x.StartsWith("/v1", StringComparison.Ordinal)).Order());
        Assert.Equal(
            "key",
            document
                .GetProperty("paths")
                .GetProperty("/v1/sessions/{key}")
                .GetProperty("get")
                .GetProperty("parameters")[0]
                .GetProperty("name")
                .GetString()
        );
    }

    [Fact]
    public async Task The_tail_tells_what_happens_as_it_happens()
    {
        var key = await wake.WatchingSession();
        using var reader = new StreamReader(await wake.Http.GetStreamAsync("/v1/tail"));
        var observed = WakeSystem.Event(WakeSystem.Subject(key), "merged");

        await wake.Publish(observed);

        List<string> told = [];
        while (!told.Contains("ended"))
        {
            var line =
                await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(20)) ?? throw new EndOfStreamException();
            if (
                line.StartsWith("data: ", StringComparison.Ordinal)
                && JsonElement.Parse(line[6..]) is var data
                && (
                    data.TryGetProperty("session", out var session) && session.GetString() == key
                    || data.TryGetProperty("event", out var id) && id.GetString() == observed.Id
                )
            )
                told.Add(data.GetProperty("what").GetString()!);
        }

        Assert.Equal(["accepted", "routed", "dispatched", "claimed", "begun", "ended"], told);
    }

    static StringContent Json(string body) => new(body, new MediaTypeHeaderValue("application/json"));

    static async Task IsProblem(HttpResponseMessage answer, int status)
    {
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True((int)answer.StatusCode == status, $"{(int)answer.StatusCode} instead of {status}: {text}");
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        Assert.Equal(status, JsonElement.Parse(text).GetProperty("status").GetInt32());
        Assert.DoesNotContain("Npgsql", text);
        Assert.DoesNotContain("Exception", text);
    }
}
