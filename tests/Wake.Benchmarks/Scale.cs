using System.Diagnostics;
using Npgsql;
using Wake.Contracts;
using Wake.Store;
using Wake.Testing;
using static Wake.Benchmarks.BenchmarkResults;

namespace Wake.Benchmarks;

/// <summary>
/// A store with a long life behind it: how long an event takes to its turn there, also while watches are made and while
/// something else holds an old snapshot; what is done by itself takes; and that none of it reads a large table from end
/// to end.
/// </summary>
static class Scale
{
    // Below that PostgreSQL may well prefer to read a table whole.
    const int Large = 100_000;

    const int Singles = 100,
        WatchesMade = 50;

    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    public static async Task Run(BenchmarkResults figures, LargeStore size, int repetitions)
    {
        var name = $"scale, {size.Sessions:#,0} sessions, {size.Watches:#,0} watches, {size.Events:#,0} events";
        await using var lab = await BenchmarkSystem.Start(TimeSpan.Zero);
        await using var gateway = await ServiceProcess.Start("Wake.Gateway", lab.Settings);
        await using var runner = await StandInRunner.Start(lab.Broker, new Turns(lab.Database));

        await size.Fill(lab.Database, x => Progress($"{name}: {x}"));
        await lab.Register([.. Enumerable.Range(0, Singles).Select(Subject)]);
        var before = await TableReads.Capture(lab.Database, Math.Min(Large, size.Sessions / 2));

        Progress($"{name}: warming up");
        await Events("warm");
        for (var repetition = 1; repetition <= repetitions; repetition++)
        {
            Progress($"{name}: {repetition} of {repetitions}");
            Tell("event → turn", await Events($"{repetition}"));

            using var enough = new CancellationTokenSource();
            var making = Make(enough.Token);
            Tell("event → turn while watches are made", await Events($"{repetition} made"));
            await enough.CancelAsync();
            var made = await making;
            figures.Add(name, "a watch is made, its look back included, p50, ms", Median(made), new(100));

            await using (var dump = await lab.Database.OpenConnectionAsync())
            {
                await using var snapshot = await dump.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead);
                await using (
                    var begin = new NpgsqlCommand("set idle_in_transaction_session_timeout = 0; select 1", dump)
                )
                    await begin.ExecuteNonQueryAsync();
                await Churn();
                Tell("event → turn beside a dump, many timers later", await Events($"{repetition} dump"));
            }

            await lab.Execute("vacuum analyze wake_timers");
            await Duties();
        }

        await lab.Quiet();
        await gateway.Stop();
        await lab.Coordinator.Stop();
        var after = await TableReads.CaptureWhenIdle(lab.ConnectionString, Math.Min(Large, size.Sessions / 2));
        foreach (var scanned in after.ScannedSince(before))
            Progress($"{name}: read from end to end: {scanned}");
        figures.Add(name, "large tables read from end to end", after.ScannedSince(before).Count, new(0, Always: true));

        void Tell(string what, List<double> times)
        {
            Line(
                new
                {
                    Kind = "scale",
                    What = what,
                    N = times.Count,
                    P50Ms = Math.Round(Median(times), 3),
                    P99Ms = Math.Round(Percentile(times, 0.99), 3),
                }
            );
            figures.Add(name, $"{what}, p50, ms", Median(times), new(250));
            figures.Add(name, $"{what}, p99, ms", Percentile(times, 0.99));
        }

        // One after the other: from publishing to the command.
        async Task<List<double>> Events(string round)
        {
            var times = new List<double>();
            for (var i = 0; i < Singles; i++)
            {
                var arrived = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
                runner.Arrived = _ => arrived.TrySetResult(Stopwatch.GetTimestamp());
                var sent = Stopwatch.GetTimestamp();
                await lab.Publish([
                    EventJson.Serialize(
                        new()
                        {
                            Id = $"{round}-{i}",
                            Source = "bench",
                            Type = "ci.check.completed",
                            Subject = Subject(i),
                            DedupKey = $"{round}|{i}",
                            Reason = "it completed",
                        }
                    ),
                ]);
                times.Add(Stopwatch.GetElapsedTime(sent, await arrived.Task).TotalMilliseconds);
                await Task.Delay(Pause);
            }

            runner.Arrived = null;
            await lab.Quiet();
            return times;
        }

        async Task<List<double>> Make(CancellationToken cancel)
        {
            var watches = new Watches(lab.Database);
            var times = new List<double>();
            for (var i = 0; i < WatchesMade && (!cancel.IsCancellationRequested || i == 0); i++)
            {
                var clock = Stopwatch.StartNew();
                await watches.Create(
                    LargeStore.Key(i + 1),
                    new($"github:octo-org/repo{i}#new"),
                    CancellationToken.None
                );
                times.Add(clock.Elapsed.TotalMilliseconds);
                await Task.Delay(Pause, CancellationToken.None);
            }

            return times;
        }

        // What a night's turns leave behind in the timers.
        Task Churn() =>
            lab.Execute(
                """
                do $$ begin
                    for i in 1..2 loop
                        update wake_timers set owed_at = now() - interval '1 hour' + i * interval '1 s'
                        where session_id in (select id from sessions where key like 'sleeper@%');
                    end loop;
                    update wake_timers set owed_at = null where session_id in (select id from sessions where key like 'sleeper@%');
                end $$
                """
            );

        async Task Duties()
        {
            var cancel = CancellationToken.None;
            var watched = new WatchedSubjects(lab.Database);
            await Time(
                "old events are looked for",
                () => new EventRetention(lab.Database).DeleteOlderThan(TimeSpan.FromDays(90), cancel)
            );
            await Time(
                "old transcripts are looked for",
                () => new Transcripts(lab.Database).Prune(TimeSpan.FromDays(90), cancel)
            );
            await Time("what waits is counted", () => new Backlog(lab.Database).GetByState(cancel));
            await Time("all watched subjects", () => watched.FindByPrefix("github", cancel));
            await Time("watched subjects, from then on", () => watched.FindByPrefix("github", cancel));
            await Time(
                "a workspace is looked after",
                () =>
                    new Sessions(lab.Database).IsWorkspaceUnusedFor(
                        Guid.NewGuid(),
                        "/srv/wake/1",
                        TimeSpan.FromDays(1),
                        cancel
                    )
            );
            using var http = new HttpClient
            {
                BaseAddress = gateway.Url,
                DefaultRequestHeaders = { Authorization = new("Bearer", BenchmarkSystem.Key) },
            };
            foreach (
                var path in (string[])
                    [
                        "sessions?limit=100",
                        "watches?limit=100",
                        "questions",
                        $"sessions/{LargeStore.Key(1)}",
                        $"explain/sessions/{LargeStore.Key(1)}",
                    ]
            )
                await Time(
                    $"GET /v1/{path}",
                    async () => (await http.GetAsync($"/v1/{path}")).EnsureSuccessStatusCode()
                );
        }

        async Task Time<T>(string what, Func<Task<T>> duty)
        {
            var clock = Stopwatch.StartNew();
            await duty();
            figures.Add(name, $"{what}, ms", clock.Elapsed.TotalMilliseconds);
        }
    }

    static string Subject(int n) => $"bench:scale#{n}";
}
