using Wake.Contracts;
using Wake.Offline;
using Wake.Runner;
using Wake.Store;
using Wake.Testing;
using static Wake.Benchmarks.BenchmarkResults;

namespace Wake.Benchmarks;

/// <summary>
/// From the claim of a turn to the real CLI's first request to the model, beside the same CLI with the same arguments,
/// environment and history, run by hand: started for each message, or kept.
/// </summary>
static class Resuming
{
    const int PairsPerRepetition = 4;
    const int Crowd = 20,
        CrowdMegabytes = 4000;

    /// <summary>Every wake starts a process.</summary>
    public static Task Cold(BenchmarkResults figures, int repetitions) =>
        Run(
            "cold, claim → first model request",
            warmSessions: 0,
            repetitions,
            (name, woken, bare) =>
            {
                Line(
                    new
                    {
                        Kind = "cold",
                        WakeMs = Math.Round(woken, 1),
                        BareMs = Math.Round(bare.Request, 1),
                    }
                );
                figures.Add(name, "claude --resume by hand, ms", bare.Request);
                figures.Add(name, "woken, ms", woken);
                figures.Add(name, "beyond, ms", woken - bare.Request, new(20, 10));
            }
        );

    /// <summary>Every wake finds the process of the one before, and twenty sessions that all stay.</summary>
    public static async Task Warm(BenchmarkResults figures, int repetitions)
    {
        await Run(
            "warm, claim → first model request",
            warmSessions: 1,
            repetitions,
            (name, woken, bare) =>
            {
                Line(
                    new
                    {
                        Kind = "warm",
                        WakeMs = Math.Round(woken, 1),
                        BareTurnMs = Math.Round(bare.Result, 1),
                    }
                );
                figures.Add(name, "a warm turn by hand, ms", bare.Result);
                figures.Add(name, "woken, ms", woken);
                figures.Add(name, "woken ÷ a warm turn by hand", woken / bare.Result, new(2, 1));
            }
        );
        await Hold(figures);
    }

    static async Task Run(
        string name,
        int warmSessions,
        int repetitions,
        Action<string, double, (double Request, double Result)> note
    )
    {
        await using var place = await Place.Start(warmSessions);
        var workspace = Directory.CreateDirectory(Path.Combine(place.Folder, "workspace")).FullName;
        await place.Session("bench", workspace);
        await using var byHand = new BareClaude(place.Api, workspace, place.Environment, stays: warmSessions > 0);

        // The first two begin and resume; what stays is used from then on.
        Progress($"{name}: warming up");
        for (var number = 1; number <= 2; number++)
        {
            await place.Woken("bench", number);
            await byHand.SendMessage(number);
        }

        for (var pair = 3; pair <= (repetitions * PairsPerRepetition) + 2; pair++)
        {
            if (pair % PairsPerRepetition == 3)
                Progress($"{name}: {(pair / PairsPerRepetition) + 1} of {repetitions}");

            // Turn about, so that neither always finds the machine as the other left it.
            var early = pair % 2 == 0 ? await byHand.SendMessage(pair) : default;
            var woken = await place.Woken("bench", pair);
            note(name, woken, pair % 2 == 0 ? early : await byHand.SendMessage(pair));
        }
    }

    static async Task Hold(BenchmarkResults figures)
    {
        const string name = "warm, 20 sessions";
        await using var place = await Place.Start(Crowd);
        for (var number = 1; number <= Crowd; number++)
        {
            Progress($"{name}: {number}");
            await place.Session(
                $"crowd-{number}",
                Directory.CreateDirectory(Path.Combine(place.Folder, $"{number}")).FullName
            );
            await place.Woken($"crowd-{number}", 1);
        }

        var marks = ProcessTable
            .AllTagged()
            .Where(x => x.Tag?.RunnerPid == place.Runner.Id)
            .Select(x => x.Tag!)
            .Distinct()
            .ToList();
        figures.Add(name, "that stayed", marks.Count);
        figures.Add(
            name,
            "MB held ÷ MB allowed",
            marks.Sum(x => ProcessTable.MemoryOf(x) ?? 0) / 1024.0 / 1024 / CrowdMegabytes,
            new(1, 1)
        );
        if (marks.Count != Crowd)
            throw new InvalidOperationException($"{marks.Count} of {Crowd} sessions stayed warm.");
    }

    /// <summary>A coordinator, a runner and an API of their own.</summary>
    sealed class Place : IAsyncDisposable
    {
        readonly BenchmarkSystem lab;

        Place(
            string folder,
            MessagesApi api,
            Dictionary<string, string> environment,
            BenchmarkSystem lab,
            ServiceProcess runner
        ) => (Folder, Api, Environment, this.lab, Runner) = (folder, api, environment, lab, runner);

        public string Folder { get; }

        public MessagesApi Api { get; }

        public IReadOnlyDictionary<string, string> Environment { get; }

        public ServiceProcess Runner { get; }

        public static async Task<Place> Start(int warmSessions)
        {
            var folder = Directory.CreateTempSubdirectory("wake-bench-").FullName;
            var api = await MessagesApi.Start();
            var environment = new Dictionary<string, string>
            {
                ["Claude__Executable"] = RealClaude.Executable(RealClaude.Current),
                ["ANTHROPIC_BASE_URL"] = api.Url,
                ["ANTHROPIC_API_KEY"] = "sk-bench-0123456789",
                ["CLAUDE_CONFIG_DIR"] = Path.Combine(folder, "config"),
                ["Runner__WarmSessions"] = $"{warmSessions}",
                ["Runner__WarmMemoryMegabytes"] = $"{CrowdMegabytes}",
            };
            var lab = await BenchmarkSystem.Start(TimeSpan.Zero, environment);
            return new(folder, api, environment, lab, await ServiceProcess.Start("Wake.Runner", lab.Settings));
        }

        public async Task Session(string key, string workspace) =>
            await new Sessions(lab.Database).Create(key, workspace, "default", null, CancellationToken.None);

        /// <summary>Milliseconds from the claim of a session's wake to what the model sees of it.</summary>
        public async Task<double> Woken(string key, int number)
        {
            var reason = $"reason {number} of {key} came from afar";
            await lab.Publish([
                EventJson.Serialize(
                    new()
                    {
                        Id = $"{key}-{number}",
                        Source = "bench:resuming",
                        Type = "bench.happened",
                        Subject = "bench",
                        Reason = reason,
                        Sessions = [key],
                    }
                ),
            ]);

            var request = await Api.Next(x => x.IsInTail(reason));
            await lab.Quiet();
            var claimed = await lab.Scalar<DateTime>(
                "select started_at from turns where wake_number = $2 and session_id = (select id from sessions "
                    + "where key = $1)",
                key,
                number
            );
            return (request.At - claimed).TotalMilliseconds;
        }

        public async ValueTask DisposeAsync()
        {
            await Runner.DisposeAsync();
            await lab.DisposeAsync();
            await Api.DisposeAsync();
            Directory.Delete(Folder, recursive: true);
        }
    }
}
