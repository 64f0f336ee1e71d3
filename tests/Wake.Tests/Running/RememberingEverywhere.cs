using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Wake.Runner;
using Wake.ServiceDefaults;
using Wake.Store;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>The memory of a session, brought to where a turn runs and saved from there, on a real database.</summary>
public sealed class RememberingEverywhere : IAsyncLifetime
{
    readonly TestStore store = new();
    readonly TemporaryFolder here = new(),
        there = new();
    readonly Guid claudeSession = Guid.NewGuid();
    Transcripts transcripts = null!;
    ClaimedTurn turn = null!;

    public async Task InitializeAsync()
    {
        await store.InitializeAsync();
        transcripts = new(store.Database);
        turn = await store.OpenTurn(await store.Session("a"));
    }

    public async Task DisposeAsync()
    {
        await store.DisposeAsync();
        here.Dispose();
        there.Dispose();
    }

    [Fact]
    public async Task A_memory_goes_from_one_machine_to_another_with_all_its_files()
    {
        Write(here, "", Chain(1, 3));
        Write(here, "subagents/agent-1.jsonl", Chain(10, 2));
        Write(here, "tool-results/long.txt", new string('x', 3_000_000));
        await Save(here);

        Assert.IsType<TranscriptState.Ready>(await Bring(there));

        foreach (var path in (string[])["", "subagents/agent-1.jsonl", "tool-results/long.txt"])
            Assert.Equal(Read(here, path), Read(there, path));
    }

    [Fact]
    public async Task Tens_of_megabytes_are_no_trouble()
    {
        Write(here, "", Chain(1, 200, 200_000));
        await Save(here);

        Assert.IsType<TranscriptState.Ready>(await Bring(there));

        Assert.Equal(Read(here, ""), Read(there, ""));
        Assert.Equal(1, await store.Scalar<long>("select count(*) from transcript_files where rows = 200"));
    }

    [Fact]
    public async Task A_copy_that_is_older_is_brought_up_to_date_and_only_what_is_new_is_saved()
    {
        Write(here, "", Chain(1, 3));
        await Save(here);
        await Bring(there);

        Write(there, "", Chain(1, 5));
        await Save(there);

        Assert.IsType<TranscriptState.Ready>(await Bring(here));
        Assert.Equal(Chain(1, 5), Read(here, ""));
        Assert.Equal(1, await store.Scalar<long>("select count(*) from transcript_files"));
        Assert.Equal(2, await store.Scalar<long>("select count(*) from transcript_segments"));
    }

    [Fact]
    public async Task A_copy_in_which_somebody_has_spoken_since_is_gone_on_with_and_the_stored_one_is_kept_aside()
    {
        Write(here, "", Chain(1, 3));
        await Save(here);
        Write(there, "", Chain(1, 2) + Chain(7, 1));

        await using (var memory = On(there))
        {
            Assert.IsType<TranscriptState.Ready>(await memory.Restore());
            Assert.Contains("have gone different ways", memory.Note);
            await memory.Save(entirely: false);
        }

        Assert.Equal(Chain(1, 2) + Chain(7, 1), Read(there, ""));
        Assert.Equal(
            Chain(1, 3),
            File.ReadAllText(Assert.Single(Directory.EnumerateFiles(Folder(there).Folder, "*.stored")))
        );
        Assert.Contains(await Ledger(), x => x.What == "mended" && x.Note!.Contains("have gone different ways"));

        // The other runner's is what the store had before: it is only out of date.
        Assert.IsType<TranscriptState.Ready>(await Bring(here));
        Assert.Equal(Chain(1, 2) + Chain(7, 1), Read(here, ""));
    }

    [Fact]
    public async Task A_copy_in_which_nobody_has_spoken_since_is_replaced_and_every_such_copy_is_kept()
    {
        Write(here, "", Chain(1, 3));
        await Save(here);

        foreach (var reply in (string[])["90", "91"])
        {
            Write(there, "", Chain(1, 2) + Reply(reply));
            Assert.IsType<TranscriptState.Ready>(await Bring(there));
            Assert.Equal(Chain(1, 3), Read(there, ""));
        }

        Assert.Equal(
            [Chain(1, 2) + Reply("90"), Chain(1, 2) + Reply("91")],
            Directory.EnumerateFiles(Folder(there).Folder, "*.replaced").Select(File.ReadAllText).Order()
        );
    }

