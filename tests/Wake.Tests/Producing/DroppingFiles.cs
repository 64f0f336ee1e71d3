using System.Diagnostics;
using System.Text;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Producing;

/// <summary>A script drops a file, and a session wakes; what is no event harms nobody.</summary>
[Trait("Starts", "processes")]
public sealed class DroppingFiles(StandaloneSystem shared) : IClassFixture<StandaloneSystem>
{
    const string Bare = "\"type\":\"script.done\",\"subject\":\"s\"";

    readonly WakeSystem wake = shared.System;

    string Spool => Path.Combine(wake.Data, "spool");

    [Fact]
    public async Task A_file_wakes_its_session_once_and_is_gone()
    {
        var key = await wake.Session();

        Drop(
            "two.json",
            $$"""[{{{Bare}},"reason":"one","sessions":["{{key}}"]},{{{Bare}},"reason":"two","sessions":["{{key}}"]}]"""
        );
        Assert.Equal(["one", "two"], (await wake.WaitForTurnEnd(key, 1)).Reasons);

        // The same name is not the same fact.
        Drop("two.json", $$"""{{{Bare}},"reason":"three","sessions":["{{key}}"]}""");
        Assert.Equal(["three"], (await wake.WaitForTurnEnd(key, 2)).Reasons);
        await Eventually.Holds(
            () => Task.FromResult(Files(Spool).Count == 0 && Files(Path.Combine(Spool, "taken")).Count == 0),
            "they are gone"
        );
    }

    [Fact]
    public async Task A_file_as_a_shell_of_windows_writes_it_is_taken_and_what_was_not_is_explained()
    {
        var key = await wake.Session();

        Drop(
            "marked.json",
            $$"""{{'\uFEFF'}}{{{Bare}},"id":"marked","reason":"marked","sessions":["{{key}}"],"time":"noon","\ud83d":1}"""
        );

        Assert.Equal(["marked"], (await wake.WaitForTurnEnd(key, 1)).Reasons);
        Assert.Equal(2, await wake.Scalar<int>("select cardinality(warnings) from events where id = 'marked'"));
    }

