using System.ComponentModel;
using System.Diagnostics;

namespace Wake.Runner;

/// <summary>Runs <c>git</c>, without a shell, without a prompt, and not for ever.</summary>
static class Git
{
    /// <summary>Long enough to fetch a large repository over a slow line.</summary>
    static readonly TimeSpan Longest = TimeSpan.FromMinutes(10);

    /// <summary>Runs it and returns what it printed.</summary>
    /// <param name="folder">Where; must exist.</param>
    /// <param name="cancel">Kills it.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <exception cref="GitException">It failed; the message is what it said.</exception>
    public static async Task<string> Run(string folder, CancellationToken cancel, params string[] arguments)
    {
        var start = new ProcessStartInfo("git", arguments)
        {
            WorkingDirectory = folder, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        start.Environment["GIT_TERMINAL_PROMPT"] = "0";
        // Others, such as ext, run a program that the address names.
        start.Environment["GIT_ALLOW_PROTOCOL"] = "https:http:ssh:git:file";

        using var longest = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        longest.CancelAfter(Longest);
        try
        {
            using var process = Process.Start(start)!;
            await using var kill = longest.Token.Register(process.KillTree);
            process.StandardInput.Close();
            var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
            var output = await process.StandardOutput.ReadToEndAsync(CancellationToken.None);
            await process.WaitForExitAsync(CancellationToken.None);
            cancel.ThrowIfCancellationRequested();

            return process.ExitCode == 0 ? output
                : throw new GitException(longest.IsCancellationRequested ? $"git {arguments[0]} took longer than {Longest.TotalMinutes} minutes"
                    : $"git {arguments[0]}: {Redaction.Redact(await errors, new Dictionary<string, string>()).Trim()}");
        }
        catch (Win32Exception missing)
        {
            throw new GitException($"git cannot be started: {missing.Message}");
        }
    }
}

/// <summary>Git did not do it.</summary>
sealed class GitException(string message) : Exception(message);
