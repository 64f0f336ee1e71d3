using System.ComponentModel;
using System.Text.RegularExpressions;
using Wake.ServiceDefaults;

namespace Wake.Runner;

/// <summary>Runs <c>git</c>, without a shell, without a prompt, not for ever, and no longer than the runner lives.</summary>
sealed partial class Git(ProcessLauncher launcher, RunProcesses processes)
{
    /// <summary>Long enough to fetch a large repository over a slow line.</summary>
    static readonly TimeSpan Longest = TimeSpan.FromMinutes(10);

    /// <summary>Runs it and returns what it printed.</summary>
    /// <param name="folder">Where; must exist.</param>
    /// <param name="cancel">Ends it, and what it has started.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <exception cref="GitException">It failed; the message is what it said.</exception>
    public async Task<string> Run(string folder, CancellationToken cancel, params string[] arguments)
    {
        var mark = ProcessTable.NewMark();
        var environment = ClaudeCli.OwnEnvironment().ToDictionary(x => x.Key, x => x.Value);
        environment["GIT_TERMINAL_PROMPT"] = "0";
        // Others, such as ext, run a program that the address names.
        environment["GIT_ALLOW_PROTOCOL"] = "https:http:ssh:git:file";
        // What it says is read.
        environment["LC_ALL"] = "C";
        environment[RunMark.Variable] = mark.ToString();

        using var longest = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        longest.CancelAfter(Longest);
        try
        {
            using var process = await launcher.Start("git", arguments, folder, environment);
            process.StandardInput.Close();
            var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
            var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
            await process.WaitForExitAsync(longest.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

            // Asked first: it removes its locks, which would keep out the next one. Where nobody sees them, killed.
            if (longest.IsCancellationRequested)
                await processes.End(mark, RunProcesses.Grace);
            if (!process.HasExited)
                process.KillTree();
            await process.WaitForExitAsync(CancellationToken.None);
            cancel.ThrowIfCancellationRequested();

            if (longest.IsCancellationRequested)
                throw new GitException($"git {arguments[0]} took longer than {Longest.TotalMinutes} minutes", mayPass: true);
            return process.ExitCode == 0 ? await output : throw Failed(arguments[0], await errors);
        }
        catch (Win32Exception missing)
        {
            throw new GitException($"git cannot be started: {missing.Message}", mayPass: false);
        }
    }

    /// <summary>Its failure, from what it said.</summary>
    public static GitException Failed(string what, string errors) =>
        new($"git {what}: {Redaction.Redact(errors, new Dictionary<string, string>()).Trim()}", mayPass: !Final().IsMatch(errors));

    // The ways to have no connection are many and change with every library; those of being refused are few.
    [GeneratedRegex("not found|does not exist|not appear to be a git repository|Authentication failed|could not read (Username|Password)"
        + "|Permission denied|verification failed|returned error: 4(?!08|29)|transport '|is not a git command|failed to execute")]
    private static partial Regex Final();
}

/// <summary>Git did not do it.</summary>
sealed class GitException(string message, bool mayPass) : Exception(message)
{
    /// <summary>Whether the same again may succeed without anybody mending something.</summary>
    public bool MayPass => mayPass;
}
