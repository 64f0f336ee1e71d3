using System.Diagnostics;
using Wake.Tests.HouseRules;

namespace Wake.Tests.Support;

/// <summary>The native program <c>wake-terminal</c>: the one that <c>tests/run</c> has made, else made here.</summary>
static class NativeTerminal
{
    static readonly Lazy<Task<string>> Built = new(Build);

    /// <summary>Its path.</summary>
    public static Task<string> Executable => Built.Value;

    static async Task<string> Build()
    {
        if (Environment.GetEnvironmentVariable("WAKE_TEST_TERMINAL") is { Length: > 0 } made)
            return made;

        var folder = Path.Combine(Repository.Root, "artifacts", "terminal");
        var project = Path.Combine(Repository.Root, "services", "Wake.Terminal");
        using var process = Process.Start(
            new ProcessStartInfo(
                "dotnet",
                ["publish", project, "-c", "Release", "-p:Native=true", "-o", folder, "-v", "quiet", "-nologo"]
            )
            {
                RedirectStandardOutput = true,
            }
        )!;
        var said = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? Path.Combine(folder, "wake-terminal")
            : throw new InvalidOperationException($"wake-terminal could not be published:\n{said}");
    }
}
