using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Wake.Prompting;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>A turn is read out of the transcript that it shares with others.</summary>
public sealed class ReadingATurn : IAsyncLifetime
{
    static readonly CancellationToken None = CancellationToken.None;

    readonly TestStore store = new();
    readonly Guid claudeSession = Guid.NewGuid();
    readonly MemoryStream file = new();
    TurnTranscripts transcripts = null!;
    Guid session;
    int rows;
    long saved;

    public async Task InitializeAsync()
    {
        await store.InitializeAsync();
        transcripts = new(store.Database);
        session = await store.Session("a");
        await store.Execute(
            """
            insert into session_ids (session_id, position, claude_session_id, reason, opened) values ($1, 1, $2, 'first', true)
            """,
            session,
            claudeSession
        );
    }

    public Task DisposeAsync() => store.DisposeAsync();

    [Fact]
    public async Task Each_turn_has_what_was_said_in_it_and_nothing_of_the_others()
    {
        await Typed("before anything");
        await Turn(1, "first wake", "first answer");
        await Typed("typed after it");
        await Turn(2, "second wake", "second answer");
        await Turn(3, "third wake", "third answer");

        Assert.Equal(["Wake first wake", "Model first answer"], await Texts(1));
        Assert.Equal(["Wake second wake", "Model second answer"], await Texts(2));
        Assert.Equal(["Wake third wake", "Model third answer"], await Texts(3));
        Assert.Empty(await Texts(4));
    }

    [Fact]
    public async Task The_clock_of_a_runner_may_be_wrong()
    {
        foreach (var minutes in (int[])[-10, 10])
        {
            var first = minutes < 0 ? 1 : 3;
            await Turn(first, "wake", "answer", TimeSpan.FromMinutes(minutes));
            await Turn(first + 1, "next wake", "next answer", TimeSpan.FromMinutes(minutes));
        }

        Assert.Equal(["Wake wake", "Model answer"], await Texts(1));
        Assert.Equal(["Wake next wake", "Model next answer"], (await Texts(2)).Take(2));
        Assert.Equal(["Wake wake", "Model answer"], await Texts(3));
        Assert.Equal(["Wake next wake", "Model next answer"], await Texts(4));
    }

    [Fact]
    public async Task Calls_and_their_results_are_told_with_their_ids_and_odd_rows_are_passed_over()
    {
        var turn = await store.OpenTurn(session);
        Prompt(turn, "wake");
        Row(
            "assistant",
            """[{"type":"thinking","thinking":"hm"},{"type":"tool_use","id":"t1","name":"Bash","input":{"command":"ls \u0000"}}]"""
        );
        Row(
            "user",
            """[{"type":"tool_result","tool_use_id":"t1","is_error":true,"content":[{"type":"text","text":"<script>"},{"type":"image"}]}]"""
        );
        Line("not json");
        Line("""{"type":"user","message":"odd"}""");
        Line("""{"type":"summary","summary":"s"}""");
        Line("""["an array"]""");
        Row(
            "user",
            "\"of a subagent\"",
            """,isSidechain:true""".Replace("isSidechain", "\"isSidechain\"", StringComparison.Ordinal)
        );
        Row("assistant", """[{"type":"text","text":"half \ud83d of a pair"}]""");
        Row("assistant", $$"""[{"type":"text","text":"{{new string('x', TurnTranscripts.MaxRowBytes)}}"}]""");
        Row("assistant", """[{"type":"text","text":"done"}]""");
        await Save(turn);

        var entries = (await Read(1, 100, null)).Entries;

        Assert.Equal(
            [
                TranscriptEntryKind.Wake,
                TranscriptEntryKind.Thinking,
                TranscriptEntryKind.Call,
                TranscriptEntryKind.Result,
                TranscriptEntryKind.Model,
                TranscriptEntryKind.Omitted,
                TranscriptEntryKind.Model,
            ],
            entries.Select(x => x.Kind)
        );
        Assert.Equal(("Bash", "t1"), (entries[2].Tool, entries[2].Call));
        Assert.Equal("ls \0", JsonElement.Parse(entries[2].Input!).GetProperty("command").GetString());
        Assert.Equal(("t1", "<script>\n[image]", true), (entries[3].Call, entries[3].Text, entries[3].Failed));
        Assert.Equal("done", entries[^1].Text);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(1000)]
    public async Task Pages_have_everything_once_wherever_the_segments_end(int limit)
    {
        await Turn(1, "old wake", new string('o', 3 * Transcripts.SegmentBytes / 2));
        var turn = await store.OpenTurn(session, 2);
        Prompt(turn, "wake");
        for (var i = 1; i <= 9; i++)
        {
            Row("assistant", $$"""[{"type":"text","text":"{{i}} {{new string('x', 300_000)}}"}]""");
            if (i % 4 == 0)
                await Save(turn);
        }

        await Save(turn);

        List<string> seen = [];
        string? cursor = null;
        do
        {
            var page = await Read(2, limit, cursor);
            seen.AddRange(page.Entries.Select(x => x.Text!.Split(' ')[0]));
            cursor = page.Next;
        } while (cursor is not null);

        Assert.Equal(["wake", "1", "2", "3", "4", "5", "6", "7", "8", "9"], seen);
    }

