using System.Diagnostics;
using System.Runtime.InteropServices;
using static Wake.Benchmarks.BenchmarkResults;

namespace Wake.Benchmarks;

/// <summary>
/// The command as it is released: whole processes from their start to their end, or to the line that says they are
/// ready, beside an empty program and an empty web server that are built in the same way.
/// </summary>
static class Starting
{
    const int RoundsPerRepetition = 4;

    // What tests/bench has built.
    static readonly string Built = Path.GetFullPath(Path.Combine("artifacts", "measured"));
    static readonly string Command = Path.Combine(Built, "wake", "wake");
    static readonly string Empty = Path.Combine(Built, "empty", "Wake.EmptyProgram");

    public static async Task Run(BenchmarkResults figures, int repetitions)
    {
        var folder = Directory.CreateTempSubdirectory("wake-starting-");
        var environment = new Dictionary<string, string>
        {
            ["WAKE_DATA"] = folder.CreateSubdirectory("data").FullName,
            ["Claude__Executable"] = "true",
            ["HOME"] = folder.CreateSubdirectory("home").FullName,
        };
        try
        {
            // The first start makes the database.
            await using (await Serving.Start(Command, ["up", "--port", "0"], environment)) { }

            for (var round = 0; round < repetitions * RoundsPerRepetition; round++)
            {
                Progress($"start: {round + 1} of {repetitions * RoundsPerRepetition}");
                await using (var server = await Serving.Start(Empty, ["serve"], environment))
                    Report("an empty web server, ready", server.Ready);

                await using var up = await Serving.Start(Command, ["up", "--port", "0"], environment);
                Report("wake up, ready", up.Ready, new(1000, 700));
                if (round == 0)
                    await RunToEnd(
                        Command,
                        ["sessions", "add", "implementer", "--workspace", folder.FullName],
                        environment
                    );

                Report("an empty program", await RunToEnd(Empty, [], environment));
                Report(
                    "wake publish",
                    await RunToEnd(
                        Command,
                        [
                            .. (string[])["publish", "--type", "build.failed", "--subject", "build:hello"],
                            .. (string[])["--reason", $"The build failed {round} times"],
                        ],
                        environment
                    ),
                    new(120, 60)
                );
                Report(
                    "wake resume",
                    await RunToEnd(
                        Command,
                        // Woken once, so that no turn runs beside what is measured.
                        ["resume", "--session", "implementer", "--reason", "merged", "--dedup-key", "merged"],
                        environment
                    ),
                    new(120, 60)
                );
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        void Report(string what, Took took, Target? target = null)
        {
            var (wall, cpu) = (took.Wall.TotalMilliseconds, took.Cpu.TotalMilliseconds);
            Line(
                new
                {
                    Kind = "start",
                    What = what,
                    Ms = Math.Round(wall, 1),
                    CpuMs = Math.Round(cpu, 1),
                }
            );
            figures.Add($"start, {what}", "ms", wall, target);
            figures.Add($"start, {what}", "of processors, ms", cpu);
        }
    }

    static async Task<Took> RunToEnd(
        string program,
        string[] arguments,
        IReadOnlyDictionary<string, string> environment
    )
    {
        var before = OfChildren();
        var began = Stopwatch.GetTimestamp();
        using var process = Begin(program, arguments, environment);
        var errors = process.StandardError.ReadToEndAsync();
        await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        var wall = Stopwatch.GetElapsedTime(began);
        return process.ExitCode == 0
            ? new(wall, OfChildren() - before)
            : throw new InvalidOperationException($"{string.Join(' ', arguments)}: {await errors}");
    }

    static Process Begin(string program, string[] arguments, IReadOnlyDictionary<string, string> environment)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }

    // Of all that have ended and were waited for.
    static TimeSpan OfChildren()
    {
        var usage = new long[18];
        if (GetResourceUsage(-1, usage) != 0)
            throw new InvalidOperationException("The system does not say what its processes have taken.");
        return TimeSpan.FromSeconds(usage[0] + usage[2]) + TimeSpan.FromMicroseconds(usage[1] + usage[3]);
    }

    // The first four are seconds and microseconds in the program and in the system.
    [DllImport("libc", EntryPoint = "getrusage")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int GetResourceUsage(int who, [In, Out] long[] usage);

    readonly record struct Took(TimeSpan Wall, TimeSpan Cpu);

    /// <summary>A program that has said it is ready.</summary>
    sealed class Serving(Process process, Took ready) : IAsyncDisposable
    {
        public Took Ready => ready;

        public static async Task<Serving> Start(
            string program,
            string[] arguments,
            IReadOnlyDictionary<string, string> environment
        )
        {
            var began = Stopwatch.GetTimestamp();
            var process = Begin(program, arguments, environment);
            process.ErrorDataReceived += (_, _) => { };
            process.BeginErrorReadLine();
            var line = await process.StandardOutput.ReadLineAsync();
            var wall = Stopwatch.GetElapsedTime(began);
            return line?.StartsWith("ready", StringComparison.Ordinal) == true
                ? new(process, new(wall, process.TotalProcessorTime))
                : throw new InvalidOperationException($"{program} did not become ready: {line}");
        }

        // The polite way: its PostgreSQL stops with it.
        public async ValueTask DisposeAsync()
        {
            using (var kill = Process.Start("kill", ["-TERM", $"{process.Id}"]))
                await kill.WaitForExitAsync();
            await process.WaitForExitAsync();
            process.Dispose();
        }
    }
}
