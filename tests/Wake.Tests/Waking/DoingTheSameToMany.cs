using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Wake.Contracts.Http;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>Many sessions are closed, paused or woken at once, after it was said how many; and all that people do is on
/// record.</summary>
[Trait("Starts", "processes")]
public sealed class DoingTheSameToMany(StandaloneSystem shared) : IClassFixture<StandaloneSystem>
{
    static readonly JsonSerializerOptions Json = JsonSerializerOptions.Web;

    readonly WakeSystem wake = shared.System;
    readonly string mark = $"{Guid.NewGuid():N}";

    [Fact]
    public async Task A_thousand_of_the_longest_keys_fit_into_one_request()
    {
        var keys = Enumerable.Range(0, 1000).Select(x => $"{x}".PadRight(512, 'ü')).ToList();

        var tried = await Batch(
            new
            {
                action = "close",
                keys,
                dryRun = true,
            }
        );

        Assert.Equal(1000, tried.Unknown!.Count);
    }

    [Fact]
    public async Task What_a_filter_finds_is_told_first_and_closed_then()
    {
        var keys = await Sessions(3);
        var other = await wake.Session("instant");

        var tried = await Batch(
            new
            {
                action = "close",
                filter = new { text = mark },
                dryRun = true,
            }
        );
        Assert.Equal((true, 3), (tried.DryRun, tried.Sessions.Count));
        Assert.NotEqual(SessionState.Closed, (await wake.Show(keys[0])).State);
        Assert.Equal(
            HttpStatusCode.Conflict,
            (
                await Post(
                    new
                    {
                        action = "close",
                        filter = new { text = mark },
                        expect = 2,
                    }
                )
            ).StatusCode
        );
        Assert.NotEqual(SessionState.Closed, (await wake.Show(keys[0])).State);

        var done = await Batch(
            new
            {
                action = "close",
                filter = new { text = mark },
                expect = 3,
            }
        );

        Assert.Equal(keys, done.Sessions);
        foreach (var key in keys)
        {
            Assert.Equal(SessionState.Closed, (await wake.Show(key)).State);
            Assert.Contains(
                (await wake.Explain(key)).Ledger,
                x => x.What == "closed" && x.Note?.EndsWith("over the API", StringComparison.Ordinal) is true
            );
        }

        Assert.NotEqual(SessionState.Closed, (await wake.Show(other)).State);
        Assert.Empty((await Batch(new { action = "close", filter = new { text = mark } })).Sessions);
    }

    [Fact]
    public async Task Those_of_keys_are_woken_once_and_unknown_ones_are_told()
    {
        var keys = await Sessions(2);
        var request = () =>
        {
            var again = new HttpRequestMessage(HttpMethod.Post, "/v1/sessions/batch")
            {
                Content = JsonContent.Create(
                    new
                    {
                        action = "wake",
                        keys = new[] { keys[0], "nobody", keys[1] },
                        reason = "look",
                    }
                ),
            };
            again.Headers.Add("Idempotency-Key", mark);
            return again;
        };

        var done = await Read(await wake.Http.SendAsync(request()));
        Assert.Equal(keys, done.Sessions);
        Assert.Equal(["nobody"], done.Unknown);
        await wake.Http.SendAsync(request());
        foreach (var key in keys)
            await wake.WaitForTurnEnd(key, 1);
        await wake.WaitUntilIdle();

        Assert.Single(await wake.Turns(keys[0]));
        Assert.Equal(["look"], (await wake.Turns(keys[1]))[0].Reasons);
    }

    [Fact]
    public async Task Each_is_paused_once_and_everything_is_in_the_activity()
    {
        var keys = await Sessions(2);
        await Batch(
            new
            {
                action = "pause",
                keys,
                reason = "moving",
            }
        );
        Assert.Empty((await Batch(new { action = "pause", keys })).Sessions);
        var pause = Assert.Single((await wake.Show(keys[0])).Paused!.Ids);
        await wake.Http.DeleteAsync($"/v1/pauses/{pause}");
        await wake.Wake(keys[0], "a word of mine");
        await Batch(new { action = "close", keys });

        List<LedgerLine> told = [];
        var next = "/v1/activity?limit=2";
        while (next is not null)
        {
            var page = await wake.Http.GetAsync(next);
            told.AddRange((await page.Content.ReadFromJsonAsync<List<LedgerLine>>(Json))!);
            next = page.Headers.TryGetValues("Link", out var links)
                ? links.Single().Split('>')[0].TrimStart('<')
                : null;
        }

        Assert.Equal(
            ["closed", "woken", "unpaused", "paused"],
            told.Where(x => x.Session == keys[0]).Select(x => x.What)
        );
        Assert.Equal(told.OrderByDescending(x => x.At), told);
        var paused = told.Single(x => x.Session == keys[0] && x.What == "paused").Note!;
        Assert.Contains("moving", paused);
        Assert.EndsWith("over the API", paused);
        var woken = told.Single(x => x.Session == keys[0] && x.What == "woken").Note!;
        Assert.StartsWith("a word of mine, by ", woken);
        Assert.EndsWith("over the API", woken);
    }

