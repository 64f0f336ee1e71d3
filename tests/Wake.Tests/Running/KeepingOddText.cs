using System.Diagnostics;
using Npgsql;
using Wake.Contracts;
using Wake.Runner;
using Wake.ServiceDefaults;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>Text that PostgreSQL cannot hold comes in by every door, and stops nothing; what PostgreSQL refuses is not
/// taken for its absence.</summary>
[Trait("Starts", "processes")]
public sealed class KeepingOddText(TestStore store) : IClassFixture<TestStore>
{
    static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public void What_cannot_be_stored_is_replaced()
    {
        // Not in attributes, which cannot hold it either.
        (string Text, string Kept)[] texts =
        [
            ("plain 🚀", "plain 🚀"),
            ("a\0b", "a\ufffdb"),
            ("half \ud83d", "half \ufffd"),
            ("\udc00\ud83d\ude80\0", "\ufffd🚀\ufffd"),
        ];

        foreach (var (text, kept) in texts)
        {
            Assert.Equal(kept, StorableText.Sanitize(text));
            Assert.Null(StorableText.Problem(kept));
            Assert.Equal(text == kept, StorableText.Problem(text) is null);
        }
    }

    [Theory]
    [InlineData("plain", 5, "plain")]
    [InlineData("plain", 3, "pla")]
    [InlineData("plain", 0, "")]
    [InlineData("go 🚀 go", 5, "go 🚀")]
    [InlineData("go 🚀 go", 4, "go ")]
    [InlineData("🚀", 1, "")]
    public void A_text_is_not_cut_in_the_middle_of_a_character(string text, int limit, string head)
    {
        Assert.Equal(head, StorableText.Head(text, limit));
        Assert.Null(StorableText.Problem(StorableText.Head(text, limit)));
    }

    [Fact]
    public async Task Whatever_a_turn_comes_to_is_written_down()
    {
        var id = await store.Session("odd note");
        await store.Accept(WakeSystem.Event("odd note", "x"));
        var turn = await store.OpenTurn(id);

        Assert.True(
            await store.Turns.Release(turn, new TurnRelease.Park(null, "it said \0 and \ud83d"), false, default, None)
        );

        Assert.Equal("it said \ufffd and \ufffd", (await store.Sessions.ListTurns(id, 1, None))[0].Note);
    }

    [Fact]
    public async Task What_the_CLI_says_as_it_ends_is_in_the_note_whatever_bytes_it_says()
    {
        using var folder = new TemporaryFolder();
        var cli = folder.File("claude");
        File.WriteAllText(
            cli,
            """
            #!/bin/sh
            [ "$1" = --version ] && echo '2.1.329 (Claude Code)' && exit 0
            printf 'no \000 such \377 model\n' >&2
            exit 1
            """
        );
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(cli, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        await using var wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string> { ["Claude__Executable"] = cli }
        );
        var key = await wake.Session();

        await wake.Wake(key, "go on");

        var session = await wake.WaitForState(key, SessionState.Parked);
        Assert.Contains(": no \ufffd such \ufffd model", session.LastTurn!.Note);
        Assert.Equal(1, session.LastTurn.Attempt);
    }

    [Theory]
    [InlineData("08006", true, false)]
    [InlineData("25006", true, false)]
    [InlineData("40001", true, false)]
    [InlineData("40P01", true, false)]
    [InlineData("53100", true, false)]
    [InlineData("53300", true, false)]
    [InlineData("57014", true, false)]
    [InlineData("57P01", true, false)]
    [InlineData("57P03", true, false)]
    [InlineData("58030", true, false)]
    [InlineData("22021", false, true)]
    [InlineData("22P05", false, true)]
    [InlineData("23505", false, true)]
    [InlineData("54000", false, true)]
    [InlineData("42P01", false, false)]
    [InlineData("42501", false, false)]
    [InlineData("XX000", false, false)]
    public async Task Whether_the_database_is_away_or_refuses_is_told_by_the_class_of_its_error(
        string state,
        bool away,
        bool refuses
    )
    {
        await using var command = store.Database.CreateCommand(
            $"do $$ begin raise exception 'no' using errcode = '{state}'; end $$"
        );

        var failure = await Assert.ThrowsAnyAsync<NpgsqlException>(() => command.ExecuteNonQueryAsync());

        Assert.Equal(
            (away, refuses),
            (PostgresErrors.IsTransient(failure), PostgresErrors.RejectionReason(failure) is not null)
        );
    }

    [Fact]
    public async Task A_database_that_does_not_answer_is_away()
    {
        await using var nowhere = NpgsqlDataSource.Create("Host=127.0.0.1;Port=9;Username=nobody;Timeout=2");
        await using var command = nowhere.CreateCommand("select 1");
        Assert.True(
            PostgresErrors.IsTransient(await Assert.ThrowsAnyAsync<Exception>(() => command.ExecuteNonQueryAsync()))
        );
        Assert.False(PostgresErrors.IsTransient(new IOException()));
    }

    [Fact]
    public async Task A_file_beside_a_transcript_whose_name_is_no_text_is_passed_over()
    {
        using var folder = new TemporaryFolder();
        var transcript = new TranscriptFolder(folder.Path, "/work", Guid.NewGuid());
        var parts = Path.ChangeExtension(transcript.MainFile, null);
        Directory.CreateDirectory(parts);
        File.WriteAllText(transcript.MainFile, "{}\n");
        File.WriteAllText(Path.Combine(parts, "result.txt"), "x");
        await Shell("touch \"$(printf '%s/bad\\377' \"$1\")\"");
        Assert.Equal(2, Directory.GetFiles(parts).Length);

        Assert.Equal(["", "result.txt"], transcript.Paths());

        // Nothing here can name it, not even to delete it.
        await Shell("rm -r \"$1\"");

        async Task Shell(string script)
        {
            using var shell = Process.Start("sh", ["-c", script, "sh", parts]);
            await shell.WaitForExitAsync();
            Assert.Equal(0, shell.ExitCode);
        }
    }
}
