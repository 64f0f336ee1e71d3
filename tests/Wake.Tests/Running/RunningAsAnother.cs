using System.IO.Compression;
using System.Runtime.Versioning;
using Wake.Contracts;
using Wake.Offline;
using Wake.Runner;
using Wake.ServiceDefaults;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>Turns that run as a user of their own, on a machine with a second one: <c>Runner__RunAs</c>.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class RunningAsAnother : RunAsTestBase
{
    [AsRootFact]
    public Task A_turn_runs_as_its_user_and_remembers_and_leaves_nothing() => TurnsAreTheirUsers([]);

    [AsRootFact]
    public Task Five_capabilities_of_root_do() => TurnsAreTheirUsers(FiveCapabilities);

    async Task TurnsAreTheirUsers(IReadOnlyList<string> wrapper)
    {
        standalone = await wake.StartProcess("Wake.Standalone", wrapper: wrapper);
        var (key, hold, tool) = (await Session(), folder.File("tmp/hold"), folder.File("tmp/tool"));
        await wake.Wake(
            key,
            $"first [[fake:orphan {tool} 600]] [[fake:env {folder.File("tmp/env")}]] [[fake:hold {hold}]]"
        );
        await Eventually.Holds(() => Task.FromResult(File.Exists($"{hold}.reached")), "the turn reaches its hold");

        var cli = Assert.Single(MachineProcess.CliProcesses(folder.File("claude")));
        var (user, group) = (agent.RunAs("id", "-u").Said.Trim(), agent.RunAs("id", "-g").Said.Trim());
        var status = File.ReadAllLines($"/proc/{cli}/status");
        Assert.Equal([user, user, user, user], Of("Uid:"));
        Assert.Equal([group, group, group, group], Of("Gid:"));
        Assert.Equal([group], Of("Groups:"));
        Assert.Equal(["0000000000000000"], Of("CapEff:"));
        var environment = await File.ReadAllTextAsync(folder.File("tmp/env"));
        Assert.Contains($"\"USER\":\"{agent.Name}\"", environment);
        Assert.Contains($"\"HOME\":\"/home/{agent.Name}\"", environment);

        // What the runner has is not the run's.
        foreach (
            var file in (string[])
                [
                    $"/proc/{standalone.Id}/environ",
                    $"/proc/{standalone.Id}/mem",
                    folder.File("secrets/GitHub__WebhookSecrets__0"),
                    Path.Combine(wake.Data, "token"),
                ]
        )
            Assert.NotEqual(0, agent.RunAs("cat", file).Code);
        Assert.NotEqual(0, agent.RunAs("kill", $"{standalone.Id}").Code);
        Assert.DoesNotContain("can be read by", standalone.Log);

        // Nor is the run's its neighbour's.
        Assert.NotEqual(0, neighbour.RunAs("cat", $"/proc/{cli}/environ").Code);

        await File.WriteAllTextAsync(hold, "");
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.False(MachineProcess.Runs(await MachineProcess.ReadProcessId(tool)));

        // From the store: the folder is as on another machine.
        var transcript = Assert.Single(
            Directory.GetFiles(folder.File("claude"), "*.jsonl", SearchOption.AllDirectories)
        );
        File.Delete(transcript);
        await wake.Wake(key, "second");
        var second = await wake.WaitForTurnEnd(key, 2);
        Assert.Equal((TurnOutcome.Completed, 1), (second.Outcome, second.Attempt));
        Assert.Contains("first", await File.ReadAllTextAsync(transcript));
        Assert.Equal(0, agent.RunAs("test", "-O", transcript).Code);

        (tool, hold) = ($"{tool}.third", $"{hold}.third");
        await wake.Wake(key, $"third [[fake:orphan {tool} 600]] [[fake:hold {hold}]]");
        await Eventually.Holds(() => Task.FromResult(File.Exists($"{hold}.reached")), "the turn reaches its hold");
        var left = await MachineProcess.ReadProcessId(tool);

        // Of one that is frozen what runs beside it ends what it runs, when its lease is over.
        cli = Assert.Single(MachineProcess.CliProcesses(folder.File("claude")));
        standalone.Freeze();
        await Eventually.Holds(() => Task.FromResult(!MachineProcess.Runs(cli)), "the run has ended");
        standalone.Thaw();
        await Eventually.Holds(() => Task.FromResult(!MachineProcess.Runs(left)), "the tool has ended");

        string[] Of(string name) =>
            status
                .Single(x => x.StartsWith(name, StringComparison.Ordinal))[name.Length..]
                .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
    }

    [AsRootFact]
    public async Task A_link_in_place_of_a_transcript_shows_nothing_of_the_runners_and_changes_nothing()
    {
        standalone = await wake.StartProcess("Wake.Standalone");
        var (key, secret) = (await Session(), folder.File("secrets/GitHub__WebhookSecrets__0"));
        await wake.Wake(key, "first");
        await wake.WaitForTurnEnd(key, 1);

        var transcript = Assert.Single(
            Directory.GetFiles(folder.File("claude"), "*.jsonl", SearchOption.AllDirectories)
        );
        Assert.Equal(0, agent.RunAs("ln", "--symbolic", "--force", secret, transcript).Code);
        Assert.Equal(0, agent.RunAs("ln", "--symbolic", secret, $"{transcript}.arriving").Code);
        await wake.Wake(key, "second");
        await Eventually.Holds(async () => (await wake.Turns(key)).Count > 1, "the second turn begins");
        await standalone.Stop();

        Assert.Equal(Secret, await File.ReadAllTextAsync(secret));
        await using var segments = wake.Database.CreateCommand("select content from transcript_segments");
        await using var reader = await segments.ExecuteReaderAsync();
        while (await reader.ReadAsync())
        {
            using var content = new StreamReader(
                new ZLibStream(new MemoryStream((byte[])reader[0]), CompressionMode.Decompress)
            );
            Assert.DoesNotContain("a secret of the runner", await content.ReadToEndAsync());
        }
    }

    [AsRootFact]
    public async Task A_workspace_that_is_made_for_it_is_its_users_with_all_that_is_in_it()
    {
        await StartWithRepository();
        var workspace = folder.File("made/one");
        var key = await wake.Session("cloned", workspace: workspace);

        await wake.Wake(key, "first");

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.Equal((0, ""), agent.RunAs("find", workspace, "!", "-user", agent.Name));
        Assert.Equal(PrivateDirectory.Mode, File.GetUnixFileMode(workspace));
        Assert.NotEqual(0, neighbour.RunAs("ls", workspace).Code);

        // A file with two names is one file: what its user writes there is in the mirror.
        Assert.NotEqual((0, ""), agent.RunAs("find", $"{workspace}/.git/objects", "-type", "f"));
        Assert.Equal((0, ""), agent.RunAs("find", workspace, "-type", "f", "-links", "+1"));
    }

    [AsRootFact]
    public async Task No_workspace_is_made_where_its_user_could_put_a_link()
    {
        await StartWithRepository();
        Directory.CreateDirectory(folder.File("open"));
        File.SetUnixFileMode(folder.File("open"), (UnixFileMode)0b111_111_111);

        foreach (var parent in (string[])["workspace", "open"])
        {
            var key = await wake.Session("cloned", workspace: folder.File($"{parent}/below"));
            await wake.Wake(key, "first");

            var turn = await Eventually.Sees(async () =>
                (await wake.Turns(key)).FirstOrDefault(x => x.Note is not null || x.Outcome is not null)
            );
            Assert.Contains($"can be written to by {agent.Name}", turn.Note);
            Assert.Empty(Directory.GetFileSystemEntries(folder.File(parent)));
        }
    }

    // What its configuration names is a program of its user's, should git ever come to run it. The folder around it
    // may be somebody else's.
    [AsRootFact]
    public async Task Git_in_the_workspace_of_a_run_is_its_user_and_never_the_runner()
    {
        var (calls, programs) = (folder.File("tmp/calls"), Directory.CreateDirectory(folder.File("path")).FullName);
        await File.WriteAllTextAsync(calls, "");
        Directory.CreateDirectory(folder.File("open"));
        await File.WriteAllTextAsync(
            Path.Combine(programs, "git"),
            $"#!/bin/sh\necho \"$(id -u) $(pwd)\" >>{calls}\nPATH=${{PATH#*:}}\nexec git \"$@\"\n"
        );
        foreach (var everybodys in (string[])[calls, folder.File("open"), Path.Combine(programs, "git")])
            File.SetUnixFileMode(everybodys, (UnixFileMode)0b111_111_111);
        standalone = await wake.StartProcess(
            "Wake.Standalone",
            new Dictionary<string, string>
            {
                ["PATH"] = $"{programs}:{Environment.GetEnvironmentVariable("PATH")}",
                ["Profiles__instant__FreshAfterSideEffects"] = "false",
            }
        );
        var user = agent.RunAs("id", "-u").Said.Trim();

        foreach (var workspace in (string[])["workspace", "open"])
        {
            Assert.Equal(0, agent.RunAs("git", "init", "--quiet", folder.File(workspace)).Code);

            // One that is not there any more: whether somebody has acted meanwhile is looked for in the workspace.
            var key = await wake.Session("instant", Guid.NewGuid(), folder.File(workspace));
            await wake.Watch(key, $"it is {key}");
            await wake.Post(WakeSystem.Event($"it is {key}", "happened"));
            await wake.WaitForTurnEnd(key, 1);

            var seen = (await File.ReadAllLinesAsync(calls)).Where(x => x.EndsWith($" {folder.File(workspace)}"));
            Assert.NotEmpty(seen);
            Assert.All(seen, x => Assert.StartsWith($"{user} ", x));
        }
    }

    async Task StartWithRepository()
    {
        var repository = Directory.CreateDirectory(folder.File("repository")).FullName;
        await File.WriteAllTextAsync(Path.Combine(repository, "file"), "file");
        await GitCommand.Run(repository, "init", "--quiet");
        await GitCommand.Run(repository, "add", ".");
        await GitCommand.Commit(repository, "first");

        standalone = await wake.StartProcess(
            "Wake.Standalone",
            new Dictionary<string, string>
            {
                ["Profiles__cloned__Repository"] = repository,
                ["Runner__Cache"] = folder.File("cache"),
            }
        );
    }

    [AsRootFact]
    public async Task Secrets_that_a_run_can_read_are_told()
    {
        File.SetUnixFileMode(
            folder.File("secrets/GitHub__WebhookSecrets__0"),
            UnixFileMode.UserRead | UnixFileMode.OtherRead
        );

        standalone = await wake.StartProcess("Wake.Standalone");

        Assert.Contains($"GitHub__WebhookSecrets__0 can be read by {agent.Name}", standalone.Log);
    }

    [AsRootFact]
    public async Task The_real_CLI_runs_its_tools_as_that_user()
    {
        var claude = folder.File("bin/claude");
        File.Copy(RealClaude.Executable(RealClaude.Current), claude);
        await using var api = await MessagesApi.Start();
        standalone = await wake.StartProcess(
            "Wake.Standalone",
            new Dictionary<string, string>
            {
                ["Claude__Executable"] = claude,
                ["Claude__Environment__HOME"] = folder.File("home"),
                ["Claude__MaxRetries"] = "0",
                ["Claude__Environment__CLAUDE_ENV_FILE"] = folder.File("bin/bash-tool.sh"),
                ["Profiles__instant__AllowedTools__0"] = "Bash",
                ["ANTHROPIC_BASE_URL"] = api.Url,
                ["ANTHROPIC_API_KEY"] = "sk-test-0123456789",
            }
        );
        var key = await Session();

        await wake.Wake(key, $"merged [[bash:id -u > {folder.File("tmp/id")}]] [[say:done]]");

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
        Assert.Equal(agent.RunAs("id", "-u").Said.Trim(), (await File.ReadAllTextAsync(folder.File("tmp/id"))).Trim());
    }
}

