using Wake.Store;
using Wake.Testing;
using static Wake.Benchmarks.BenchmarkResults;

namespace Wake.Benchmarks;

/// <summary>What Wake takes while nothing happens: after some work, with a thousand sessions asleep.</summary>
static class Idle
{
    static readonly TimeSpan Watched = TimeSpan.FromSeconds(15);

    public static async Task Run(BenchmarkResults figures, int repetitions)
    {
        await Services(figures, repetitions);
        await Standalone(figures, repetitions);
    }

    static async Task Services(BenchmarkResults figures, int repetitions)
    {
        await using var lab = await BenchmarkSystem.Start(
            TimeSpan.Zero,
            new Dictionary<string, string> { ["Claude__Executable"] = "true" }
        );
        await using (var worker = await StandInRunner.Start(lab.Broker, new Turns(lab.Database)))
        {
            var messages = Messages.Generate(1000, 4, 5);
            await lab.Register(messages.Subjects);
            await lab.Publish(messages.Json);
            while (worker.Heard.Count < messages.Facts)
                await Task.Delay(20);
            await lab.Quiet();
        }

        await using var gateway = await ServiceProcess.Start("Wake.Gateway", lab.Settings);
        await using var runner = await ServiceProcess.Start("Wake.Runner", lab.Settings);
        await Watch(
            figures,
            "idle, coordinator + gateway + runner",
            [lab.Coordinator, gateway, runner],
            memoryLimit: 280,
            repetitions
        );
    }

    static async Task Standalone(BenchmarkResults figures, int repetitions)
    {
        var folder = Directory.CreateTempSubdirectory("wake-bench-").FullName;
        await using (
            var standalone = await ServiceProcess.Start(
                "Wake.Standalone",
                new Dictionary<string, string> { ["WAKE_DATA"] = folder, ["Claude__Executable"] = "true" }
            )
        )
        {
            await Watch(figures, "idle, standalone", [standalone], memoryLimit: 110, repetitions);

            // The polite way: its PostgreSQL stops with it.
            await standalone.Stop();
        }

        Directory.Delete(folder, recursive: true);
    }

    static async Task Watch(
        BenchmarkResults figures,
        string name,
        ServiceProcess[] processes,
        double memoryLimit,
        int repetitions
    )
    {
        // Until what starting set off is over.
        await Task.Delay(Watched);

        for (var repetition = 1; repetition <= repetitions; repetition++)
        {
            Progress($"{name}: {repetition} of {repetitions}");
            var (cpu, memory) = (Cpu(), Memory());
            await Task.Delay(Watched);

            var (percent, grown) = (100 * (Cpu() - cpu) / Watched, Memory() - memory);
            Line(
                new
                {
                    Kind = "idle",
                    What = name,
                    CpuPercent = Math.Round(percent, 3),
                    MemoryMb = Math.Round(Memory(), 1),
                    GrownMb = Math.Round(grown, 2),
                }
            );
            figures.Add(name, "of one core, %", percent, new(0.5, 0.2));
            figures.Add(name, "resident memory, MB", Memory(), new(memoryLimit));
            figures.Add(name, $"memory gained in {Watched.TotalSeconds:0} s, MB", grown, new(1));
        }

        TimeSpan Cpu() => processes.Aggregate(TimeSpan.Zero, (sum, x) => sum + x.CpuTime);

        double Memory() => processes.Sum(x => x.WorkingSet) / 1e6;
    }
}
