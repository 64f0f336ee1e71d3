using System.Diagnostics;
using Wake.Store;
using static Wake.Benchmarks.BenchmarkResults;

namespace Wake.Benchmarks;

/// <summary>The same wakes in a store with a thousand sessions and in one with a long life behind it, turn
/// about.</summary>
static class StoreGrowth
{
    const int Few = 1_000,
        Many = 100_000,
        OldFacts = 5_000_000,
        Wakes = 1_000;

    public static async Task Run(BenchmarkResults figures, int repetitions)
    {
        var name = $"growth, cost of a wake with {Many:#,0} sleeping sessions and {OldFacts:#,0} old facts";
        await using var young = await BenchmarkSystem.Start(TimeSpan.Zero);
        await using var old = await BenchmarkSystem.Start(TimeSpan.Zero);
        await using var youngRunner = await StandInRunner.Start(young.Broker, new Turns(young.Database));
        await using var oldRunner = await StandInRunner.Start(old.Broker, new Turns(old.Database));

        Progress($"{name}: filling the stores");
        await Fill(young, Few, 0);
        await Fill(old, Many, OldFacts);

        Progress($"{name}: warming up");
        await Once(young, youngRunner, Few, 0);
        await Once(old, oldRunner, Many, 0);

        // A round takes about a second, and these are two separate seconds of the same machine: more of them than of
        // others.
        for (var round = 1; round <= repetitions * 4; round++)
        {
            if (round % 4 == 1)
                Progress($"{name}: {(round / 4) + 1} of {repetitions}");

            var oldFirst = round % 2 == 0 ? await Once(old, oldRunner, Many, round) : default;
            var few = await Once(young, youngRunner, Few, round);
            var many = round % 2 == 0 ? oldFirst : await Once(old, oldRunner, Many, round);

            Line(
                new
                {
                    Kind = "growth",
                    N = Wakes,
                    YoungMs = Math.Round(few.Wall, 3),
                    OldMs = Math.Round(many.Wall, 3),
                    YoungCoordinatorCpuMs = Math.Round(few.Cpu, 3),
                    OldCoordinatorCpuMs = Math.Round(many.Cpu, 3),
                }
            );

            figures.Add(name, "young store, ms per wake", few.Wall);
            figures.Add(name, "old store, ms per wake", many.Wall);
            figures.Add(name, "old ÷ young", many.Wall / few.Wall, new(1.2, 1.05));
            figures.Add(name, "old ÷ young, the coordinator's CPU time", many.Cpu / few.Cpu);
        }
    }

    // What a wake costs, in milliseconds of time and of the coordinator's CPU.
    static async Task<(double Wall, double Cpu)> Once(
        BenchmarkSystem lab,
        StandInRunner runner,
        int sessions,
        int round
    )
    {
        var random = new Random(round);
        var messages = Messages.Generate(Wakes, 1, 1);
        var sleepers = Enumerable.Range(1, sessions).ToArray();
        random.Shuffle(sleepers);
        var bodies = messages
            .Events.Zip(
                sleepers,
                (happened, sleeper) =>
                    Contracts.EventJson.Serialize(
                        happened with
                        {
                            Id = $"{happened.Id}-{round}",
                            DedupKey = $"{happened.DedupKey}-{round}",
                            Subject = Subject(sleeper),
                        }
                    )
            )
            .ToList();

        runner.Reset();
        var cpu = lab.Coordinator.CpuTime;
        var clock = Stopwatch.StartNew();
        await lab.Publish(bodies);
        while (runner.Ended < Wakes)
            await Task.Delay(2);

        var wall = clock.Elapsed;
        await lab.Quiet();
        return (wall.TotalMilliseconds / Wakes, (lab.Coordinator.CpuTime - cpu).TotalMilliseconds / Wakes);
    }

    static string Subject(int sleeper) => $"bench:org/repository#{sleeper}";

    // Sessions that have had a turn each, and heard of all old facts.
    static async Task Fill(BenchmarkSystem lab, int sessions, int facts)
    {
        await lab.Register([.. Enumerable.Range(1, sessions).Select(Subject)]);
        await lab.Execute("create table bench_sessions as select row_number() over () as n, id, key from sessions");
        await lab.Execute("create unique index on bench_sessions (n)");
        await lab.Execute("insert into session_wakes select id, 3, 1 from bench_sessions");
        await lab.Execute(
            """
            insert into turns (session_id, wake_number, attempt, runner, started_at, ended_at, outcome)
            select id, 1, 1, 'bench', now(), now(), 'completed' from bench_sessions
            """
        );

        const int step = 500_000;
        for (var done = 0; done < facts; done += step)
        {
            await lab.Execute(
                """
                with written as (
                    insert into events (seq, id, source, type, subject, dedup_key, reason, wakes, urgent, data, accepted_at)
                    select nextval('events_seq'), 'old-' || fact, 'bench:old', 'ci.check.completed', s.key,
                           'ci.check.completed|' || s.key || '|old-' || fact, 'an old check completed', true, false,
                           '{"text":"old"}', now() - interval '30 days' + fact * interval '0.5 s'
                    from generate_series($1 + 1, $1 + $2) as fact
                    join bench_sessions s on s.n = fact % $3 + 1
                    returning seq, subject
                )
                insert into inbox (event, session_id, wakes, wake_number)
                select written.seq, s.id, true, 1 from written join sessions s on s.key = written.subject
                """,
                done,
                step,
                sessions
            );
        }

        await lab.Execute("drop table bench_sessions");
        await lab.Execute("vacuum analyze");
        await lab.Execute("checkpoint");
    }
}