    [Fact]
    [System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
    public void The_folder_and_the_socket_are_their_users_alone()
    {
        const UnixFileMode own = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

        Assert.Equal(own, File.GetUnixFileMode(Spool));
        Assert.Equal(own, File.GetUnixFileMode(Path.Combine(wake.Data, "run")));
        Assert.Equal(
            own & ~UnixFileMode.UserExecute,
            File.GetUnixFileMode(Path.Combine(wake.Data, "run", "wake.sock"))
        );
    }

    [Fact]
    public async Task What_is_no_event_is_set_aside_with_the_reason_and_its_neighbours_are_taken()
    {
        var key = await wake.Session();
        var bad = Path.Combine(Spool, "bad");
        (string Name, string Text, string Reason)[] hostile =
        [
            ("empty", "", "not JSON"),
            ("half", """{"type":"t","subject""", "not JSON"),
            ("number", "42", "Not an event"),
            ("nothing", "{}", "required members are missing"),
            ("deep", string.Concat(Enumerable.Repeat("[", 5000)), "not JSON"),
            ("zero", $$"""{{{Bare}},"reason":"r","dedupKey":"a\u0000b"}""", "U+0000"),
            ("surrogate", $$"""{{{Bare}},"reason":"r","dedupKey":"half \ud83d"}""", "Not an event"),
            ("one-of-two", $$"""[{{{Bare}},"reason":"never heard","sessions":["{{key}}"]},{{{Bare}}}]""", "[1]: "),
            ("many", $"[{string.Join(',', Enumerable.Repeat("{}", 1001))}]", "1000 are allowed"),
            ("stranger", $$"""{{{Bare}},"reason":"r","sessions":["nobody"]}""", "no open session nobody"),
            (new string('n', 240), "{}", "required members are missing"),
            ("$(touch spool-executed); ..", "{}", "required members are missing"),
        ];

        foreach (var (name, text, _) in hostile)
        {
            Drop($"{name}.json", text, old: true);
            Drop(
                $"good beside {name}"[..Math.Min(100, name.Length + 12)] + ".json",
                $$"""{{{Bare}},"reason":"good","sessions":["{{key}}"]}"""
            );
        }

        File.WriteAllBytes(Path.Combine(Spool, "bytes.json.new"), [0xC3, 0x28, 0xFF]);
        File.SetLastWriteTimeUtc(Path.Combine(Spool, "bytes.json.new"), DateTime.UtcNow.AddMinutes(-1));
        File.Move(Path.Combine(Spool, "bytes.json.new"), Path.Combine(Spool, "bytes.json"));
        using (var huge = File.Create(Path.Combine(Spool, "huge.new")))
            huge.SetLength(1L << 36);
        File.Move(Path.Combine(Spool, "huge.new"), Path.Combine(Spool, "huge.json"));
        File.CreateSymbolicLink(Path.Combine(Spool, "link.json"), "/etc/passwd");
        using (var pipe = Process.Start("mkfifo", [Path.Combine(Spool, "pipe.json")]))
            await pipe.WaitForExitAsync();
        Directory.CreateDirectory(Path.Combine(Spool, "folder.json"));

        await Eventually.Holds(
            () =>
                Task.FromResult(
                    Directory.GetFiles(bad, "*.reason").Length == hostile.Length + 4
                        && Files(Path.Combine(Spool, "taken")).Count == 0
                ),
            "all are set aside"
        );
        foreach (var (name, _, reason) in hostile)
            Assert.Contains(reason, Reason(name[..Math.Min(20, name.Length)]));
        Assert.Contains("not JSON", Reason("bytes"));
        Assert.Contains("larger than 8 MB", Reason("huge"));
        Assert.Contains("link", Reason("link"));
        Assert.Contains("no file", Reason("pipe"));
        Assert.Equal("root", File.ReadAllText("/etc/passwd")[..4]);
        await wake.WaitUntilIdle();
        Assert.Equal(hostile.Length, (await wake.Turns(key)).Sum(x => x.Reasons.Count(y => y == "good")));
        Assert.DoesNotContain(await wake.Turns(key), x => x.Reasons.Contains("never heard"));

        string Reason(string name) => File.ReadAllText(Assert.Single(Directory.GetFiles(bad, $"*-{name}*.reason")));
    }

    [Fact]
    public async Task A_file_that_is_written_in_place_is_taken_when_it_is_whole()
    {
        var key = await wake.Session();
        var text = Encoding.UTF8.GetBytes($$"""{{{Bare}},"reason":"slowly","sessions":["{{key}}"]}""");

        using (
            var slow = new FileStream(
                Path.Combine(Spool, "slow.json"),
                FileMode.CreateNew,
                FileAccess.Write,
                FileShare.ReadWrite,
                bufferSize: 0
            )
        )
        {
            slow.Write(text.AsSpan(0, 20));
            await Eventually.Holds(
                () => Task.FromResult(!File.Exists(Path.Combine(Spool, "slow.json"))),
                "it is taken"
            );
            slow.Write(text.AsSpan(20));
        }

        Assert.Equal(["slowly"], (await wake.WaitForTurnEnd(key, 1)).Reasons);
    }

    [Fact]
    public async Task Killed_after_the_commit_and_before_the_file_is_deleted_it_is_one_fact()
    {
        await using var wire = new TcpProxy(new Npgsql.NpgsqlConnectionStringBuilder(await Servers.Postgres).Port);
        await using var other = await WakeSystem.Create(Transport.InMemory);
        var held = new Npgsql.NpgsqlConnectionStringBuilder(other.ConnectionString)
        {
            Host = "127.0.0.1",
            Port = wire.Port,
        };
        var first = await other.StartProcess(
            "Wake.Standalone",
            new Dictionary<string, string> { ["ConnectionStrings__Wake"] = held.ConnectionString }
        );
        var key = await other.Session("patient");
        var committed = wire.HoldAnswersTo("told once");

        Drop(
            "once.json",
            $$"""{{{Bare}},"reason":"told once","sessions":["{{key}}"]}""",
            into: Path.Combine(other.Data, "spool")
        );
        await committed;
        await Eventually.Holds(async () =>
            await other.Scalar<long>("select count(*) from events where reason = 'told once'") == 1
        );
        await first.Kill();
        Assert.Single(Files(Path.Combine(other.Data, "spool", "taken")));
        await other.StartProcess("Wake.Standalone");

        Assert.Equal(["told once"], (await other.WaitForTurnEnd(key, 1)).Reasons);
        await Eventually.Holds(
            () => Task.FromResult(Files(Path.Combine(other.Data, "spool", "taken")).Count == 0),
            "the file is gone"
        );
        await other.WaitUntilIdle();
        Assert.Single(await other.Turns(key));
        Assert.Empty(Files(Path.Combine(other.Data, "spool", "bad")));
    }

    // As a careful program does: written under another name, and renamed when whole.
    void Drop(string name, string text, bool old = false, string? into = null)
    {
        var draft = Path.Combine(into ?? Spool, $"{Guid.NewGuid()}.new");
        File.WriteAllText(draft, text);
        if (old)
            File.SetLastWriteTimeUtc(draft, DateTime.UtcNow.AddMinutes(-1));
        File.Move(draft, Path.Combine(into ?? Spool, name));
    }

    static List<string> Files(string folder) => [.. Directory.GetFiles(folder)];
}
