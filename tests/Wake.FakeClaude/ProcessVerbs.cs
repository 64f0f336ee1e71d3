using System.Collections;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace Wake.FakeClaude;

/// <summary>What a process can do with or without a message: these verbs also work in the start-up file.</summary>
static class ProcessVerbs
{
    static readonly TimeSpan HoldPoll = TimeSpan.FromMilliseconds(5);

    public static readonly Dictionary<string, Action<Cli, string>> All = new()
    {
        ["delay"] = (cli, seconds) => cli.Wait(Cli.Seconds(seconds)),
        ["hold"] = Hold,
        ["hang"] = (cli, _) => Hang(cli),

        ["exit"] = (_, code) => Posix.Exit(Number(code)),
        ["exit-before-init"] = (_, code) => Posix.Exit(Number(code)),
        ["exit0-no-result"] = (_, _) => Posix.Exit(0),
        ["crash-mid-line"] = (cli, _) => CrashMidLine(cli),
        ["kill-self"] = KillSelf,
        ["cwd-gone"] = (_, _) => CwdGone(),

        ["ignore-interrupt"] = (cli, _) => cli.IgnoresInterrupts = true,
        ["ignore-term"] = (cli, _) => cli.IgnoresSignals = true,
        ["grandchild"] = Grandchild,
        ["orphan"] = Orphan,
        ["hidden"] = Hidden,

        ["split-writes"] = (cli, _) => cli.Output.ByteByByte = true,
        ["raw"] = (cli, line) => cli.Output.Bytes(Json.Utf8.GetBytes(line + "\n")),
        ["invalid-utf8"] = (cli, _) => InvalidUtf8(cli),
        ["unknown-frames"] = (cli, _) => UnknownFrames(cli),
        ["stderr-flood"] = (_, bytes) => FloodStderr(Number(bytes)),

        ["touch"] = (cli, path) => cli.Config.Append(path, Clock.Now()),
        ["env"] = (_, path) => WriteWhole(path, Environments()),
        ["args"] = (cli, path) =>
            WriteWhole(path, new JsonArray([.. cli.Arguments.Given.Select(x => JsonValue.Create(x))])),
    };

    public static int Number(string text) => text == "" ? 0 : int.Parse(text, CultureInfo.InvariantCulture);

    /// <summary>Never a word again, whatever happens to stdin.</summary>
    public static void Hang(Cli cli)
    {
        cli.Output.Silence();
        Thread.Sleep(Timeout.Infinite);
    }

    /// <summary>What the real program does when its working directory has been deleted.</summary>
    public static void CwdGone()
    {
        Console.Error.WriteLine(
            "The current directory no longer exists (it was deleted or moved). Start Claude Code from an existing "
                + "directory."
        );
        Posix.Exit(1);
    }

    // Says that it has got there, then waits for the test: neither side needs to guess a time.
    static void Hold(Cli cli, string file)
    {
        File.WriteAllText(file + ".reached", "");
        while (!File.Exists(file))
            cli.Wait(HoldPoll);
    }

    static void CrashMidLine(Cli cli)
    {
        var line = new JsonObject
        {
            ["type"] = "assistant",
            ["message"] = new JsonObject { ["role"] = "assistant" },
        }.ToBytes();
        cli.Output.Bytes(line.AsSpan(0, line.Length / 2));
        Posix.Raise(Posix.Number("KILL"));
    }

    static void KillSelf(Cli cli, string signal)
    {
        var number = Posix.Number(signal);
        Posix.Raise(number);

        // A stopped process goes on when it is continued; the others wait for their end.
        if (number != Posix.Number("STOP"))
            cli.Wait(Timeout.InfiniteTimeSpan);
    }

    // In a session of its own, as the Bash tool starts its commands: killing our process group does not reach it.
    // `inherit` lets it keep our output open too, so that a reader waiting for the end of file waits for it.
    static void Grandchild(Cli cli, string arguments)
    {
        var (path, inherits) = arguments.EndsWith(" inherit", StringComparison.Ordinal)
            ? (arguments[..^" inherit".Length], true)
            : (arguments, false);

        using var child = Process.Start(
            "/bin/sh",
            ["-c", "exec setsid sleep 600" + (inherits ? "" : " </dev/null >/dev/null 2>&1")]
        );
        WriteWhole(path, JsonValue.Create(child.Id));
    }

    // As above, but its parent has ended by now: so does a command's shell that ends in `&`. `PATH SECONDS
    // [ignore-term|hide]`
    static void Orphan(Cli cli, string arguments)
    {
        var parts = arguments.Split(' ');
        var ignores = parts is [_, _, "ignore-term"] ? "trap '' TERM; " : "";
        var hides = parts is [_, _, "hide"] ? "env -i " : "";

        using var shell = Process.Start(
            new ProcessStartInfo(
                "/bin/sh",
                ["-c", $"{ignores}{hides}setsid sleep {parts[1]} </dev/null >/dev/null 2>&1 & echo $!"]
            )
            {
                RedirectStandardOutput = true,
            }
        )!;
        var id = shell.StandardOutput.ReadToEnd();
        shell.WaitForExit();
        WriteWhole(parts[0], JsonValue.Create(Number(id.Trim())));
    }

    // As above, and in a session below another one that is gone, without any environment; `shed` with limits of its own
    // too. `PATH [shed]`
    static void Hidden(Cli cli, string arguments)
    {
        var parts = arguments.Split(' ');
        var sheds = parts is [_, "shed"] ? "ulimit -m 1000; " : "";

        using var shell = Process.Start(
            "/bin/sh",
            [
                "-c",
                $"env -i setsid setsid /bin/sh -c '{sheds}echo $$ >\"$1.part\"; mv \"$1.part\" \"$1\"; exec sleep "
                    + $"600' sh '{parts[0]}' </dev/null >/dev/null 2>&1 &",
            ]
        );
        shell.WaitForExit();
        while (!File.Exists(parts[0]))
            cli.Wait(HoldPoll);
    }

    static void InvalidUtf8(Cli cli) =>
        cli.Output.Bytes([
            .. """{"type":"assistant","message":{"role":"assistant","content":[{"type":"text","text":"broken """u8,
            0xFF,
            0xC3,
            0x28,
            0xED,
            0xA0,
            0x80,
            .. "\"}]}}\n"u8,
        ]);

    static void UnknownFrames(Cli cli)
    {
        foreach (
            var line in (string[])
                [
                    """{"type":"from_next_year","payload":{"type":"result","is_error":true}}""",
                    """{"type":"system","subtype":"from_next_year"}""",
                    """{"type":"result_summary","subtype":"success","is_error":false}""",
                    """{"no_type":true}""",
                    """{"type":42}""",
                    """["type","result"]""",
                    "\"result\"",
                    "null",
                    "",
                ]
        )
            cli.Output.Bytes(Json.Utf8.GetBytes(line + "\n"));
    }

    static void FloodStderr(int bytes)
    {
        using var stderr = Console.OpenStandardError();
        var line = Encoding.ASCII.GetBytes(new string('e', 99) + "\n");
        for (var left = bytes; left > 0; left -= line.Length)
            stderr.Write(line, 0, Math.Min(left, line.Length));
    }

    static JsonObject Environments()
    {
        var variables = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>();
        return new(
            variables.Select(x => KeyValuePair.Create((string)x.Key, (JsonNode?)JsonValue.Create((string?)x.Value)))
        );
    }

    // A test that waits for the file must never read half of it.
    static void WriteWhole(string path, JsonNode content)
    {
        File.WriteAllText(path + ".part", content.ToLine());
        File.Move(path + ".part", path, overwrite: true);
    }
}
