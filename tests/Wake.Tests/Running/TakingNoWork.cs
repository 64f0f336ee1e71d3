using System.Diagnostics;
using System.Text.Json;
using Wake.Contracts;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>A runner that can run no session says so, leaves the turns alone, and comes back by itself.</summary>
[Trait("Starts", "processes")]
public sealed class TakingNoWork : IAsyncLifetime
{
    readonly TemporaryFolder folder = new();
    WakeSystem wake = null!;

    public async Task InitializeAsync() =>
        wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>
            {
                ["Claude__Executable"] = Claude,
                ["Coordinator__RepeatAfter"] = "00:00:00.5",
            }
        );

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        folder.Dispose();
    }

    string Claude => folder.File("claude");

    [Theory]
    [InlineData(null)]
    [InlineData("#!/bin/sh\necho the loader is missing >&2; exit 127\n")]
    public async Task Without_a_program_that_starts_it_waits_for_one(string? broken)
    {
        if (broken is not null)
            Install(broken);
        var keys = new[] { await wake.WatchingSession(), await wake.WatchingSession() };

        foreach (var key in keys)
            await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged"));

        Assert.Contains(broken is null ? Claude : "the loader is missing", await NotReady());
        Install($"#!/bin/sh\nexec {WakeSystem.FakeClaude} \"$@\"\n");

        foreach (var key in keys)
            Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
        await Eventually.Holds(async () => (await wake.Http.GetAsync("/health/ready")).IsSuccessStatusCode);
        Assert.All(
            await Task.WhenAll(keys.Select(wake.Explain)),
            x => Assert.DoesNotContain(x.Ledger, line => line.What == "parked")
        );
    }

    [Fact]
    public async Task Without_a_login_it_waits_for_one_and_no_turn_is_given_up()
    {
        Install($"#!/bin/sh\nexec {WakeSystem.FakeClaude} \"$@\"\n");
        await Orders("not-logged-in", times: 6);
        var key = await wake.WatchingSession();

        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged"));

        Assert.Contains("not logged in", await NotReady());
        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal((TurnOutcome.Completed, 7), (turn.Outcome, turn.Attempt));
        Assert.Single((await wake.Show(key)).ClaudeSessionIds);
    }

    [Fact]
    public async Task A_usage_limit_makes_the_other_sessions_wait_too()
    {
        Install($"#!/bin/sh\nexec {WakeSystem.FakeClaude} \"$@\"\n");
        var resets = DateTimeOffset.UtcNow.AddSeconds(4);
        await Orders($"usage-limit {resets.ToUnixTimeSeconds()}", times: 1);
        var (first, second) = (await wake.WatchingSession(), await wake.WatchingSession());

        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(first), "merged"));
        Assert.Contains("usage limit", await NotReady());
        await wake.WaitForState(first, SessionState.Parked);
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(second), "merged"));

        // The CLI would have run it: only the first start was refused.
        var waited = await wake.WaitForTurnEnd(second, 1);
        Assert.Equal((TurnOutcome.Completed, 1), (waited.Outcome, waited.Attempt));
        Assert.True(waited.StartedAt >= DateTimeOffset.FromUnixTimeSeconds(resets.ToUnixTimeSeconds()));
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(first, 1)).Outcome);
    }

    [Fact]
    public async Task A_usage_limit_whose_date_is_over_by_its_clock_is_not_tried_without_a_pause()
    {
        Install($"#!/bin/sh\nexec {WakeSystem.FakeClaude} \"$@\"\n");
        await Orders($"usage-limit {DateTimeOffset.UtcNow.AddMinutes(-1).ToUnixTimeSeconds()}", times: 4);
        var key = await wake.WatchingSession();

        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged"));

        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal(5, turn.Attempt);
        Assert.True(turn.EndedAt - turn.StartedAt >= TimeSpan.FromSeconds(4 * 0.5), $"{turn.EndedAt - turn.StartedAt}");
    }

    void Install(string script)
    {
        File.WriteAllText($"{Claude}.new", script);
        Process.Start("chmod", ["+x", $"{Claude}.new"]).WaitForExit();
        File.Move($"{Claude}.new", Claude, overwrite: true);
    }

    Task Orders(string verb, int times) =>
        File.WriteAllTextAsync(
            Path.Combine(wake.ClaudeConfig, "fake-claude.json"),
            JsonSerializer.Serialize(new { verbs = new[] { verb }, times })
        );

    /// <summary>Waits until it is not ready, and returns why.</summary>
    Task<string> NotReady() =>
        Eventually.Sees(async () =>
        {
            var health = JsonElement.Parse(
                await (await wake.Http.GetAsync("/health/ready")).Content.ReadAsStringAsync()
            );
            return health.GetProperty("reasons").TryGetProperty("runner", out var why) ? why.GetString() : null;
        });
}