/// <summary>What such a turn leaves behind ends with the next runner, when its own is killed.</summary>
[Collection(MachineProcesses.Name), UnsupportedOSPlatform("windows")]
public sealed class EndingWhatAKilledRunnersUserLeft : RunAsTestBase
{
    [AsRootFact]
    public Task The_next_one_ends_it() => TheNextOneEndsIt([]);

    [AsRootFact]
    public Task With_five_capabilities_of_root_too() => TheNextOneEndsIt(FiveCapabilities);

    async Task TheNextOneEndsIt(IReadOnlyList<string> wrapper)
    {
        standalone = await wake.StartProcess("Wake.Standalone", wrapper: wrapper);
        var (key, hold, tool) = (await Session(), folder.File("tmp/hold"), folder.File("tmp/tool"));
        await wake.Wake(key, $"first [[fake:orphan {tool} 600]] [[fake:hold {hold}]]");
        await Eventually.Holds(() => Task.FromResult(File.Exists($"{hold}.reached")), "the turn reaches its hold");
        var left = await MachineProcess.ReadProcessId(tool);

        await standalone.Kill();
        Assert.True(MachineProcess.Runs(left));
        standalone = await wake.StartProcess("Wake.Standalone", wrapper: wrapper);
        await Eventually.Holds(() => Task.FromResult(!MachineProcess.Runs(left)), "the tool has ended");
    }
}

