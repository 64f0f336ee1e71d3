using System.Net.Http.Json;
using System.Text.Json;
using Wake.Contracts.Http;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>Lists of sessions and events as programs and people ask for them.</summary>
[Trait("Starts", "processes")]
public sealed class AskingForPages(StandaloneSystem shared) : IClassFixture<StandaloneSystem>
{
    readonly WakeSystem wake = shared.System;

    [Fact]
    public async Task A_program_follows_the_links_from_page_to_page()
    {
        var (mark, keys) = ($"{Guid.NewGuid()}", new List<string>());
        for (var i = 0; i < 5; i++)
            keys.Add(await wake.Session(key: $"{mark} & {i}"));
        await wake.Post([.. keys.Select(x => WakeSystem.Event(x, x))]);

        var sessions = await Follow<Session>($"/v1/sessions?limit=2&sort=-key&text={mark}%20%26");
        var events = await Follow<EventSummary>($"/v1/events?limit=2&text={mark}");

        Assert.Equal([2, 2, 1], sessions.Select(x => x.Length));
        Assert.Equal(Enumerable.Reverse(keys), sessions.SelectMany(x => x).Select(x => x.Key));
        Assert.Equal([2, 2, 1], events.Select(x => x.Length));
        Assert.Equal(Enumerable.Reverse(keys), events.SelectMany(x => x).Select(x => x.Subject));
    }

    [Theory]
    [InlineData("/v1/sessions?state=asleep", "state", "must be one of idle, dispatched, waiting, running, parked")]
    [InlineData("/v1/sessions?sort=name", "sort", "must be one of key, created, lastTurn, cost, inbox, with -")]
    [InlineData("/v1/sessions?sort=--key", "sort", "must be one of")]
    [InlineData("/v1/sessions?cursor=nonsense", "cursor", "is none of this list")]
    [InlineData("/v1/events?cursor=nonsense", "cursor", "is none of this list")]
    [InlineData(
        "/v1/events?outcome=dead",
        "outcome",
        "must be one of routed, unwatched, woke, coalesced, duplicate, stale."
    )]
    [InlineData("/v1/events?limit=0", "limit", "must be from 1 to 1000.")]
    public async Task What_is_not_known_is_refused_with_what_is(string path, string field, string problem)
    {
        var answer = await wake.Http.GetAsync(path);

        Assert.Equal(400, (int)answer.StatusCode);
        var errors = (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("errors");
        Assert.Contains(problem, Assert.Single(errors.GetProperty(field).EnumerateArray()).GetString());
    }

    [Fact]
    public async Task A_person_lists_what_is_asked_for()
    {
        var key = await wake.WatchingSession();
        await wake.Session();
        await wake.Post(WakeSystem.Event(WakeSystem.Subject(key), "watched", reason: "PR #972 merged"));
        await wake.WaitForTurnEnd(key, 1);

        var sessions = await Run(
            "sessions",
            "--state",
            "idle",
            "--subject",
            WakeSystem.Subject(key),
            "--sort",
            "-lastTurn"
        );
        var events = await Run("events", "--session", key, "--since", "1h", "--type", "test.*");
        var json = await Run("events", "--session", key, "--output", "json");
        var none = await Run("events", "--session", key, "--outcome", "unwatched");
        var wrong = await WakeCommandLine.Run(wake.Here, null, "sessions", "--sort", "name");

        Assert.Contains(key, Assert.Single(Rows(sessions.Output)));
        Assert.Contains("PR #972 merged", Assert.Single(Rows(events.Output)));
        Assert.Equal(
            1,
            Assert.Single(JsonElement.Parse(json.Output).EnumerateArray()).GetProperty("sessionCount").GetInt32()
        );
        Assert.Equal(("", "There are no such events.\n"), (none.Output, none.Errors));
        Assert.Equal(1, wrong.ExitCode);
        Assert.Contains("sort: must be one of key, created, lastTurn, cost, inbox", wrong.Errors);
    }

    [Fact]
    public async Task A_person_is_told_how_to_go_on()
    {
        var subject = $"{Guid.NewGuid()}";
        await wake.Post(WakeSystem.Event(subject, "one"), WakeSystem.Event(subject, "two"));

        var first = await Run("events", "--subject", subject, "--limit", "1");
        var cursor = first.Errors.Trim().Split(' ')[^1];
        var second = await Run("events", "--subject", subject, "--limit", "1", "--cursor", cursor);

        Assert.Contains("two", Assert.Single(Rows(first.Output)));
        Assert.Contains("wake events --cursor", first.Errors);
        Assert.Contains("one", Assert.Single(Rows(second.Output)));
        Assert.Equal("", second.Errors);
    }

    async Task<CommandOutput> Run(params string[] arguments)
    {
        var said = await WakeCommandLine.Run(wake.Here, null, arguments);
        Assert.True(said.ExitCode == 0, said.Errors);
        return said;
    }

    // Below the headings.
    static string[] Rows(string table) => table.Split('\n', StringSplitOptions.RemoveEmptyEntries)[1..];

    async Task<List<T[]>> Follow<T>(string path)
    {
        List<T[]> pages = [];
        while (true)
        {
            var answer = await wake.Http.GetAsync(path);
            Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
            pages.Add(
                JsonSerializer.Deserialize<T[]>(await answer.Content.ReadAsStringAsync(), JsonSerializerOptions.Web)!
            );
            if (!answer.Headers.TryGetValues("Link", out var links))
                return pages;

            var link = Assert.Single(links);
            Assert.EndsWith(">; rel=\"next\"", link);
            path = link[1..link.IndexOf('>')];
        }
    }
}
