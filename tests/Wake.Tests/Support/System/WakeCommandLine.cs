using System.Diagnostics;

namespace Wake.Tests.Support;

/// <summary>What a command said and how it ended.</summary>
public sealed record CommandOutput(int ExitCode, string Output, string Errors);

/// <summary>The <c>wake</c> command as a process, as a person or a script runs it.</summary>
public static class WakeCommandLine
{
    public static ProcessStartInfo Start(IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "wake"), arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (
            var name in start
                .Environment.Keys.Where(x =>
                    x.StartsWith("WAKE", StringComparison.Ordinal) || x.StartsWith("CLAUDE", StringComparison.Ordinal)
                )
                .ToList()
        )
            start.Environment.Remove(name);
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        return start;
    }

    public static Task<CommandOutput> Run(
        IReadOnlyDictionary<string, string> environment,
        string? input,
        params string[] arguments
    ) => RunIn(null, environment, input, arguments);

    public static async Task<CommandOutput> RunIn(
        string? directory,
        IReadOnlyDictionary<string, string> environment,
        string? input,
        params string[] arguments
    )
    {
        var start = Start(environment, arguments);
        start.WorkingDirectory = directory ?? "";
        using var process = Process.Start(start)!;
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();

        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        return new(process.ExitCode, await output, await errors);
    }
}