    [Fact]
    public async Task What_a_crash_left_behind_is_gone_on_with_but_for_the_row_that_was_cut_off_which_is_put_aside()
    {
        Write(here, "", Chain(1, 3));
        await Save(here);

        foreach (var half in (string[])["{\"a", "{\"b"])
        {
            Write(here, "", Chain(1, 4) + half);
            Assert.IsType<TranscriptState.Ready>(await Bring(here));
            Assert.Equal(Chain(1, 4), Read(here, ""));
        }

        Assert.Equal(
            ["{\"a", "{\"b"],
            Directory.EnumerateFiles(Folder(here).Folder, "*.torn").Select(File.ReadAllText).Order()
        );
    }

    [Fact]
    public async Task A_last_row_that_lacks_only_its_line_break_is_a_row()
    {
        Write(here, "", Chain(1, 3).TrimEnd('\n'));

        Assert.IsType<TranscriptState.Ready>(await Bring(here));

        Assert.Equal(Chain(1, 3), Read(here, ""));
    }

    // A power loss leaves NULs, a full disk half a row; the CLI passes over both.
    [Fact]
    public async Task Rows_that_were_added_outside_are_kept_saved_and_told_whatever_lies_between_them()
    {
        Write(here, "", Chain(1, 3));
        await Save(here);
        var added = Chain(1, 4) + "\0\0\0\0\n" + "{\"uuid\n" + Chain(5, 1);
        Write(here, "", added);

        await using (var memory = On(here))
        {
            Assert.IsType<TranscriptState.Ready>(await memory.Restore());
            await memory.Save(entirely: true);
        }

        Assert.Equal(added, Read(here, ""));
        Assert.Contains(
            await Ledger(),
            x => x is { What: "added", Note: "4 rows were added outside Wake since the last save" }
        );
        Assert.IsType<TranscriptState.Ready>(await Bring(there));
        Assert.Equal(added, Read(there, ""));
    }

    [Fact]
    public async Task A_copy_that_has_all_the_stored_rows_among_others_is_gone_on_with()
    {
        Write(here, "", Chain(1, 3));
        await Save(here);
        var more = Chain(1, 2) + "\0\n" + Row(3, 2) + Row(4, 3);
        Write(there, "", more);

        Assert.IsType<TranscriptState.Ready>(await Bring(there));

        Assert.Equal(more, Read(there, ""));
        Assert.Empty(Directory.EnumerateFiles(Folder(there).Folder, "*.stored"));
    }

    [Fact]
    public async Task A_row_that_is_larger_than_any_message_is_saved_like_the_others()
    {
        var rows = Row(1, null) + Row(2, 1, 70 * 1024 * 1024) + Row(3, 2);
        Write(here, "", rows);
        await Save(here);

        Assert.IsType<TranscriptState.Ready>(await Bring(there));

        Assert.True(rows == Read(there, ""));
        Assert.Equal(1, await store.Scalar<long>("select count(*) from transcript_files where rows = 3"));
    }

    [Fact]
    public async Task A_row_that_is_being_written_is_no_row_yet()
    {
        var file = Folder(here).MainFile;
        Write(here, "", "");
        var writing = Task.Run(() =>
        {
            using var stream = new FileStream(
                file,
                FileMode.Append,
                FileAccess.Write,
                FileShare.ReadWrite,
                bufferSize: 1
            );
            for (var row = 1; row <= 400; row++)
            {
                foreach (var piece in Encoding.UTF8.GetBytes(Row(row, null, row)).Chunk(17))
                    stream.Write(piece);
            }
        });

        using var reader = new TranscriptReader();
        List<TranscriptFile> seen = [];
        do
        {
            await reader.ReadAppended(file, 0, CancellationToken.None);
            seen.Add(reader.ToTranscriptFile(""));
        } while (!writing.IsCompleted || reader.Rows < 400);
        await writing;

        var bytes = await File.ReadAllBytesAsync(file);
        Assert.All(
            seen,
            x => Assert.Equal(System.Security.Cryptography.SHA256.HashData(bytes.AsSpan(0, (int)x.Bytes)), x.Sha256)
        );
        Assert.All(seen, x => Assert.True(x.Bytes == 0 || bytes[x.Bytes - 1] == '\n'));
        Assert.Equal(bytes.Length, reader.Bytes);
    }

    [Fact]
    public async Task A_transcript_that_moves_while_the_turn_runs_is_followed()
    {
        Write(here, "", Chain(1, 3));
        await Save(here);

        await using (var memory = On(here))
        {
            await memory.Restore();
            memory.StartAutosave();
            var moved = Path.Combine(here.Path, "projects", "-elsewhere", Path.GetFileName(memory.Transcript));
            Directory.CreateDirectory(Path.GetDirectoryName(moved)!);
            await File.WriteAllTextAsync(memory.Transcript, Chain(1, 4));
            File.Move(memory.Transcript, moved);
            Assert.Null(await memory.Save(entirely: false));

            // By itself from there as well.
            await File.AppendAllTextAsync(moved, Row(5, 4));
            await Eventually.Holds(async () => await store.Scalar<int>("select rows from transcript_files") == 5);
            Assert.Equal(moved, memory.ResumePathFrom(turn.Workspace));
        }

        Assert.IsType<TranscriptState.Ready>(await Bring(there));
        Assert.Equal(Chain(1, 5), Read(there, ""));
        Assert.Null(await PathFrom(there));
    }

