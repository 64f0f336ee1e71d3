using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text.Json;
using Wake.Contracts.Http;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>People read what a turn says, while it runs and afterwards.</summary>
[Trait("Starts", "processes")]
public sealed class FollowingATurn(StandaloneSystem shared) : IClassFixture<StandaloneSystem>
{
    static readonly JsonSerializerOptions Json = JsonSerializerOptions.Web;

    readonly WakeSystem wake = shared.System;

    [Fact]
    public async Task A_turn_that_runs_is_shown_as_it_goes_on_and_to_its_end()
    {
        using var hold = new HoldFile();
        var key = await wake.Session("instant");
        await wake.Wake(key, $"look [[fake:tool]][[fake:hold {hold.Path}]][[fake:say Well done]]");
        await hold.Reached();

        await using var stream = await wake.Http.GetStreamAsync(Path(key, 1, "live"));
        await using var lines = SseParser.Create(stream).EnumerateAsync().GetAsyncEnumerator();
        List<TranscriptEntry> seen = [];
        string? last = null;
        while (!seen.Any(x => x.Kind is TranscriptEntryKind.Result))
            Assert.False(await Next());
        Assert.Contains("look", seen[0].Text);
        Assert.Equal(TranscriptEntryKind.Wake, seen[0].Kind);
        Assert.DoesNotContain(seen, x => x.Text == "Well done");

        hold.Release();
        while (!await Next()) { }

        Assert.Contains(seen, x => x is { Kind: TranscriptEntryKind.Model, Text: "Well done" });
        Assert.Single(seen, x => x.Kind is TranscriptEntryKind.Wake);
        await wake.WaitForTurnEnd(key, 1);
        Assert.Equal(seen, await wake.Http.GetFromJsonAsync<List<TranscriptEntry>>(Path(key, 1, "transcript"), Json));

        // Who was cut off goes on behind what they have.
        var again = new HttpRequestMessage(HttpMethod.Get, Path(key, 1, "live"));
        again.Headers.TryAddWithoutValidation("Last-Event-ID", last);
        var rest = await (await wake.Http.SendAsync(again)).Content.ReadAsStringAsync();
        Assert.DoesNotContain("Well done", rest);
        Assert.Contains("event: end", rest);

        async Task<bool> Next()
        {
            Assert.True(await lines.MoveNextAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30)));
            if (lines.Current.EventType == "entries")
            {
                seen.AddRange(JsonSerializer.Deserialize<TranscriptEntry[]>(lines.Current.Data, Json)!);
                last = lines.Current.EventId;
            }

            return lines.Current.EventType == "end";
        }
    }

    [Fact]
    public async Task Secrets_are_not_shown_and_a_key_needs_the_scope_for_it()
    {
        const string secret = "ghp_0123456789abcdefghijABCDEFGHIJ";
        var key = await wake.Session("instant");
        await wake.Wake(key, $"push [[fake:say the token {secret} works]]");
        await wake.WaitForTurnEnd(key, 1);

        Assert.DoesNotContain(secret, await wake.Http.GetStringAsync(Path(key, 1, "transcript")));
        Assert.Contains("the token [redacted] works", await wake.Http.GetStringAsync(Path(key, 1, "transcript")));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusWith("sessions:read", Path(key, 1, "transcript")));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusWith("sessions:read", Path(key, 1, "live")));
        Assert.Equal(HttpStatusCode.OK, await StatusWith("transcripts:read", Path(key, 1, "transcript")));
        Assert.Equal(HttpStatusCode.NotFound, await StatusWith("transcripts:read", Path(key, 2, "transcript")));
        Assert.Equal(
            HttpStatusCode.BadRequest,
            await StatusWith("transcripts:read", Path(key, 1, "transcript") + "?cursor=nonsense")
        );
    }

    [Fact]
    public async Task The_command_shows_a_turn_as_text()
    {
        var key = await wake.Session("instant");
        await wake.Wake(key, "look [[fake:say \u001b[31mred [bold]markup]]");
        await wake.WaitForTurnEnd(key, 1);

        var said = await WakeCommandLine.Run(wake.Here, null, "sessions", "transcript", key);

        Assert.Contains("model", said.Output);
        Assert.Contains("red [bold]markup", said.Output);
        Assert.DoesNotContain('\u001b', said.Output);
    }

    async Task<HttpStatusCode> StatusWith(string scope, string path)
    {
        var made = await wake.Http.PostAsJsonAsync("/v1/keys", new { name = scope, scopes = new[] { scope } });
        var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Authorization = new AuthenticationHeaderValue(
            "Bearer",
            (await made.Content.ReadFromJsonAsync<NewApiKey>(Json))!.Key
        );
        using var http = new HttpClient { BaseAddress = wake.Http.BaseAddress };
        return (await http.SendAsync(request)).StatusCode;
    }

    static string Path(string key, int wake, string what) =>
        $"/v1/sessions/{Uri.EscapeDataString(key)}/turns/{wake}/{what}";
}
