using System.Diagnostics;
using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;
using Wake.Store;
using Wake.Testing;
using static Wake.Benchmarks.BenchmarkResults;

namespace Wake.Benchmarks;

/// <summary>What a session costs whose events a pause holds: with a thousand of them, and with ten times as
/// many.</summary>
static class HeldBacklog
{
    const int Few = 1_000,
        Many = 10_000,
        Batch = 100;

    const string Source = "held:source",
        Subject = "held:subject",
        Key = "held";

    public static async Task Run(BenchmarkResults figures, int repetitions)
    {
        const string name = "held, ms each, with 1,000 and 10,000 events of a session that a pause holds";
        for (var round = 1; round <= repetitions; round++)
        {
            Progress($"{name}: {round} of {repetitions}");
            var few = await Once(Few);
            foreach (var (what, many) in await Once(Many))
            {
                Line(
                    new
                    {
                        Kind = "held",
                        What = what,
                        FewMs = Math.Round(few[what], 3),
                        ManyMs = Math.Round(many, 3),
                    }
                );
                figures.Add(name, $"{what}, {Few:#,0}", few[what]);
                figures.Add(name, $"{what}, {Many:#,0}", many);
                // Ten times as many: what takes longer than that is worse than linear.
                figures.Add(name, $"{what}, {Many:#,0} ÷ {Few:#,0}", many / few[what], new(15));
            }
        }
    }

    static async Task<Dictionary<string, double>> Once(int held)
    {
        var connection = await Servers.NewDatabase();
        await using var database = Postgres.CreateDataSource(connection);
        var profiles = new Profiles
        {
            ["default"] = new() { QuietWindow = TimeSpan.Zero, MaxWait = TimeSpan.Zero },
        };
        var intake = new Intake(database, Options.Create(profiles));
        var (sessions, pauses, turns) = (new Store.Sessions(database), new Pauses(database), new Turns(database));
        if (
            await sessions.Create(Key, "/", "default", null, default)
            is not SessionCreation.Created { Session.Id: var id }
        )
            throw new InvalidOperationException($"{Key} is there already.");
        await new Watches(database).Create(Key, new(Subject), default);
        var pause = await pauses.Add(new(PauseScope.Source, Source, null, null, Interrupts: false, null), default);

        var number = 0;
        Dictionary<string, double> took = [];
        while (number < held - Batch)
            await intake.Accept(Events(Batch), default);
        await Execute("vacuum analyze");
        await Wait();

        took["an event taken in, of a hundred"] = await Time(() => intake.Accept(Events(Batch), default)) / Batch;
        // More come until a look is due.
        took["one taken in alone, and what looks it causes"] =
            await Time(async () =>
            {
                for (var one = 0; one < Batch; one++)
                {
                    await intake.Accept(Events(1), default);
                    if (await Due())
                        await Wait();
                }
            }) / Batch;
        took["the page of sessions"] = await Median(async () =>
        {
            await sessions.List(new(), 100, null, default);
            await Pauses.Find(database, [id], default);
        });
        took["its explanation"] = await Median(async () =>
            await new Explanations(database, sessions, new Watches(database)).ExplainSession(Key, default)
        );
        took["the end of the pause"] = await Time(() => pauses.End(pause!.Id, default));
        await Execute("insert into turns (session_id, wake_number) select id, 1 from sessions");
        took["the claim"] = await Time(async () =>
        {
            if (await turns.Claim(id, 1, "held", TimeSpan.FromMinutes(1), default) is not TurnClaim.Granted)
                throw new InvalidOperationException("The turn is not to be had.");
        });
        await Servers.DropDatabase(connection);
        return took;

        List<Observation> Events(int count) =>
            [
                .. Enumerable
                    .Range(0, count)
                    .Select(_ => new Observation(
                        new()
                        {
                            Id = $"{++number}",
                            Source = Source,
                            Type = "held.happened",
                            Subject = Subject,
                            Reason = $"event {number}",
                        }
                    )),
            ];

        // A look at it, as the coordinator takes it: it is told that a pause holds it, and waits for the end of that.
        async Task Wait()
        {
            await using var look = database.CreateBatch();
            look.BatchCommands.Add(SessionSnapshot.Lock(id));
            look.BatchCommands.Add(SessionSnapshot.SelectStatement([id]));
            look.BatchCommands.Add(SagaStatements.For([new SagaWrite.AwaitPause(id, null)]).Single());
            await look.ExecuteNonQueryAsync();
        }

        async Task<bool> Due()
        {
            await using var look = database.CreateCommand(
                "select exists (select from wake_timers where due_at <= clock_timestamp())"
            );
            return (bool)(await look.ExecuteScalarAsync())!;
        }

        async Task Execute(string sql)
        {
            await using var command = database.CreateCommand(sql);
            await command.ExecuteNonQueryAsync();
        }
    }

    static async Task<double> Median(Func<Task> what)
    {
        List<double> times = [];
        for (var time = 0; time < 20; time++)
            times.Add(await Time(what));
        return BenchmarkResults.Median(times);
    }

    static async Task<double> Time(Func<Task> what)
    {
        var begun = Stopwatch.GetTimestamp();
        await what();
        return Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
    }
}
