using System.Diagnostics;
using Wake.Store;
using static Wake.Benchmarks.BenchmarkResults;

namespace Wake.Benchmarks;

/// <summary>One lonely event after the other, with no window: how long from the call that publishes it to the
/// command.</summary>
static class SingleEvents
{
    // Long enough for everything the last one set off to be over.
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    public static async Task Run(BenchmarkResults figures, Messages messages, int repetitions)
    {
        const string name = "single, window 0";
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

            var (p50, p99, floorP50, floorP99) = (
                Median(times),
                Percentile(times, 0.99),
                Median(floor),
                Percentile(floor, 0.99)
            );
            Line(
                new
                {
                    Kind = "single",
                    N = times.Count,
                    P50Ms = Math.Round(p50, 3),
                    P99Ms = Math.Round(p99, 3),
                    FloorP50Ms = Math.Round(floorP50, 3),
                    FloorP99Ms = Math.Round(floorP99, 3),
                }
            );

            figures.Add(name, "broker floor p50, ms", floorP50);
            figures.Add(name, "broker floor p99, ms", floorP99);
            figures.Add(name, "p50, ms", p50);
            figures.Add(name, "p99, ms", p99);
            figures.Add(name, "p50 ÷ floor p50", p50 / floorP50, new(4, 3));
            figures.Add(name, "p99 ÷ floor p50", p99 / floorP50, new(10, 8));
        }
    }

    static async Task<List<double>> Once(BenchmarkSystem lab, StandInRunner runner, Messages messages)
    {
        await lab.Register(messages.Subjects);
        var times = new List<double>();

        foreach (var body in messages.Json)
        {
            var arrived = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
            runner.Arrived = _ => arrived.TrySetResult(Stopwatch.GetTimestamp());

            var sent = Stopwatch.GetTimestamp();
            await lab.Publish([body]);
            times.Add(Stopwatch.GetElapsedTime(sent, await arrived.Task).TotalMilliseconds);
            await Task.Delay(Pause);
        }

        runner.Arrived = null;
        await lab.Quiet();
        return times;
    }
}
