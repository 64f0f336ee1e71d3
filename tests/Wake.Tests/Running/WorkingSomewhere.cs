using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.Runner;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>The directories that turns run in, made from a repository where they are missing.</summary>
[Trait("Starts", "processes")]
public sealed class WorkingSomewhere : IAsyncLifetime
{
    readonly TemporaryFolder machine = new();
    readonly TestStore store = new();
    readonly ProcessLauncher launcher = new(Options.Create(new RunnerOptions()));
    string repository = "";

    public async Task InitializeAsync()
    {
        repository = machine.File("origin");
        Directory.CreateDirectory(repository);
        await store.InitializeAsync();
        await GitCommand.Run(repository, "init", "--quiet", "--initial-branch", "main");
        await GitCommand.Run(repository, "checkout", "--quiet", "-b", "work");
        await Commit("first");
    }

    public async Task DisposeAsync()
    {
        await store.DisposeAsync();
        launcher.Dispose();
        machine.Dispose();
    }

    [Fact]
    public async Task A_missing_workspace_is_made_from_the_repository_of_the_profile()
    {
        await using var wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["Profiles__repo__Repository"] = repository,
                ["Profiles__repo__Branch"] = "work",
                ["Runner__Cache"] = machine.File("cache"),
            }
        );

        foreach (var file in (string[])["first", "second"])
        {
            var workspace = machine.File($"workspaces/{file}");
            var key = await wake.Session("repo", workspace: workspace);
            await wake.Wake(key, "merged");

            Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
            Assert.True(File.Exists(Path.Combine(workspace, file)));
            Assert.Equal(repository, (await GitCommand.Run(workspace, "remote", "get-url", "origin")).Trim());
            Assert.Equal("work", (await GitCommand.Run(workspace, "branch", "--show-current")).Trim());
            await Commit("second");
        }
    }

    [Theory]
    [InlineData("default", "names no repository")]
    [InlineData("wrong", "cannot be made: git clone")]
    public async Task A_workspace_that_cannot_be_had_parks_the_turn_and_says_why(string profile, string note)
    {
        await using var wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["Profiles__wrong__Repository"] = machine.File("no-such-repository"),
                ["Runner__Cache"] = machine.File("cache"),
            }
        );
        var key = await wake.Session(profile, workspace: machine.File("elsewhere"));

        await wake.Wake(key, "merged");

        Assert.Contains(note, (await wake.WaitForState(key, SessionState.Parked)).LastTurn!.Note);
        Assert.False(Directory.Exists(machine.File("elsewhere")));
        Assert.False(File.Exists(Path.Combine(wake.ClaudeConfig, "fake-claude.log")));
    }

    [Fact]
    public async Task A_repository_that_does_not_answer_is_asked_again_before_a_person_is()
    {
        await using var wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["Profiles__away__Repository"] = "http://robot:PASSWORD@127.0.0.1:1/x.git",
                ["Runner__Cache"] = machine.File("cache"),
            }
        );
        var key = await wake.Session("away", workspace: machine.File("elsewhere"));

        await wake.Wake(key, "merged");

        var turn = (await wake.WaitForState(key, SessionState.Parked)).LastTurn!;
        Assert.Equal(3, turn.Attempt);
        Assert.Contains("cannot be made: git clone", turn.Note);
        Assert.Contains("3 times in a row", turn.Note);
        Assert.DoesNotContain("PASSWORD", turn.Note);
    }

    [Theory]
    [InlineData(true, "fatal: unable to access 'https://h/x.git/': Could not resolve host: h")]
    [InlineData(true, "fatal: unable to access 'https://h/x.git/': The requested URL returned error: 503")]
    [InlineData(true, "fatal: unable to access 'https://h/x.git/': The requested URL returned error: 429")]
    [InlineData(true, "error: RPC failed; curl 56 Recv failure: Connection reset by peer\nfatal: early EOF")]
    [InlineData(
        true,
        "ssh: connect to host h port 22: Connection refused\nfatal: Could not read from remote repository.\n\n"
            + "Please make sure you have the correct access rights\nand the repository exists."
    )]
    [InlineData(true, "fatal: write error: No space left on device")]
    [InlineData(false, "remote: Repository not found.\nfatal: repository 'https://h/x.git/' not found")]
    [InlineData(false, "fatal: Authentication failed for 'https://h/x.git/'")]
    [InlineData(false, "fatal: could not read Username for 'https://h': terminal prompts disabled")]
    [InlineData(false, "fatal: unable to access 'https://h/x.git/': The requested URL returned error: 403")]
    [InlineData(false, "git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.")]
    [InlineData(false, "setpriv: failed to execute git: No such file or directory")]
    [InlineData(
        false,
        "warning: Could not find remote branch b to clone.\nfatal: Remote branch b not found in upstream origin"
    )]
    public void What_git_says_tells_whether_it_is_worth_another_try(bool mayPass, string said) =>
        Assert.Equal(mayPass, Git.CreateException("clone", said).IsTransient);

    [Fact]
    public async Task What_was_made_is_deleted_when_its_session_was_closed_long_enough()
    {
        using var workspaces = Workspaces();
        await Made(workspaces, await store.Session("a"));

        await workspaces.DeleteExpired(CancellationToken.None);
        Assert.True(Directory.Exists(machine.File("made")));

        await store.Sessions.Close("a", CancellationToken.None);
        await workspaces.DeleteExpired(CancellationToken.None);
        Assert.False(Directory.Exists(machine.File("made")));
    }

    [Theory]
    [InlineData("a", "made")]
    [InlineData("another", "made/below")]
    public async Task What_was_made_for_one_session_stays_while_another_works_in_it(string key, string workspace)
    {
        using var workspaces = Workspaces();
        await Made(workspaces, await store.Session("a"));
        await store.Sessions.Close("a", CancellationToken.None);
        Assert.IsType<SessionCreation.Created>(
            await store.Sessions.Create(key, machine.File(workspace), "default", null, CancellationToken.None)
        );

        await workspaces.DeleteExpired(CancellationToken.None);
        Assert.True(Directory.Exists(machine.File("made")));

        await store.Sessions.Close(key, CancellationToken.None);
        await workspaces.DeleteExpired(CancellationToken.None);
        Assert.False(Directory.Exists(machine.File("made")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_stands_in_the_place_of_a_workspace_that_was_made_stays(bool asLink)
    {
        using var workspaces = Workspaces();
        await Made(workspaces, await store.Session("a"));
        await store.Sessions.Close("a", CancellationToken.None);
        Directory.Move(machine.File("made"), machine.File("away"));
        Directory.CreateDirectory(machine.File("another"));
        await File.WriteAllTextAsync(machine.File("another/file"), "x");
        if (asLink)
            File.CreateSymbolicLink(machine.File("made"), machine.File("another"));
        else
            Directory.Move(machine.File("another"), machine.File("made"));

        await workspaces.DeleteExpired(CancellationToken.None);

        Assert.True(File.Exists(machine.File("made/file")));
    }

    Workspaces Workspaces() =>
        new(
            store.Sessions,
            new(launcher, new(new(), TimeProvider.System, NullLogger<RunReaper>.Instance)),
            Options.Create(new RunnerOptions { Cache = machine.File("cache"), WorkspaceRetention = TimeSpan.Zero }),
            NullLogger<Workspaces>.Instance
        );

    async Task Made(Workspaces workspaces, Guid session) =>
        Assert.Null(
            await workspaces.Prepare(
                new(session, "a", 1, 1, 1, 0, 0, false, machine.File("made"), "default", null, []),
                new() { Repository = repository, Branch = "work" },
                CancellationToken.None,
                CancellationToken.None
            )
        );

    async Task Commit(string file)
    {
        await File.WriteAllTextAsync(Path.Combine(repository, file), file);
        await GitCommand.Run(repository, "add", ".");
        await GitCommand.Commit(repository, file);
    }
}
