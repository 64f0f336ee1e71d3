using System.Diagnostics;
using Wake.Store;
using static Wake.Benchmarks.BenchmarkResults;

namespace Wake.Benchmarks;

/// <summary>
/// An event comes during each turn of a session: how long from the call that says that the turn is over to the command
/// of the next.
/// </summary>
static class FollowUps
{
    // Long enough for everything the claim set off to be over.
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    public static async Task Run(BenchmarkResults figures, Messages messages, int repetitions)
    {
        const string name = "follow-up, window 0";
        await using var lab = await BenchmarkSystem.Start(TimeSpan.Zero);
        await using var runner = await StandInRunner.Start(lab.Broker, new Turns(lab.Database));

        Progress($"{name}: warming up");
        await Once(lab, runner, messages.Again("warm"));

        for (var repetition = 1; repetition <= repetitions; repetition++)
        {
            Progress($"{name}: {repetition} of {repetitions}");
            var again = messages.Again($"{repetition}");
            var floor = await Baselines.Delivery(lab.Amqp, again.Json, Pause);
            var times = await Once(lab, runner, again);

            var (p50, p99, floorP50) = (Median(times), Percentile(times, 0.99), Median(floor));
            Line(
                new
                {
                    Kind = "follow-up",
                    N = times.Count,
                    P50Ms = Math.Round(p50, 3),
                    P99Ms = Math.Round(p99, 3),
                    FloorP50Ms = Math.Round(floorP50, 3),
                }
            );

            figures.Add(name, "broker floor p50, ms", floorP50);
            figures.Add(name, "p50, ms", p50, new(10, 5));
            figures.Add(name, "p99, ms", p99);
            figures.Add(name, "p50 ÷ floor p50", p50 / floorP50);
        }
    }

    static async Task<List<double>> Once(BenchmarkSystem lab, StandInRunner runner, Messages messages)
    {
        await lab.Register(messages.Subjects);
        var (times, next, ended) = (new List<double>(), 0, 0L);
        var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        runner.Arrived = _ =>
        {
            if (ended != 0)
                times.Add(Stopwatch.GetElapsedTime(ended).TotalMilliseconds);
        };
        runner.During = async () =>
        {
            if (next == messages.Json.Count)
            {
                over.TrySetResult();
                return;
            }

            var before = await lab.Observations();
            await lab.Publish([messages.Json[next++]]);
            await lab.Ingested(before, 1);
            await Task.Delay(Pause);
        };
        runner.Ending = () => ended = Stopwatch.GetTimestamp();

        await lab.Publish([messages.Json[next++]]);
        await over.Task;
        await lab.Quiet();
        (runner.Arrived, runner.During, runner.Ending) = (null, null, null);
        return times;
    }
}
