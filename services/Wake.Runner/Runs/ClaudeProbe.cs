using System.ComponentModel;
using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;

namespace Wake.Runner;

/// <summary>
/// Whether the CLI starts at all on this machine, whatever the session, found out by asking it for its version. A wrong
/// option, a bad profile or a missing workspace cannot make that fail; a missing or broken program does.
/// </summary>
sealed class ClaudeProbe(ProcessLauncher launcher, IOptions<ClaudeOptions> options, TimeProvider time)
{
    // It takes a fraction of a second, and what takes this long is no better than nothing.
    static readonly TimeSpan ProbeTimeout = TimeSpan.FromSeconds(20);

    const int MaxVersionLength = 40;

    // No folder in which others could leave settings for it.
    const string WorkingDirectory = "/";

    /// <summary>What is wrong; null when it starts.</summary>
    public async Task<string?> FindProblem(CancellationToken cancel) => (await AskVersion(cancel)).Problem;

    /// <summary>Its version, as it says it; null when it does not start.</summary>
    public async Task<string?> FindVersion(CancellationToken cancel) => (await AskVersion(cancel)).Version;

    async Task<(string? Version, string? Problem)> AskVersion(CancellationToken cancel)
    {
        var settings = options.Value;
        var environment = ClaudeEnvironment.Build(
            ProcessLauncher.OwnEnvironment(),
            settings,
            isRepetition: false,
            trace: default,
            ProcessTable.NewTag()
        );

        using var bound = new CancellationTokenSource(ProbeTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(bound.Token, cancel);
        try
        {
            using var process = await launcher.Start(
                settings.Executable,
                ["--version"],
                WorkingDirectory,
                environment,
                apart: true
            );
            try
            {
                process.StandardInput.BaseStream.Close();
                var version = process.StandardOutput.ReadToEndAsync(either.Token);
                var errors = await process.StandardError.ReadToEndAsync(either.Token);
                var said = await version;
                await process.WaitForExitAsync(either.Token);

                // 2.1.329 (Claude Code)
                return process.ExitCode == 0
                    ? (
                        said.Split(' ', '\n')[0] is var word ? word[..Math.Min(word.Length, MaxVersionLength)] : null,
                        null
                    )
                    : (
                        null,
                        $"{settings.Executable} does not start: exit code {process.ExitCode}"
                            + FirstLine(Redaction.Redact(errors, environment))
                    );
            }
            finally
            {
                process.KillTree();
            }
        }
        catch (Exception failed) when (failed is Win32Exception or IOException)
        {
            return (null, $"{settings.Executable} cannot be started: {failed.Message}");
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return (null, $"{settings.Executable} does not start: no answer within {ProbeTimeout.TotalSeconds:0} s");
        }
    }

    static string FirstLine(string errors) =>
        errors.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) is [var first, ..]
            ? $", {first[..Math.Min(first.Length, 200)]}"
            : "";
}
