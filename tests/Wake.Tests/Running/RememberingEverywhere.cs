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
    readonly TemporaryFolder here = new(), there = new();
    readonly Guid claudeSession = Guid.NewGuid();
    Transcripts transcripts = null!;
    ClaimedTurn turn = null!;

    public async Task InitializeAsync()
    {
        await store.InitializeAsync();
        transcripts = new(store.Database);
        turn = await Claim(await store.Session("a"));
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

        Assert.IsType<Memory.Ready>(await Bring(there));

        foreach (var path in (string[])["", "subagents/agent-1.jsonl", "tool-results/long.txt"])
            Assert.Equal(Read(here, path), Read(there, path));
    }

    [Fact]
    public async Task Tens_of_megabytes_are_no_trouble()
    {
        Write(here, "", Chain(1, 200, 200_000));
        await Save(here);

        Assert.IsType<Memory.Ready>(await Bring(there));

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

        Assert.IsType<Memory.Ready>(await Bring(here));
        Assert.Equal(Chain(1, 5), Read(here, ""));
        Assert.Equal(1, await store.Scalar<long>("select count(*) from transcript_files"));
        Assert.Equal(2, await store.Scalar<long>("select count(*) from transcript_segments"));
    }

    [Fact]
    public async Task A_copy_that_went_another_way_is_replaced_and_kept_aside()
    {
        Write(here, "", Chain(1, 3));
        await Save(here);
        Write(there, "", Chain(1, 2) + Chain(7, 1));

        Assert.IsType<Memory.Ready>(await Bring(there));

        Assert.Equal(Chain(1, 3), Read(there, ""));
        Assert.Single(Directory.EnumerateFiles(Folder(there).Folder, "*.replaced"));
    }

    [Fact]
    public async Task What_a_crash_left_behind_is_gone_on_with_but_for_the_row_that_was_cut_off()
    {
        Write(here, "", Chain(1, 3));
        await Save(here);
        Write(here, "", Chain(1, 4) + Chain(5, 1)[..20]);

        Assert.IsType<Memory.Ready>(await Bring(here));

        Assert.Equal(Chain(1, 4), Read(here, ""));
    }

    [Fact]
    public async Task What_a_crash_made_unreadable_is_cut_back_to_what_was_saved()
    {
        Write(here, "", Chain(1, 3));
        await Save(here);
        Write(here, "", Chain(1, 4) + "\0\0\0\0\n" + Chain(5, 1));

        Assert.IsType<Memory.Ready>(await Bring(here));

        Assert.Equal(Chain(1, 3), Read(here, ""));
        Assert.Single(Directory.EnumerateFiles(Folder(here).Folder, "*.damaged"));
        var ledger = (await store.Explain.Session("a", CancellationToken.None))!.Ledger;
        Assert.Contains(ledger, x => x.What == "mended" && x.Note == "the end of the transcript was cut off: row 5 is no JSON");
    }

    [Fact]
    public async Task Rows_that_the_cli_takes_back_are_taken_back_in_the_store()
    {
        Write(here, "", Chain(1, 5));
        await Save(here);
        Write(here, "", Chain(1, 4) + Row(9, 4));
        await Save(here);

        Assert.IsType<Memory.Ready>(await Bring(there));
        Assert.Equal(Chain(1, 4) + Row(9, 4), Read(there, ""));
    }

    [Fact]
    public async Task A_runner_that_lost_its_turn_saves_nothing()
    {
        Write(here, "", Chain(1, 3));
        await Save(here);
        await store.Database.CreateCommand("update turns set lease_until = now() - interval '1 second'").ExecuteNonQueryAsync();
        var other = await Claim(turn.SessionId, open: false);

        Write(here, "", Chain(1, 9));
        await Save(here);

        Assert.True(other.Epoch > turn.Epoch);
        Assert.IsType<Memory.Ready>(await Bring(there));
        Assert.Equal(Chain(1, 3), Read(there, ""));
    }

    [Fact]
    public async Task A_save_that_succeeded_without_an_answer_is_gone_on_from()
    {
        var database = new NpgsqlConnectionStringBuilder(store.Database.ConnectionString);
        await using var wire = new TcpProxy(database.Port);
        await using var through = Postgres.DataSource(new NpgsqlConnectionStringBuilder(await Servers.Postgres)
        {
            Database = database.Database, Host = "127.0.0.1", Port = wire.Port,
        }.ConnectionString);
        await using var memory = new SessionMemory(
            new(through), turn, claudeSession, here.Path, NullLogger.Instance, CancellationToken.None);
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

        Assert.IsType<Memory.Ready>(await Bring(there));
        Assert.Equal(Chain(1, 5), Read(there, ""));
        Assert.Equal(1, await store.Scalar<long>("select count(*) from transcript_files"));
    }

    [Theory]
    [InlineData("a row is missing", "{0}{2}")]
    [InlineData("a row is unreadable", "{0}{{\"uuid\n{1}{2}")]
    public async Task A_memory_nobody_saved_that_is_not_whole_is_not_gone_on_with(string what, string shape)
    {
        Write(here, "", string.Format(System.Globalization.CultureInfo.InvariantCulture, shape, Row(1, null), Row(2, 1), Row(3, 2)));

        var memory = Assert.IsType<Memory.Damaged>(await Bring(here));

        Assert.True(memory.Problem.Contains("not there") || memory.Problem.Contains("no JSON"), $"{what}: {memory.Problem}");
    }

    [Fact]
    public async Task A_stored_memory_that_was_tampered_with_is_not_gone_on_with()
    {
        Write(here, "", Chain(1, 3));
        await Save(here);
        await store.Database.CreateCommand("update transcript_files set sha256 = sha256('x'::bytea)").ExecuteNonQueryAsync();

        Assert.IsType<Memory.Damaged>(await Bring(there));
        Assert.False(File.Exists(Folder(there).Main));
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

        turn = await Claim(await store.Session("b"));
        Write(here, "", Chain(1, 6));
        await Save(here);
        await transcripts.Prune(TimeSpan.Zero, CancellationToken.None);

        Assert.Equal(1, await store.Scalar<long>("select count(*) from transcript_files where rows = 6"));
    }

    async Task<ClaimedTurn> Claim(Guid session, bool open = true)
    {
        if (open)
        {
            await using var command = store.Database.CreateCommand("insert into turns (session_id, wake_number) values ($1, 1)");
            command.Parameters.AddWithValue(session);
            await command.ExecuteNonQueryAsync();
        }

        var claim = await store.Turns.Claim(session, 1, "test", TimeSpan.FromMinutes(5), CancellationToken.None);
        return Assert.IsType<TurnClaim.Granted>(claim).Turn;
    }

    SessionMemory On(TemporaryFolder machine) => new(transcripts, turn, claudeSession, machine.Path, NullLogger.Instance, CancellationToken.None);

    async Task<Memory> Bring(TemporaryFolder machine)
    {
        await using var memory = On(machine);
        return await memory.Bring();
    }

    async Task Save(TemporaryFolder machine)
    {
        // What there is before the turn is brought; then the CLI writes.
        var written = Read(machine, "");
        await using var memory = On(machine);
        if (await transcripts.Find(claudeSession, CancellationToken.None) is not null)
            await memory.Bring();
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

    static string Row(int id, int? parent, int length = 10) =>
        $$"""{"type":"user","uuid":"{{id}}","parentUuid":{{(parent is null ? "null" : $"\"{parent}\"")}},"message":"{{new string('m', length)}}"}""" + "\n";
}
