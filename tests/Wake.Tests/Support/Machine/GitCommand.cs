using System.Diagnostics;

namespace Wake.Tests.Support;

/// <summary><c>git</c>, for repositories that tests need.</summary>
public static class GitCommand
{
    /// <summary>Runs it and returns what it printed.</summary>
    public static async Task<string> Run(string folder, params string[] arguments)
    {
        using var process = Process.Start(
            new ProcessStartInfo("git", arguments) { WorkingDirectory = folder, RedirectStandardOutput = true }
        )!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
        return output;
    }

    /// <summary>Commits what is staged, as nobody of this machine and unsigned.</summary>
    public static Task Commit(string repository, string message) =>
        Run(
            repository,
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.org",
            "-c",
            "commit.gpgsign=false",
            "commit",
            "--quiet",
            "--allow-empty",
            "-m",
            message
        );
}