    [Fact]
    public async Task Rows_that_the_cli_takes_back_are_taken_back_in_the_store()
    {
        Write(here, "", Chain(1, 5));
        await Save(here);
        Write(here, "", Chain(1, 4) + Row(9, 4));
        await Save(here);

        Assert.IsType<TranscriptState.Ready>(await Bring(there));
        Assert.Equal(Chain(1, 4) + Row(9, 4), Read(there, ""));
    }

    [Fact]
    public async Task A_runner_that_lost_its_turn_saves_nothing()
    {
        Write(here, "", Chain(1, 3));
        await Save(here);
        await store.Execute("update turns set lease_until = now() - interval '1 second'");
        var other = await store.ClaimTurn(turn.SessionId);

        Write(here, "", Chain(1, 9));
        await Save(here);

        Assert.True(other.Epoch > turn.Epoch);
        Assert.IsType<TranscriptState.Ready>(await Bring(there));
        Assert.Equal(Chain(1, 3), Read(there, ""));
    }

    [Fact]
    public async Task A_save_that_succeeded_without_an_answer_is_gone_on_from()
    {
        var database = new NpgsqlConnectionStringBuilder(store.Database.ConnectionString);
        await using var wire = new TcpProxy(database.Port);
        await using var through = Postgres.CreateDataSource(
            new NpgsqlConnectionStringBuilder(await Servers.Postgres)
            {
                Database = database.Database,
                Host = "127.0.0.1",
                Port = wire.Port,
            }.ConnectionString
        );
        await using var memory = new TranscriptSync(
            new(through),
            turn,
            claudeSession,
            here.Path,
            NullLogger.Instance,
            CancellationToken.None
        );
        Write(here, "", Chain(1, 3));
        await memory.Save(entirely: false);

        Write(here, "", Chain(1, 4));
        var committed = wire.HoldAnswersTo("COMMIT\0");
        var saving = memory.Save(entirely: false);
        await committed;
        await Eventually.Holds(async () => await store.Scalar<int>("select rows from transcript_files") == 4);
        wire.Cut();
        await saving;
        Write(here, "", Chain(1, 5));
        await memory.Save(entirely: false);

        Assert.IsType<TranscriptState.Ready>(await Bring(there));
        Assert.Equal(Chain(1, 5), Read(there, ""));
        Assert.Equal(1, await store.Scalar<long>("select count(*) from transcript_files"));
    }

    [Fact]
    public async Task Of_a_stored_memory_that_was_tampered_with_what_can_be_read_is_gone_on_with()
    {
        Write(here, "", Chain(1, 3));
        await Save(here);
        Write(here, "", Chain(1, 6));
        await Save(here);
        await store.Execute("update transcript_segments set content = 'x' where start = 0");

        await using (var memory = On(there))
        {
            Assert.IsType<TranscriptState.Ready>(await memory.Restore());
            Assert.Contains("is not what was saved", memory.Note);
            await memory.Save(entirely: true);
        }

        Assert.EndsWith("\n" + Chain(1, 6)[Chain(1, 3).Length..], Read(there, ""));

        // The one that is whole is the better one.
        Assert.IsType<TranscriptState.Ready>(await Bring(here));
        Assert.Equal(Chain(1, 6), Read(here, ""));
    }

    [Fact]
    public async Task A_stored_memory_of_which_nothing_can_be_read_is_not_gone_on_with()
    {
        Write(here, "", Chain(1, 3));
        await Save(here);
        await store.Execute("delete from transcript_segments");

        Assert.IsType<TranscriptState.Damaged>(await Bring(there));
        Assert.False(File.Exists(Folder(there).MainFile));

        // Where the transcript is, nobody needs the stored one.
        Assert.IsType<TranscriptState.Ready>(await Bring(here));
    }

    [Fact]
    public async Task What_nobody_will_go_on_from_is_deleted_after_a_time()
    {
        Write(here, "", Chain(1, 5));
        await Save(here);
        Write(here, "", Chain(1, 2));
        await Save(here);
        Assert.Equal(2, await store.Scalar<long>("select count(*) from transcript_files"));

        await transcripts.Prune(TimeSpan.FromDays(1), CancellationToken.None);
        Assert.Equal(2, await store.Scalar<long>("select count(*) from transcript_files"));

        await transcripts.Prune(TimeSpan.Zero, CancellationToken.None);
        Assert.Equal(1, await store.Scalar<long>("select count(*) from transcript_files"));

        await store.Sessions.Close("a", CancellationToken.None);
        await transcripts.Prune(TimeSpan.Zero, CancellationToken.None);
        Assert.Equal(0, await store.Scalar<long>("select count(*) from transcript_segments"));
    }

