using System.Diagnostics;
using Wake.Store;
using static Wake.Benchmarks.BenchmarkResults;

namespace Wake.Benchmarks;

/// <summary>
/// Everything at once: all messages are published as fast as the broker takes them, and it is over when every session
/// has been woken and every reason handed over.
/// </summary>
static class Storm
{
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    public static async Task Run(BenchmarkResults figures, Messages messages, TimeSpan window, int repetitions)
    {
        var sessions = messages.Subjects.Count;
        var name =
            $"storm, {messages.Events.Count:#,0} messages of {messages.Facts:#,0} facts for {sessions:#,0} "
            + $"sessions, window {window.TotalSeconds} s";
        await using var lab = await BenchmarkSystem.Start(window);
        await using var runner = await StandInRunner.Start(lab.Broker, new Turns(lab.Database));

        Progress($"{name}: warming up");
        await Once(lab, runner, messages.Again("warm"), window);

        for (var repetition = 1; repetition <= repetitions; repetition++)
        {
            Progress($"{name}: {repetition} of {repetitions}");
            var again = messages.Again($"{repetition}");
            var postgres = await Baselines.Postgres(lab.Database, again);
            var broker = await Baselines.Broker(lab.Amqp, again.Json);
            var (ingest, wall, jobs, distinct, twice, late) = await Once(lab, runner, again, window);

            Line(
                new
                {
                    Kind = "storm",
                    N = again.Events.Count,
                    WindowMs = window.TotalMilliseconds,
                    IngestS = Math.Round(ingest, 3),
                    IngestPerS = Math.Round(again.Events.Count / ingest),
                    WallS = Math.Round(wall, 3),
                    Jobs = jobs,
                    Sessions = sessions,
                    Distinct = distinct,
                    DupExec = twice,
                    BrokerFloorS = Math.Round(broker, 3),
                    PostgresFloorS = Math.Round(postgres, 3),
                }
            );

            figures.Add(name, "broker floor, messages/s", again.Events.Count / broker);
            figures.Add(name, "Postgres floor, rows/s", again.Events.Count / postgres);
            figures.Add(name, "ingest, messages/s", again.Events.Count / ingest);
            var dispatchesInBetween = window < TimeSpan.FromSeconds(5);
            figures.Add(
                name,
                "ingest ÷ broker floor",
                broker / ingest,
                dispatchesInBetween ? new(0.6, 0.85, AtLeast: true) : new(0.8, 0.9, AtLeast: true)
            );
            figures.Add(name, "reasons lost", again.Facts - distinct, new(0, Always: true));
            figures.Add(name, "reasons handed over twice", twice, new(0, Always: true));

            if (dispatchesInBetween)
            {
                figures.Add(
                    name,
                    "(wall − window) ÷ broker floor's time",
                    (wall - window.TotalSeconds) / broker,
                    new(1.6, 1.3)
                );
                figures.Add(name, "dispatches ÷ sessions", (double)jobs / sessions, new(Aim: 1.25));
            }
            else
            {
                figures.Add(name, "dispatches beyond one per session", jobs - sessions, new(0, Always: true));
                figures.Add(name, "last session's dispatch − window, s", wall - window.TotalSeconds);
                figures.Add(
                    name,
                    "(last dispatch − window) ÷ broker floor's time",
                    (wall - window.TotalSeconds) / broker,
                    new(0.5, 0.3)
                );
                figures.Add(name, "a dispatch after its session was due, p50, s", Median(late));
                figures.Add(name, "the last of them, s", late.Max());
            }
        }
    }

    static async Task<(double Ingest, double Wall, int Jobs, int Distinct, int Twice, List<double> Late)> Once(
        BenchmarkSystem lab,
        StandInRunner runner,
        Messages messages,
        TimeSpan window
    )
    {
        await lab.Register(messages.Subjects);
        var before = await lab.Observations();
        runner.Reset();

        var (begun, begunAt) = (Stopwatch.GetTimestamp(), DateTime.UtcNow);
        await lab.Publish(messages.Json);
        await lab.Ingested(before, messages.Events.Count);
        var ingest = Stopwatch.GetElapsedTime(begun).TotalSeconds;

        // With patience, so that a lost reason is a figure and not a hang.
        while (runner.Heard.Count < messages.Facts && Stopwatch.GetElapsedTime(begun) < window + Patience)
            await Task.Delay(10);
        await lab.Quiet();

        var wall = Stopwatch.GetElapsedTime(begun, runner.Dispatched.Values.Max()).TotalSeconds;
        var factOf = messages.Events.DistinctBy(x => x.Id).ToDictionary(x => x.Id, x => x.EffectiveDedupKey);
        var heard = runner.Heard.GroupBy(x => factOf[x.Key], x => x.Value).ToList();
        var late = (await lab.FirstEvents(messages.Subjects))
            .Where(x => runner.Dispatched.ContainsKey(x.Session))
            .Select(x =>
                (begunAt + Stopwatch.GetElapsedTime(begun, runner.Dispatched[x.Session]) - x.At - window).TotalSeconds
            )
            .ToList();
        return (ingest, wall, runner.Jobs, heard.Count, heard.Count(x => x.Sum() > 1), late);
    }
}
