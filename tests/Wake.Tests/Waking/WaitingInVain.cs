using System.Net;
using System.Net.Http.Json;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Waking;

/// <summary>A whole Wake tells a session that what it expected has not come.</summary>
[Trait("Starts", "processes")]
public sealed class WaitingInVain
{
    static readonly Dictionary<string, string> WithoutGrace = new() { ["Coordinator__SilenceGrace"] = "00:00:00" };

    [Fact]
    public async Task A_session_is_woken_when_what_it_expected_has_not_come_by_then()
    {
        await using var wake = await WakeSystem.Start(Transport.InMemory, WithoutGrace);
        var key = await wake.Session();

        var made = await Watch(wake, key, "deploy:done", "--type", "deploy.*", "--expect-by", "5s");

        Assert.True(made.ExitCode == 0, made.Errors);
        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.StartsWith("Nothing came of deploy:done by ", Assert.Single(turn.Reasons));
        var listed = await WakeCommandLine.Run(wake.Here, null, "watches", "--session", key);
        Assert.Matches(@"deploy:done +deploy\.\* .*\d, silent", listed.Output);
        var explained = await WakeCommandLine.Run(wake.Here, null, "explain", key);
        Assert.Matches(@"deploy:done deploy\.\* expected by .*, silent", explained.Output);
        Assert.Matches(@"silent .*watch .* of deploy:done: nothing came by ", explained.Output);
        var audit = await WakeCommandLine.Run(wake.Here, null, "audit");
        Assert.True(audit.ExitCode == 0, audit.Output);
    }

    [Fact]
    public async Task A_session_that_is_paused_is_told_when_it_goes_on()
    {
        await using var wake = await WakeSystem.Start(Transport.InMemory, WithoutGrace);
        var key = await wake.Session();
        await WakeCommandLine.Run(wake.Here, null, "pause", "--session", key);
        // Long enough for a starved machine to make the watch before it passes.
        var made = await Watch(wake, key, "deploy:done", "--expect-by", "5s");
        Assert.True(made.ExitCode == 0, made.Errors);

        await Eventually.Holds(async () => (await wake.Explain(key)).Pending.Count == 1);
        await wake.WaitForState(key, SessionState.Idle);
        Assert.Empty(await wake.Turns(key));

        await WakeCommandLine.Run(wake.Here, null, "unpause", "--session", key);
        Assert.StartsWith("Nothing came", Assert.Single((await wake.WaitForTurnEnd(key, 1)).Reasons));
    }

    [Theory]
    [InlineData(-1, null, "must be to come, and at most 28 days ahead")]
    [InlineData(29 * 24, null, "must be to come, and at most 28 days ahead")]
    [InlineData(2, 1, "must be before the watch expires")]
    public async Task A_deadline_that_makes_no_sense_is_refused(int hours, int? expires, string problem)
    {
        await using var wake = await WakeSystem.Start(Transport.InMemory);
        var key = await wake.Session();
        var now = DateTimeOffset.UtcNow;

        var answer = await wake.Http.PostAsJsonAsync(
            "/v1/watches",
            new
            {
                session = key,
                subject = "s",
                expectBy = now.AddHours(hours),
                expires = expires is { } end ? now.AddHours(end) : (DateTimeOffset?)null,
            }
        );

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(problem, await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Of_two_coordinators_one_is_killed_over_it_and_every_session_is_told_once()
    {
        await using var wake = await WakeSystem.Create(
            Transport.RabbitMq,
            new Dictionary<string, string>(WithoutGrace) { ["Runner__Lease"] = "00:01:00" }
        );
        var started = await Task.WhenAll(
            wake.StartProcess("Wake.Gateway"),
            wake.StartProcess("Wake.Coordinator"),
            wake.StartProcess("Wake.Coordinator"),
            wake.StartProcess("Wake.Runner")
        );
        List<string> keys = [];
        for (var i = 0; i < 30; i++)
            keys.Add(await wake.WatchingSession("instant"));

        // All at once, more than one look takes.
        await wake.Execute(
            """
            insert into watches (id, session_id, subject, expect_by, expect_due_at)
            select gen_random_uuid(), s.id, 'nothing ' || n, now(), now() from sessions s cross join generate_series(1, 10) n
            """
        );
        await Eventually.Holds(async () =>
            await wake.Scalar<long>("select count(*) from watches where expect_outcome = 'silent'") > 0
        );
        await started[1].Kill();

        await Eventually.Holds(async () =>
            await wake.Scalar<long>("select count(*) from watches where expect_due_at is not null") == 0
        );
        await wake.WaitUntilIdle();
        foreach (var key in keys)
        {
            var reasons = (await wake.Turns(key)).SelectMany(x => x.Reasons).ToList();
            Assert.Equal(10, reasons.Count);
            Assert.Equal(10, reasons.Distinct().Count());
        }
    }

    static Task<CommandOutput> Watch(WakeSystem wake, string key, string subject, params string[] more) =>
        WakeCommandLine.Run(wake.Here, null, ["watch", "--session", key, "--subject", subject, .. more]);
}
