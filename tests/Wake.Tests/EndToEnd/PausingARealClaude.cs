using Wake.Contracts;
using Wake.Offline;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>
/// A storm over sessions of the real CLI while everything is paused. By the store, the transcripts and what the model
/// was asked, each of them is told once of all of it.
/// </summary>
[Trait("Starts", "processes")]
public sealed class PausingARealClaude
{
    // The first is sent more than a prompt lists.
    static readonly int[] Storm = [250, 70, 70];

    [Fact]
    public async Task A_storm_under_a_pause_is_one_turn_for_each_session_when_it_ends()
    {
        await using var api = await MessagesApi.Start();
        await using var wake = await WakeSystem.Start(
            Transport.InMemory,
            new Dictionary<string, string>(api.Login)
            {
                ["Claude__Executable"] = RealClaude.Executable(RealClaude.Current),
                ["Claude__MaxRetries"] = "0",
            }
        );
        List<string> keys = [];
        foreach (var _ in Storm)
            keys.Add(await wake.WatchingSession());
        await Succeed(wake, "pause", "--all", "--reason", "the CI server is being updated");

        // Turn about, and some of it twice.
        for (var number = 1; number <= Storm.Max(); number += 10)
        {
            ExternalEventObserved[] some =
            [
                .. from one in Enumerable.Range(number, 10)
                from key in keys.Where((_, at) => one <= Storm[at])
                select WakeSystem.Event(WakeSystem.Subject(key), $"storm {one}."),
            ];
            await wake.Publish(some);
            await wake.Publish(some[..5]);
        }

        await Eventually.Holds(
            async () => await wake.Scalar<long>("select count(*) from wake_timers where due_at = 'infinity'") == 3,
            "each waits for the end of the pause"
        );
        Assert.Equal(Storm.Sum(), await wake.Scalar<long>("select count(*) from inbox where wake_number is null"));
        Assert.Empty(api.Requests);
        Assert.Contains("the CI server is being updated", await Succeed(wake, "explain", keys[0]));

        await Succeed(wake, "unpause", "--all");
        for (var at = 0; at < keys.Count; at++)
        {
            var turn = await wake.WaitForTurnEnd(keys[at], 1);
            Assert.Equal((TurnOutcome.Completed, 1), (turn.Outcome, turn.Attempt));
            Assert.Equal(Storm[at], turn.Reasons.Distinct().Count());
        }

        await wake.WaitUntilIdle();
        Assert.Equal(keys.Count, await wake.Scalar<long>("select count(*) from turns"));
        Assert.Equal(0, await wake.Scalar<long>("select count(*) from inbox where wake_number is distinct from 1"));
        Assert.Equal(keys.Count, api.Requests.Count);
        for (var at = 0; at < keys.Count; at++)
        {
            var message = Assert.Single(FakeTranscript.Of(wake, await wake.Show(keys[at])).UserMessages);
            var listed = Math.Min(Storm[at], 200);
            Assert.All(
                Enumerable.Range(1, listed),
                x => Assert.Single(message.Split('\n'), y => y.Contains($"storm {x}.", StringComparison.Ordinal))
            );
            Assert.Equal(
                Storm[at] > listed,
                message.Contains($"and {Storm[at] - listed} more", StringComparison.Ordinal)
            );
            Assert.True(Assert.Single(api.Requests, x => x.IsInTail(message)).Status == 200);
        }
    }

    static async Task<string> Succeed(WakeSystem wake, params string[] arguments)
    {
        var said = await WakeCommandLine.Run(wake.Here, null, arguments);
        Assert.True(said.ExitCode == 0, said.Errors);
        return said.Output;
    }
}
