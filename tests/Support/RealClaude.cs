using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Wake.Testing;

/// <summary>
/// The real CLI in the versions Wake is developed and tested against, where tests/run installs them. On the newest run
/// the tests of what has changed from version to version, which the other two have between them.
/// </summary>
public static class RealClaude
{
    public const string Current = "2.1.329",
        Old = "2.1.197",
        Newest = "2.1.332";

    /// <summary>All of them, the one Wake ships with first.</summary>
    public static IReadOnlyList<string> Versions { get; } = [Current, Old, Newest];

    /// <summary>The program of a version.</summary>
    public static string Executable(string version)
    {
        var cache = Environment.GetEnvironmentVariable("WAKE_TOOLS") is { Length: > 0 } tools
            ? tools
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache", "wake", "tools");
        var system = OperatingSystem.IsMacOS() ? "darwin" : "linux";
        var platform = $"{system}-{RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant()}";
        var program = Path.Combine(
            cache,
            $"claude-{version}",
            "node_modules",
            "@anthropic-ai",
            $"claude-code-{platform}",
            "claude"
        );

        return File.Exists(program)
            ? program
            : throw new InvalidOperationException(
                $"claude {version} is not installed at {program}, and the real one is needed here. tests/run "
                    + "installs it, "
                    + $"or: npm install --prefix {cache}/claude-{version} @anthropic-ai/claude-code@{version}"
            );
    }

    /// <summary>Runs it by hand, as its user would in a terminal.</summary>
    public static async Task<string> Run(
        string version,
        string workspace,
        IReadOnlyDictionary<string, string> environment,
        params string[] arguments
    )
    {
        var start = new ProcessStartInfo(Executable(version), arguments)
        {
            WorkingDirectory = workspace,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (
            var name in start
                .Environment.Keys.Where(x =>
                    x.StartsWith("CLAUDE", StringComparison.Ordinal)
                    || x.StartsWith("ANTHROPIC", StringComparison.Ordinal)
                )
                .ToList()
        )
            start.Environment.Remove(name);
        start.Environment["HOME"] = Servers.Home;
        foreach (var (name, value) in environment)
            start.Environment[name] = value;

        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? output
            : throw new InvalidOperationException($"claude ended with {process.ExitCode}: {await errors}{output}");
    }
}
