using System.Diagnostics;
using System.Text.Json;
using Wake.Offline;
using Wake.Testing;
using Wake.Tests.HouseRules;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>What happens while Wake does not run reaches the real CLI when it does.</summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class WakingLater : IAsyncLifetime
{
    MessagesApi api = null!;
    WakeSystem wake = null!;

    public async Task InitializeAsync()
    {
        api = await MessagesApi.Start();
        wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["ANTHROPIC_BASE_URL"] = api.Url,
                ["ANTHROPIC_API_KEY"] = "sk-test-0123456789",
                ["Claude__Executable"] = RealClaude.Executable(RealClaude.Current),
            }
        );
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        await api.DisposeAsync();
    }

    [Fact]
    public async Task A_shell_script_drops_a_file_while_it_is_down()
    {
        var key = await wake.WatchingSession();
        await wake.Wake(key, "the first thing happened");
        await wake.WaitForTurnEnd(key, 1);
        Assert.Equal(0, await wake.Processes[^1].Stop());

        await ExternalProgram.Run(
            Path.Combine(Repository.Root, "deploy/examples/drop.sh"),
            $$"""{"type":"backup.done","subject":"{{WakeSystem.Subject(key)}}","reason":"The backup is done"}""",
            new Dictionary<string, string> { ["WAKE_DATA"] = wake.Data }
        );
        await wake.StartProcess("Wake.Standalone");

        Assert.Equal(["The backup is done"], (await wake.WaitForTurnEnd(key, 2)).Reasons);
        Assert.True(
            (await api.Next(x => x.IsInTail("The backup is done"))).IsInConversation("the first thing happened")
        );
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_command_keeps_what_it_is_told_while_it_is_down_and_says_so(bool anotherHasItsPort)
    {
        var key = await wake.Session();
        var here = new Dictionary<string, string> { ["WAKE_DATA"] = wake.Data };
        await wake.Processes[^1].Kill();
        await using var another = anotherHasItsPort ? await WakeSystem.Start(Transport.InMemory) : null;
        if (another is not null)
            File.Copy(
                Path.Combine(another.Data, "endpoint.json"),
                Path.Combine(wake.Data, "endpoint.json"),
                overwrite: true
            );

        var resumed = await WakeCommandLine.Run(here, null, "resume", "--session", key, "--reason", "PR #972 merged");
        var published = await WakeCommandLine.Run(
            here,
            null,
            "publish",
            "--subject",
            "s",
            "--type",
            "t",
            "--reason",
            "CI is green",
            "--session",
            key,
            "--output",
            "json"
        );
        var waiting = await WakeCommandLine.Run(here, null, "resume", "--session", key, "--reason", "x", "--wait");
        var wrong = await WakeCommandLine.Run(here, "{}", "publish", "--file", "-");
        var elsewhere = await WakeCommandLine.Run(
            new Dictionary<string, string> { ["WAKE_URL"] = "http://127.0.0.1:9" },
            null,
            "resume",
            "--session",
            key,
            "--reason",
            "x"
        );

        CommandOutput[] all = [resumed, published, waiting, wrong, elsewhere];
        Assert.True(
            all.Select(x => x.ExitCode).SequenceEqual([0, 0, 1, 1, 1]),
            string.Join('\n', all.Select(x => $"{x.ExitCode}: {x.Output}{x.Errors}"))
        );
        Assert.Contains("not running. Spooled in", resumed.Output);
        Assert.Contains("spooledTo", published.Output);
        Assert.Equal(2, Directory.GetFiles(Path.Combine(wake.Data, "spool"), "*.json").Length);
        await wake.StartProcess("Wake.Standalone");

        Assert.Equal(["PR #972 merged", "CI is green"], (await wake.WaitForTurnEnd(key, 1)).Reasons);
        Assert.Equal("wake", await wake.Scalar<string>("select scope from events where reason = 'PR #972 merged'"));
    }

    [Fact]
    public async Task A_wish_that_cannot_be_granted_is_refused_at_once_or_told_by_the_next_command()
    {
        using var folder = new TemporaryFolder();
        var here = new Dictionary<string, string>
        {
            ["Claude__Executable"] = WakeSystem.FakeClaude,
            ["CLAUDE_CONFIG_DIR"] = wake.ClaudeConfig,
            ["WAKE_DATA"] = folder.File("data"),
        };
        Directory.CreateDirectory(folder.File("work"));
        var (known, local) = (Guid.NewGuid(), Guid.NewGuid());
        var transcripts = Directory.CreateDirectory(Path.Combine(wake.ClaudeConfig, "projects", "-work")).FullName;
        File.WriteAllText(Path.Combine(transcripts, $"{local:D}.jsonl"), """{"cwd":"/work"}""" + "\n");

        using (var up = await Up())
        {
            Assert.Equal(
                0,
                (
                    await Wake(
                        "sessions",
                        "add",
                        "mine",
                        "--workspace",
                        folder.File("work"),
                        "--claude-session",
                        $"{known:D}"
                    )
                ).ExitCode
            );
            Assert.Equal(0, (await Wake("sessions", "add", "gone", "--workspace", folder.File("work"))).ExitCode);
            Assert.Equal(0, (await Wake("sessions", "close", "gone")).ExitCode);
            await Ends(up, "-TERM");
        }

        // It was stopped, so which sessions there are is known.
        foreach (
            var (name, why) in ((string, string)[])
                [
                    ("mni", "There was no open session mni"),
                    ("gone", "no open session gone"),
                    ($"{Guid.NewGuid():D}", "no transcript"),
                    ($"{local:D}", "does not know the Claude session"),
                ]
        )
        {
            var refused = await Wake("resume", "--session", name, "--reason", "x");
            Assert.Equal(1, refused.ExitCode);
            Assert.Contains(why, refused.Errors);
            Assert.Contains("wake up", refused.Errors);
        }

        Assert.Equal(0, (await Wake("resume", "--session", "mine", "--reason", "kept", "--dedup-key", "k")).ExitCode);
        Assert.Equal(
            0,
            (await Wake("resume", "--session", "mine", "--reason", "kept again", "--dedup-key", "k")).ExitCode
        );
        Assert.Equal(
            0,
            (
                await Wake("resume", "--session", $"{known:D}".ToUpperInvariant(), "--reason", "by the other name")
            ).ExitCode
        );
        Assert.Equal(3, Directory.GetFiles(folder.File("data/spool"), "*.json").Length);

        using (var up = await Up())
        {
            await Eventually.Holds(
                async () =>
                    (await Wake("explain", "session", "mine")).Output is var told
                    && told.Contains("kept")
                    && told.Contains("ended"),
                "it is woken"
            );
            var again = await Wake(
                "resume",
                "--session",
                "mine",
                "--reason",
                "kept once more",
                "--dedup-key",
                "k",
                "--wait"
            );
            Assert.True(again.ExitCode == 0, again.Errors);
            var shown = JsonDocument
                .Parse((await Wake("explain", "session", "mine", "--output", "json")).Output)
                .RootElement.GetRawText();
            Assert.Contains("\"kept\"", shown);
            Assert.DoesNotContain("kept again", shown);
            Assert.DoesNotContain("kept once more", shown);

            // Killed, nobody knows which there are; what then comes to nothing is told once.
            await Ends(up, "-KILL");
        }

        Assert.Equal(0, (await Wake("resume", "--session", "mni", "--reason", "x")).ExitCode);
        using (var up = await Up())
        {
            await Eventually.Holds(
                () =>
                    Task.FromResult(
                        Directory
                            .GetFiles(folder.File("data/spool/bad"), "*.reason")
                            .Any(x => File.ReadAllText(x).Contains("mni"))
                    ),
                "it is set aside"
            );
            var next = await Wake("sessions", "--output", "json");
            Assert.Contains("could not be delivered", next.Errors);
            Assert.Contains("no open session mni", next.Errors);
            JsonDocument.Parse(next.Output);
            Assert.Empty((await Wake("sessions", "--output", "json")).Errors);
            Assert.Contains("dropped files could not be taken in", (await Wake("doctor")).Output);
            await Ends(up, "-TERM");
        }

        Task<CommandOutput> Wake(params string[] arguments) => WakeCommandLine.Run(here, null, arguments);

        async Task<Process> Up()
        {
            var up = Process.Start(WakeCommandLine.Start(here, "up", "--port", "0"))!;
            _ = up.StandardError.ReadToEndAsync();
            Assert.StartsWith("ready ", await up.StandardOutput.ReadLineAsync());
            return up;
        }

        static async Task Ends(Process up, string signal)
        {
            using (Process.Start("kill", [signal, $"{up.Id}"])) { }
            await up.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        }
    }
}
