using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text;
using Microsoft.Extensions.Options;
using Wake.Store;
using Wake.Testing;
using static Wake.Benchmarks.BenchmarkResults;

namespace Wake.Benchmarks;

/// <summary>Events in batches of 500, handed to the intake itself and to the HTTP door, one batch after the
/// other.</summary>
static class Batches
{
    // Until the compiler of a long-running process has done its work.
    const int Size = 500,
        WarmUps = 8;

    public static async Task Run(BenchmarkResults figures, Messages messages, int repetitions)
    {
        const string name = "batches of 500";

        // Long, so that nothing but the intake is measured.
        await using var lab = await BenchmarkSystem.Start(TimeSpan.FromHours(1));
        await using var gateway = await ServiceProcess.Start("Wake.Gateway", lab.Settings);
        using var http = new HttpClient
        {
            BaseAddress = gateway.Url,
            DefaultRequestHeaders = { Authorization = new("Bearer", BenchmarkSystem.Key) },
        };
        var profiles = new Profiles
        {
            ["default"] = new() { QuietWindow = TimeSpan.FromHours(1), MaxWait = TimeSpan.FromHours(1) },
        };
        var intake = new Intake(lab.Database, Options.Create(profiles));

        for (var repetition = 1 - WarmUps; repetition <= repetitions; repetition++)
        {
            Progress(repetition < 1 ? $"{name}: warming up" : $"{name}: {repetition} of {repetitions}");
            var (first, second, third) = (
                messages.Again($"{repetition}a"),
                messages.Again($"{repetition}b"),
                messages.Again($"{repetition}c")
            );
            await lab.Register([.. first.Subjects, .. second.Subjects, .. third.Subjects]);

            var floor = await Baselines.Postgres(lab.Database, first);
            var inProcess = await Take(first, Accept);
            var bodies = Enumerable
                .Range(0, second.Events.Count / Size)
                .ToDictionary(x => x * Size, x => Body(second.Json.Skip(x * Size).Take(Size)));
            var overHttp = await Take(second, (_, range) => Post(bodies[range.Start.Value]));
            var (firsts, repeats) = (third.Firsts(), third.Repeats());
            var distinct = await Take(firsts, Accept) / firsts.Events.Count;
            var duplicate = await Take(repeats, Accept) / repeats.Events.Count;

            if (repetition < 1)
                continue;

            Line(
                new
                {
                    Kind = "batches",
                    N = messages.Events.Count,
                    InProcessS = Math.Round(inProcess, 3),
                    HttpS = Math.Round(overHttp, 3),
                    PostgresFloorS = Math.Round(floor, 3),
                    DistinctUs = Math.Round(distinct * 1e6, 1),
                    DuplicateUs = Math.Round(duplicate * 1e6, 1),
                }
            );

            figures.Add(name, "Postgres floor, rows/s", messages.Events.Count / floor);
            figures.Add(name, "in process, events/s", messages.Events.Count / inProcess);
            figures.Add(name, "over HTTP, events/s", messages.Events.Count / overHttp);
            figures.Add(name, "in process ÷ Postgres floor", floor / inProcess, new(0.4, 0.5, AtLeast: true));
            figures.Add(name, "over HTTP ÷ Postgres floor", floor / overHttp, new(0.4, 0.5, AtLeast: true));
            figures.Add(name, "a distinct event, µs", distinct * 1e6);
            figures.Add(name, "a duplicate, µs", duplicate * 1e6);
            figures.Add(name, "duplicate ÷ distinct", duplicate / distinct, new(0.25, 0.15));
        }

        Task Accept(Messages all, Range range) =>
            intake.Accept([.. all.Events.Take(range).Select(x => new Observation(x))], CancellationToken.None);

        async Task Post(byte[] json)
        {
            using var body = new ByteArrayContent(json);
            body.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using var answer = await http.PostAsync("/v1/events", body);
            answer.EnsureSuccessStatusCode();
            await answer.Content.ReadAsByteArrayAsync();
        }

        static byte[] Body(IEnumerable<byte[]> events) =>
            Encoding.UTF8.GetBytes($"[{string.Join(",", events.Select(Encoding.UTF8.GetString))}]");

        static async Task<double> Take(Messages all, Func<Messages, Range, Task> take)
        {
            var clock = Stopwatch.StartNew();
            for (var taken = 0; taken < all.Events.Count; taken += Size)
                await take(all, taken..(taken + Size));
            return clock.Elapsed.TotalSeconds;
        }
    }
}
