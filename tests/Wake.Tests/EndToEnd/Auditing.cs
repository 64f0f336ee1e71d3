using Wake.Store;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>What the audit says of a store. Every other test's store is audited at its end.</summary>
public sealed class Auditing : IAsyncLifetime
{
    WakeSystem wake = null!;
    string key = "";

    public async Task InitializeAsync()
    {
        wake = await WakeSystem.Start(Transport.InMemory);
        wake.MayBreakRules = true;
        key = await wake.WatchingSession("instant");
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "first [[fake:cost 0.25]]"));
        await wake.Ended(key, 1);
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "second"));
        await wake.Ended(key, 2);
        await wake.Quiet();
    }

    public async Task DisposeAsync() => await wake.DisposeAsync();

    [Fact]
    public async Task A_store_that_nobody_has_touched_is_in_order()
    {
        var said = await Said();
        Assert.Equal(0, said.ExitCode);
        Assert.DoesNotContain("BROKEN", said.Output);
    }

    [Theory]
    [InlineData("update inbox set wake_number = null where wake_number = 2", "An event that shall start a turn is owed one.")]
    [InlineData("update turns set ended_at = null, outcome = null where wake_number = 2", "A turn that is open is owed an ending.")]
    [InlineData("update inbox set wake_number = 7 where wake_number = 2", "What was handed over was handed over in a turn.")]
    [InlineData("delete from turns where wake_number = 1", "The wakes of a session are counted without gaps.")]
    [InlineData("insert into decisions (kind, session_id, wake_number) select 'claimed', session_id, 1 from turns limit 1", "A turn is dispatched once")]
    [InlineData("update turns set outcome = null where wake_number = 1", "A turn that has ended says how, and nobody holds it.")]
    [InlineData("update session_ids set position = 2", "No fresh session without a reason.")]
    [InlineData("update transcripts set epoch = epoch + 100", "A memory was saved by whoever had the turn.")]
    [InlineData("delete from transcript_segments", "A memory is there in full.")]
    [InlineData("update spending set usd = usd + 1", "What turns cost is what was spent.")]
    [InlineData("insert into duplicates (event, observation, source) values (4711, 'x', 'y')", "A duplicate points to its fact.")]
    [InlineData("update sessions set closed_at = now()", "A session that is closed waits for nothing.")]
    public async Task A_row_that_was_tampered_with_is_found(string tampering, string rule)
    {
        await wake.Database.CreateCommand(tampering).ExecuteNonQueryAsync();

        var said = await Said();

        Assert.Equal(1, said.ExitCode);
        Assert.Contains($"BROKEN  {rule}", said.Output);
    }

    // While one runs, the sweeper would see to it.
    [Fact]
    public async Task What_nobody_has_looked_at_is_found()
    {
        await wake.Processes[0].Stop();
        await wake.Database.CreateCommand("update wake_timers set owed_at = now() - interval '1 day'").ExecuteNonQueryAsync();

        var findings = await new Audit(wake.Database).Run(CancellationToken.None);

        Assert.Equal(["What is due is looked at."], findings.Where(x => x.Broken > 0).Select(x => x.Rule));
    }

    Task<Said> Said() => WakeCommandLine.Run(new Dictionary<string, string> { ["WAKE_URL"] = $"{wake.Http.BaseAddress}" }, null, "audit");
}
