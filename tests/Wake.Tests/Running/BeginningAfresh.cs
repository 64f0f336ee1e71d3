using Wake.Contracts;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>When a wake does not go on with the memory of its session, and how one sees why.</summary>
[Trait("Starts", "processes")]
public sealed class BeginningAfresh : IAsyncLifetime
{
    WakeSystem wake = null!;

    public async Task InitializeAsync() =>
        wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["Profiles__stale__StaleAfter"] = "00:00:00.000001",
                ["Profiles__always__Resume"] = "Always",
                ["Profiles__always__StaleAfter"] = "00:00:00.000001",
                ["Profiles__never__Resume"] = "Never",
            }
        );

    public async Task DisposeAsync() => await wake.DisposeAsync();

    [Fact]
    public async Task A_memory_that_was_not_used_for_too_long_is_not_gone_on_with()
    {
        var key = await Woken("stale", times: 2);

        var explanation = await wake.Explain(key);
        Assert.Equal(2, explanation.ClaudeSessions.Count);
        Assert.StartsWith("it was last used on", explanation.ClaudeSessions[1].Reason);
        Assert.Contains(
            explanation.Ledger,
            x => x.What == "resumeUnavailable" && x.Wake == 2 && x.Note!.StartsWith("stale: ")
        );

        var told = Said(await wake.Show(key))[0];
        Assert.Contains("fresh session without the memory", told);
        Assert.Contains("| user: This session begins with what happened outside:", told);
        Assert.Contains($"| - {WakeSystem.Subject(key)}", told);
    }

    [Fact]
    public async Task A_profile_can_want_every_wake_afresh()
    {
        var key = await Woken("never", times: 3);

        Assert.Equal(3, (await wake.Show(key)).ClaudeSessionIds.Count);
        Assert.Single(Said(await wake.Show(key)));
    }

    [Fact]
    public async Task A_profile_can_forbid_fresh_sessions()
    {
        var unknown = Guid.NewGuid();
        var lost = await wake.Session("always", claudeSession: unknown);
        await wake.Wake(lost, "merged");

        var parked = await wake.WaitForState(lost, SessionState.Parked);
        Assert.Contains("never begins a fresh one", parked.LastTurn!.Note);
        Assert.Equal([unknown], parked.ClaudeSessionIds);

        Assert.Single((await wake.Show(await Woken("always", times: 2))).ClaudeSessionIds);
    }

    // As claude --resume does: what it cannot read it passes over.
    [Fact]
    public async Task A_memory_that_is_not_whole_is_gone_on_with()
    {
        var id = Guid.NewGuid();
        var key = await wake.Session(claudeSession: id);
        var folder = new Runner.TranscriptFolder(wake.ClaudeConfig, (await wake.Show(key)).Workspace, id);
        Directory.CreateDirectory(folder.Folder);
        await File.WriteAllTextAsync(
            folder.MainFile,
            """{"type":"user","uuid":"2","parentUuid":"1","message":{"role":"user","content":"hello"}}""" + "\n"
        );

        await wake.Wake(key, "merged");

        await wake.WaitForTurnEnd(key, 1);
        Assert.Equal([id], (await wake.Show(key)).ClaudeSessionIds);
    }

    [Theory]
    [InlineData("called tools", "had called tools already")]
    [InlineData("committed", "its workspace has new commits")]
    public async Task A_wake_that_has_acted_is_not_begun_again_before_a_person_has_looked(string how, string note)
    {
        using var hold = new HoldFile();
        using var folder = new TemporaryFolder();
        var key = await Woken("default", times: 1);
        await wake.Publish(
            WakeSystem.Event(
                WakeSystem.Subject(key),
                "two",
                reason: $"two {(how == "called tools" ? $"[[fake:first tool-start {folder.File("effect")}]]" : "")} "
                    + $"[[fake:first hold {hold.Path}]]"
            )
        );
        await hold.Reached();

        if (how == "called tools")
            await Eventually.Holds(
                () => wake.Scalar<bool>("select acted from turns where wake_number = 2"),
                "that it acted is known"
            );
        else
            await Commit((await wake.Show(key)).Workspace);

        await wake.Processes[^1].Kill();
        await wake.Scalar<object>("with gone as (delete from transcripts) select 1");
        Directory.Delete(Path.Combine(wake.ClaudeConfig, "projects"), recursive: true);
        await wake.StartProcess("Wake.Standalone");

        var parked = await wake.WaitForState(key, SessionState.Parked);
        Assert.Contains(note, parked.LastTurn!.Note);
        Assert.Single(parked.ClaudeSessionIds);

        hold.Release();
        await wake.Wake(key, "I have looked");
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 2)).Outcome);
        Assert.Equal(2, (await wake.Show(key)).ClaudeSessionIds.Count);
    }

    static async Task Commit(string workspace)
    {
        await GitCommand.Run(workspace, "init", "--quiet");
        await GitCommand.Commit(workspace, "done");
    }

    async Task<string> Woken(string profile, int times)
    {
        var key = await wake.WatchingSession(profile);
        for (var time = 1; time <= times; time++)
        {
            await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), $"{time}"));
            Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, time)).Outcome);
        }

        return key;
    }

    IReadOnlyList<string> Said(Session session) => FakeTranscript.Of(wake, session).UserMessages;
}
