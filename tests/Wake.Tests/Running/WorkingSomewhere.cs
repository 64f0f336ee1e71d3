using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.Runner;
using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>The directories that turns run in, made from a repository where they are missing.</summary>
public sealed class WorkingSomewhere : IAsyncLifetime
{
    readonly TemporaryFolder machine = new();
    readonly TestStore store = new();
    string repository = "";

    public async Task InitializeAsync()
    {
        repository = machine.File("origin");
        Directory.CreateDirectory(repository);
        await store.InitializeAsync();
        foreach (var arguments in (string[][])[["init", "--quiet", "--initial-branch", "main"], ["checkout", "--quiet", "-b", "work"]])
            await Git.Run(repository, CancellationToken.None, arguments);
        await Commit("first");
    }

    public async Task DisposeAsync()
    {
        await store.DisposeAsync();
        machine.Dispose();
    }

    [Fact]
    public async Task A_missing_workspace_is_made_from_the_repository_of_the_profile()
    {
        await using var wake = await WakeSystem.Start(Transport.InMemory, new Dictionary<string, string>
        {
            ["Profiles__repo__Repository"] = repository,
            ["Profiles__repo__Branch"] = "work",
            ["Runner__Cache"] = machine.File("cache"),
        });

        foreach (var file in (string[])["first", "second"])
        {
            var workspace = machine.File($"workspaces/{file}");
            var key = await wake.Session("repo", workspace: workspace);
            await wake.Wake(key, "merged");

            Assert.Equal(TurnOutcome.Completed, (await wake.Ended(key, 1)).Outcome);
            Assert.True(File.Exists(Path.Combine(workspace, file)));
            Assert.Equal(repository, (await Git.Run(workspace, CancellationToken.None, "remote", "get-url", "origin")).Trim());
            Assert.Equal("work", (await Git.Run(workspace, CancellationToken.None, "branch", "--show-current")).Trim());
            await Commit("second");
        }
    }

    [Theory]
    [InlineData("default", "names no repository")]
    [InlineData("wrong", "cannot be made: git clone")]
    public async Task A_workspace_that_cannot_be_had_parks_the_turn_and_says_why(string profile, string note)
    {
        await using var wake = await WakeSystem.Start(Transport.InMemory, new Dictionary<string, string>
        {
            ["Profiles__wrong__Repository"] = machine.File("no-such-repository"),
            ["Runner__Cache"] = machine.File("cache"),
        });
        var key = await wake.Session(profile, workspace: machine.File("elsewhere"));

        await wake.Wake(key, "merged");

        Assert.Contains(note, (await wake.Is(key, SessionState.Parked)).LastTurn!.Note);
        Assert.False(Directory.Exists(machine.File("elsewhere")));
        Assert.False(File.Exists(Path.Combine(wake.ClaudeConfig, "fake-claude.log")));
    }

    [Fact]
    public async Task What_was_made_is_deleted_when_its_session_was_closed_long_enough()
    {
        using var workspaces = Workspaces();
        await Made(workspaces, await store.Session("a"));

        await workspaces.Clean(CancellationToken.None);
        Assert.True(Directory.Exists(machine.File("made")));

        await store.Sessions.Close("a", CancellationToken.None);
        await workspaces.Clean(CancellationToken.None);
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
            await store.Sessions.Create(key, machine.File(workspace), "default", null, CancellationToken.None));

        await workspaces.Clean(CancellationToken.None);
        Assert.True(Directory.Exists(machine.File("made")));

        await store.Sessions.Close(key, CancellationToken.None);
        await workspaces.Clean(CancellationToken.None);
        Assert.False(Directory.Exists(machine.File("made")));
    }

    Workspaces Workspaces() => new(
        store.Sessions, Options.Create(new RunnerOptions { Cache = machine.File("cache"), KeepWorkspaces = TimeSpan.Zero }), NullLogger<Workspaces>.Instance);

    async Task Made(Workspaces workspaces, Guid session) => Assert.Null(await workspaces.Prepare(
        new(session, "a", 1, 1, 1, 0, 0, false, machine.File("made"), "default", null, []),
        new() { Repository = repository, Branch = "work" }, CancellationToken.None));

    async Task Commit(string file)
    {
        await File.WriteAllTextAsync(Path.Combine(repository, file), file);
        await Git.Run(repository, CancellationToken.None, "add", ".");
        await Git.Run(repository, CancellationToken.None, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "--allow-empty", "-m", file);
    }
}