    // Who brings an old conversation to a new session would lose it as part of the session that is closed.
    [Fact]
    public async Task What_another_session_goes_on_from_is_kept()
    {
        Write(here, "", Chain(1, 5));
        await Save(here);
        await store.Sessions.Close("a", CancellationToken.None);

        turn = await store.OpenTurn(await store.Session("b"));
        Write(here, "", Chain(1, 6));
        await Save(here);
        await transcripts.Prune(TimeSpan.Zero, CancellationToken.None);

        Assert.Equal(1, await store.Scalar<long>("select count(*) from transcript_files where rows = 6"));
    }

    [Fact]
    public async Task What_a_closed_session_left_is_kept_for_the_one_that_was_registered_with_it_anew()
    {
        Write(here, "", Chain(1, 5));
        await Save(here);
        await store.Sessions.Close("a", CancellationToken.None);
        Assert.IsType<SessionCreation.Created>(
            await store.Sessions.Create("b", "/", "default", claudeSession, CancellationToken.None)
        );

        await transcripts.Prune(TimeSpan.Zero, CancellationToken.None);

        Assert.NotNull(await transcripts.Find(claudeSession, CancellationToken.None));
    }

    // What was saved last long ago may have been left a minute ago, and its successor know nothing but what it can
    // tell.
    [Fact]
    public async Task What_was_left_for_a_fresh_session_is_kept_for_its_time_from_then_on()
    {
        Write(here, "", Chain(1, 5));
        await Save(here);
        await store.Execute(
            "insert into session_ids (session_id, position, claude_session_id, reason, opened) values "
                + $"('{turn.SessionId}', 1, '{claudeSession}', 'first', true), ('{turn.SessionId}', 2, "
                + $"'{Guid.NewGuid()}', 'lost', true)"
        );
        await store.Execute("update transcripts set saved_at = now() - interval '40 days'");

        await transcripts.Prune(TimeSpan.FromDays(30), CancellationToken.None);
        Assert.NotNull(await transcripts.Find(claudeSession, CancellationToken.None));

        await store.Execute("update session_ids set since = now() - interval '31 days' where position = 2");
        await transcripts.Prune(TimeSpan.FromDays(30), CancellationToken.None);
        Assert.Null(await transcripts.Find(claudeSession, CancellationToken.None));
    }

    TranscriptSync On(TemporaryFolder machine) =>
        new(transcripts, turn, claudeSession, machine.Path, NullLogger.Instance, CancellationToken.None);

    async Task<TranscriptState> Bring(TemporaryFolder machine)
    {
        await using var memory = On(machine);
        return await memory.Restore();
    }

    async Task<string?> PathFrom(TemporaryFolder machine)
    {
        await using var memory = On(machine);
        await memory.Restore();
        return memory.ResumePathFrom(turn.Workspace);
    }

    async Task<IReadOnlyList<LedgerLine>> Ledger() =>
        (await store.Explain.ExplainSession("a", CancellationToken.None))!.Ledger;

    async Task Save(TemporaryFolder machine)
    {
        // What there is before the turn is brought; then the CLI writes.
        var written = Read(machine, "");
        await using var memory = On(machine);
        if (await transcripts.Find(claudeSession, CancellationToken.None) is not null)
            await memory.Restore();
        Write(machine, "", written);
        await memory.Save(entirely: true);
    }

    TranscriptFolder Folder(TemporaryFolder machine) => new(machine.Path, turn.Workspace, claudeSession);

    void Write(TemporaryFolder machine, string path, string text)
    {
        var file = Folder(machine).FileOf(path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }

    string Read(TemporaryFolder machine, string path) => File.ReadAllText(Folder(machine).FileOf(path), Encoding.UTF8);

    static string Chain(int first, int count, int length = 10) =>
        string.Concat(Enumerable.Range(first, count).Select(x => Row(x, x == first ? null : x - 1, length)));

    static string Reply(string id) =>
        $$"""{"type":"assistant","uuid":"{{id}}","parentUuid":"2","message":{"content":"m"} }""" + "\n";

    static string Row(int id, int? parent, int length = 10) =>
        $$"""{"type":"user","uuid":"{{id}}","parentUuid":{{(parent is null ? "null" : $"\"{parent}\"")}},"message":{"content":"{{new string('m', length)}}"} }"""
        + "\n";
}