/// <summary>A Wake on a machine with two users more.</summary>
[UnsupportedOSPlatform("windows")]
[Trait("Starts", "processes")]
public abstract class RunAsTestBase : IAsyncLifetime
{
    // A row, were it taken for a transcript.
    private protected const string Secret = """{"type":"user","message":"a secret of the runner's"}""" + "\n";

    const UnixFileMode Traversable =
        UnixFileMode.UserRead
        | UnixFileMode.UserWrite
        | UnixFileMode.UserExecute
        | UnixFileMode.GroupExecute
        | UnixFileMode.OtherExecute;

    private protected readonly TemporaryFolder folder = new();
    private protected OtherUser agent = null!,
        neighbour = null!;
    private protected WakeSystem wake = null!;
    private protected ServiceProcess standalone = null!;

    public async Task InitializeAsync()
    {
        (agent, neighbour) = (OtherUser.Create()!, OtherUser.Create()!);
        File.SetUnixFileMode(folder.Path, Traversable);
        foreach (var name in (string[])["claude", "workspace", "tmp", "home"])
            Give(Directory.CreateDirectory(folder.File(name)).FullName, agent);

        // Where these tests were built nobody else may have to be let in.
        foreach (
            var file in Directory
                .EnumerateFiles(AppContext.BaseDirectory, "fake-claude*")
                .Append(Path.Combine(AppContext.BaseDirectory, "bash-tool.sh"))
        )
            File.Copy(
                file,
                Path.Combine(Directory.CreateDirectory(folder.File("bin")).FullName, Path.GetFileName(file))
            );
        await File.WriteAllTextAsync(
            Path.Combine(Directory.CreateDirectory(folder.File("secrets")).FullName, "GitHub__WebhookSecrets__0"),
            Secret
        );
        File.SetUnixFileMode(folder.File("secrets/GitHub__WebhookSecrets__0"), UnixFileMode.UserRead);

        wake = await WakeSystem.Create(Transport.InMemory, Settings(folder.File("bin/fake-claude")));
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        agent.Dispose();
        neighbour.Dispose();
        folder.Dispose();
    }