    // Whoever asks for a page holds it whole, and its characters may be escaped as JSON.
    [Fact]
    public async Task A_page_is_small_however_much_was_said()
    {
        var turn = await store.OpenTurn(session);
        Prompt(turn, "wake");
        var text = new string('<', 100_000);
        for (var i = 0; i < 60; i++)
            Row("assistant", $$"""[{"type":"text","text":"{{i}} {{text}}"}]""");
        Row("assistant", $"[{string.Join(',', Enumerable.Repeat($$"""{"type":"text","text":"{{text}}"}""", 35))}]");
        await Save(turn);

        List<TranscriptEntry> seen = [];
        string? cursor = null;
        do
        {
            var page = await Read(1, 1000, cursor);
            Assert.InRange(page.Entries.Sum(x => x.Text!.Length), 0, 2_000_000);
            seen.AddRange(page.Entries);
            cursor = page.Next;
        } while (cursor is not null);

        Assert.Equal(
            Enumerable.Range(0, 60).Select(x => $"{x}"),
            seen.Skip(1).Take(60).Select(x => x.Text!.Split(' ')[0])
        );
        Assert.All(seen.Skip(1).SkipLast(1), x => Assert.Equal(TranscriptEntry.MaxTextLength, x.Text!.Length));
        Assert.Equal(TranscriptEntryKind.Omitted, seen[^1].Kind);
        Assert.Equal(35, seen.Count - 62 + int.Parse(seen[^1].Text!.Split(' ')[0], CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task What_is_saved_later_follows_the_end_of_what_was_read()
    {
        var turn = await store.OpenTurn(session);
        Assert.Equal((0, false), (await Read(1, 100, null)) is var none ? (none.Entries.Count, none.IsOver) : default);

        Prompt(turn, "wake");
        await Save(turn);
        var first = await Read(1, 100, null);
        Row("assistant", """[{"type":"text","text":"more"}]""");
        await Save(turn);
        await End(turn);
        var second = await Read(1, 100, first.End);

        Assert.Equal((null, false), (first.Next, first.IsOver));
        Assert.Equal("more", Assert.Single(second.Entries).Text);
        Assert.True(second.IsOver);
        Assert.Empty((await Read(1, 100, second.End)).Entries);
        await Assert.ThrowsAsync<PageCursorException>(() => Read(1, 100, "nonsense"));
    }

    async Task<IReadOnlyList<string>> Texts(int wake)
    {
        var entries = (await Read(wake, 100, null)).Entries;
        return [.. entries.Select(x => $"{x.Kind} {x.Text}")];
    }

    async Task<TranscriptPage> Read(int wake, int limit, string? cursor) =>
        await transcripts.Find(session, wake, None) is { } turn
            ? await transcripts.Read(turn, TurnMessage.IdsOf(turn), TurnMessage.IdsOfNext(turn), limit, cursor, None)
            : new([], null, null, true);

    async Task Turn(int wake, string told, string said, TimeSpan clock = default)
    {
        var turn = await store.OpenTurn(session, wake);
        Prompt(turn, told, clock);
        Row("assistant", $$"""[{"type":"text","text":"{{said}}"}]""", clock: clock);
        await Save(turn);
        await End(turn);
    }

    Task End(ClaimedTurn turn) =>
        store.Execute(
            """
            update turns set ended_at = clock_timestamp(), outcome = 'completed', claude_session_id = $3, lease_until = null
            where session_id = $1 and wake_number = $2
            """,
            turn.SessionId,
            turn.WakeNumber,
            claudeSession
        );

    async Task Typed(string text)
    {
        // Behind the end of what was before by any clock.
        await store.Execute("select pg_sleep(0.002)");
        Row("user", JsonSerializer.Serialize(text));
    }

    void Prompt(ClaimedTurn turn, string text, TimeSpan clock = default) =>
        Row("user", JsonSerializer.Serialize(text), id: TurnMessage.IdOf(turn), clock: clock);

    void Row(string type, string content, string more = "", Guid? id = null, TimeSpan clock = default) =>
        Line(
            $$"""{"type":"{{type}}","uuid":"{{id ?? Guid.NewGuid()}}","timestamp":"{{(DateTimeOffset.UtcNow + clock).ToString("O", CultureInfo.InvariantCulture)}}","message":{"content":{{content}}}{{more}}}"""
        );

    void Line(string text)
    {
        file.Write(Encoding.UTF8.GetBytes($"{text}\n"));
        rows++;
    }

    async Task Save(ClaimedTurn turn)
    {
        var bytes = file.ToArray();
        var change = new TranscriptChange(
            new("", bytes.Length, rows, SHA256.HashData(bytes)),
            saved,
            () => new MemoryStream(bytes[(int)saved..])
        );
        Assert.Equal(
            TranscriptSaveResult.Saved,
            await new Transcripts(store.Database).Save(turn, claudeSession, false, [change], None)
        );
        saved = bytes.Length;
    }
}
