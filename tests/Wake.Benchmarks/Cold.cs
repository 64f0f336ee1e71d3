using System.Diagnostics;
using Wake.Contracts;
using Wake.Offline;
using Wake.Runner;
using Wake.Store;
using Wake.Testing;
using static Wake.Benchmarks.Figures;

namespace Wake.Benchmarks;

/// <summary>
/// From the claim of a turn to the real CLI's first request to the model, beside the same CLI with the same arguments,
/// environment and history, started by hand.
/// </summary>
static class Cold
{
    const int PairsPerRepetition = 4;

    public static async Task Run(Figures figures, int repetitions)
    {
        const string name = "cold, claim → first model request";
        var folder = Directory.CreateTempSubdirectory("wake-bench-").FullName;
        await using var api = await MessagesApi.Start();
        var environment = new Dictionary<string, string>
        {
            ["Claude__Executable"] = RealClaude.Executable(RealClaude.Current),
            ["ANTHROPIC_BASE_URL"] = api.Url,
            ["ANTHROPIC_API_KEY"] = "sk-bench-0123456789",
            ["CLAUDE_CONFIG_DIR"] = Path.Combine(folder, "config"),
        };

        await using (var lab = await Lab.Start(TimeSpan.Zero, environment))
        await using (await ServiceProcess.Start("Wake.Runner", lab.Settings))
        {
            var workspace = Directory.CreateDirectory(Path.Combine(folder, "workspace")).FullName;
            var sessions = new Sessions(lab.Database);
            await sessions.Create("bench", workspace, "default", null, CancellationToken.None);
            var sessionId = await lab.Scalar<Guid>("select id from sessions");
            var byHand = new ByHand(workspace, environment);

            Progress($"{name}: warming up");
            await Woken(1);
            await Started(1);

            for (var pair = 2; pair <= (repetitions * PairsPerRepetition) + 1; pair++)
            {
                if (pair % PairsPerRepetition == 2)
                    Progress($"{name}: {(pair / PairsPerRepetition) + 1} of {repetitions}");

                // Turn about, so that neither always finds the machine as the other left it.
                var early = pair % 2 == 0 ? await Started(pair) : 0;
                var woken = await Woken(pair);
                var bare = pair % 2 == 0 ? early : await Started(pair);

                Line(new { Kind = "cold", WakeMs = Math.Round(woken, 1), BareMs = Math.Round(bare, 1) });
                figures.Add(name, "claude --resume by hand, ms", bare);
                figures.Add(name, "woken, ms", woken);
                figures.Add(name, "beyond, ms", woken - bare, new(30, 10));
            }

            async Task<double> Woken(int number)
            {
                var reason = $"reason {number} came from afar";
                await lab.Publish([EventJson.Write(new()
                {
                    Id = $"{number}", Source = "bench:cold", Type = "bench.happened", Subject = "bench", Reason = reason, Sessions = ["bench"],
                })]);

                var request = await api.Next(x => x.Hears(reason));
                await lab.Quiet();
                var claimed = await lab.Scalar<DateTime>(
                    "select started_at from turns where session_id = $1 and wake_number = $2", sessionId, number);
                return (request.At - claimed).TotalMilliseconds;
            }

            async Task<double> Started(int number)
            {
                var prompt = $"word {number} came by hand";
                var ((started, process), first) = (await byHand.Start(prompt), api.Next(x => x.Hears(prompt)));
                var request = await first;
                await process.StandardOutput.ReadToEndAsync();
                await process.WaitForExitAsync();
                process.Dispose();
                return (request.At - started).TotalMilliseconds;
            }
        }

        Directory.Delete(folder, recursive: true);
    }

    // The same conversation length as the woken session's, in a session of its own.
    sealed class ByHand(string workspace, Dictionary<string, string> settings)
    {
        readonly Guid session = Guid.NewGuid();
        bool resume;

        public async Task<(DateTimeOffset, Process)> Start(string prompt)
        {
            var command = new ClaudeCommand(session, resume, workspace, new(), Guid.NewGuid(), IsRepetition: false, prompt);
            resume = true;

            var start = new ProcessStartInfo(settings["Claude__Executable"], command.Arguments())
            {
                WorkingDirectory = workspace, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
            };
            var own = Environment.GetEnvironmentVariables().Keys.Cast<string>()
                .Where(x => !x.StartsWith("CLAUDE", StringComparison.Ordinal) && !x.StartsWith("ANTHROPIC", StringComparison.Ordinal))
                .ToDictionary(x => x, x => Environment.GetEnvironmentVariable(x)!);
            foreach (var (name, value) in settings)
                own[name] = value;
            start.Environment.Clear();
            foreach (var (name, value) in ClaudeEnvironment.Build(own, new(), isRepetition: false, traceParent: null, ProcessTable.NewMark()))
                start.Environment[name] = value;

            var started = DateTimeOffset.UtcNow;
            var process = Process.Start(start)!;
            process.BeginErrorReadLine();
            await process.StandardInput.BaseStream.WriteAsync(command.Message());
            process.StandardInput.Close();
            return (started, process);
        }
    }
}