    // Root of a container has no more, nor cgroups that it may write to.
    private protected static readonly IReadOnlyList<string> FiveCapabilities =
    [
        "unshare",
        "--mount",
        "sh",
        "-c",
        "findmnt --types cgroup2 --noheadings --output TARGET | xargs --no-run-if-empty umount --lazy; "
            + "exec setpriv --no-new-privs --inh-caps=-all "
            + "--bounding-set=-all"
            + string.Concat(RunUser.RequiredCapabilities.Select(x => $",+{x.Name.ToLowerInvariant()}"))
            + " \"$@\"",
        "sh",
    ];

    private protected Task<string> Session() => wake.Session("instant", workspace: folder.File("workspace"));

    Dictionary<string, string> Settings(string executable) =>
        new()
        {
            ["Runner__RunAs"] = agent.Name,
            // A shorter one is over by itself on a starved machine, which costs an attempt.
            ["Runner__Lease"] = "00:00:10",
            ["Claude__Executable"] = executable,
            ["CLAUDE_CONFIG_DIR"] = folder.File("claude"),
            ["WAKE_SECRETS"] = folder.File("secrets"),
        };

    static void Give(string path, OtherUser user)
    {
        using var chown = System.Diagnostics.Process.Start("chown", [$"{user.Name}:", path]);
        chown.WaitForExit();
        Assert.Equal(0, chown.ExitCode);
    }
}