    [Theory]
    [InlineData("""{"action":"close"}""")]
    [InlineData("""{"action":"close","keys":["a"],"filter":{}}""")]
    [InlineData("""{"action":"close","keys":[]}""")]
    [InlineData("""{"keys":["a"]}""")]
    [InlineData("""{"action":"wake","keys":["a"]}""")]
    [InlineData("""{"action":"close","filter":{"state":"closed"}}""")]
    [InlineData("""{"action":"close","keys":["a"],"interrupt":true}""")]
    [InlineData("""{"action":"pause","keys":["a"],"until":"2020-01-01T00:00:00Z"}""")]
    public async Task What_could_be_meant_otherwise_is_refused(string body) =>
        Assert.Equal(
            HttpStatusCode.BadRequest,
            (
                await wake.Http.PostAsync("/v1/sessions/batch", new StringContent(body, null, "application/json"))
            ).StatusCode
        );

    [Fact]
    public async Task A_replay_says_what_it_is_told_to_say_and_no_longer_by_who_said_it_first()
    {
        var (first, second) = (await wake.WatchingSession("instant"), await wake.WatchingSession("instant"));
        await wake.Post(WakeSystem.Event(WakeSystem.Subject(first), "failed", id: mark));
        await wake.WaitForTurnEnd(first, 1);
        var change = new
        {
            subject = WakeSystem.Subject(second),
            reason = "as it were",
            data = new { edited = true },
        };

        var tried = await (
            await wake.Http.PostAsJsonAsync($"/v1/events/{mark}/replay?dryRun=true", change)
        ).Content.ReadFromJsonAsync<DryRunResult>(Json);
        Assert.Equal(second, Assert.Single(tried!.Sessions).Session);
        Assert.Empty(await wake.Turns(second));

        var answer = await wake.Http.PostAsJsonAsync($"/v1/events/{mark}/replay", change);
        var replayed = await answer.Content.ReadFromJsonAsync<IntakeResult>(Json);
        await wake.WaitForTurnEnd(second, 1);
        var explained = await wake.ExplainEvent(replayed!.Id);

        Assert.Equal([second], replayed.Sessions);
        Assert.Equal(("as it were", mark), (explained.Event.Reason, explained.Event.ReplayOf));
        Assert.True(explained.Event.Data!.Value.GetProperty("edited").GetBoolean());
        Assert.Single(await wake.Turns(first));

        foreach (
            var wrong in (object[])
                [new { type = "wake.requested" }, new { reason = "" }, new { subject = new string('s', 600) }]
        )
            Assert.Equal(
                HttpStatusCode.BadRequest,
                (await wake.Http.PostAsJsonAsync($"/v1/events/{mark}/replay", wrong)).StatusCode
            );
    }

    [Fact]
    public async Task Who_observes_and_who_runs_is_listed()
    {
        await wake.Post(WakeSystem.Event(mark, "happened") with { Source = $"ci:{mark}" });
        await wake.Http.PostAsJsonAsync("/v1/pauses", new { scope = "source", name = $"ci:{mark}" });

        var source = (await wake.Http.GetFromJsonAsync<List<EventSource>>("/v1/sources", Json))!.Single(x =>
            x.Source == $"ci:{mark}"
        );
        var runner = Assert.Single((await wake.Http.GetFromJsonAsync<List<RunnerSummary>>("/v1/runners", Json))!);

        Assert.Equal(1, source.Events);
        Assert.NotNull(source.Pause);
        Assert.True(runner.Connected);
        Assert.InRange(runner.Slots, 1, 1000);
    }

    async Task<IReadOnlyList<string>> Sessions(int count)
    {
        List<string> keys = [];
        for (var i = 1; i <= count; i++)
            keys.Add(await wake.Session("instant", key: $"{mark}/{i}"));
        return keys;
    }

    Task<HttpResponseMessage> Post(object body) => wake.Http.PostAsJsonAsync("/v1/sessions/batch", body);

    async Task<SessionBatchResult> Batch(object body) => await Read(await Post(body));

    static async Task<SessionBatchResult> Read(HttpResponseMessage answer)
    {
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<SessionBatchResult>(Json))!;
    }
}
