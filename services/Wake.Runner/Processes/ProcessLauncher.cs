using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Options;

namespace Wake.Runner;

/// <summary>
/// Starts processes so that they neither outlive the runner nor die with the terminal it runs in: in a session of their
/// own, which keeps Ctrl-C for the runner to answer, and with SIGTERM as soon as the runner is gone, however it went.
/// </summary>
/// <remarks>
/// Linux sends that signal when the <em>thread</em> that started the process ends, so one thread starts them all and
/// lives as long as the runner.
/// </remarks>
sealed class ProcessLauncher : IDisposable
{
    readonly ChildSubreaper orphans = new();
    readonly BlockingCollection<(ProcessStartInfo Start, TaskCompletionSource<Process> Started)> requests = [];

    // Both come with util-linux. Where one is missing (another system), its service is missing and nothing else.
    readonly List<string> wrappers = [],
        asRunUser = [],
        endsWithRunner = [];
    readonly bool limits = RlimitTags.IsAvailable && CanStart("prlimit", "--version");

    public ProcessLauncher(IOptions<RunnerOptions> options)
    {
        RunUser.SetCurrent(options.Value.RunAs);
        if (CanStart("setsid", "true"))
            wrappers.Add("setsid");
        if (CanStart("setpriv", "--pdeathsig", "TERM", "true"))
            endsWithRunner.AddRange(["setpriv", "--pdeathsig", "TERM"]);
        asRunUser.AddRange(RunUser.Current?.CommandPrefix ?? []);

        new Thread(StartLoop) { IsBackground = true, Name = "process launcher" }.Start();
    }

    /// <summary>Starts a process with all three standard streams redirected.</summary>
    /// <param name="program">The program.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="workspace">Where it works.</param>
    /// <param name="environment">All of its environment.</param>
    /// <param name="apart">Whether it runs as the user of runs, where there is one.</param>
    /// <param name="tag">How <see cref="RlimitTags"/> will know it.</param>
    /// <exception cref="System.ComponentModel.Win32Exception">The program cannot be started.</exception>
    public Task<Process> Start(
        string program,
        IEnumerable<string> arguments,
        string workspace,
        IReadOnlyDictionary<string, string> environment,
        bool apart = false,
        IReadOnlyList<string>? tag = null
    )
    {
        var start = new ProcessStartInfo
        {
            WorkingDirectory = workspace,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

        // The kernel forgets the signal when the user changes, so that comes first.
        IReadOnlyList<string> tagged = limits && tag is not null ? tag : [],
            asAnother = apart ? asRunUser : [];
        string[] command = [.. tagged, .. wrappers, .. asAnother, .. endsWithRunner, program, .. arguments];
        start.FileName = command[0];
        foreach (var argument in command[1..])
            start.ArgumentList.Add(argument);

        start.Environment.Clear();
        foreach (var (name, value) in environment)
            start.Environment[name] = value;

        var started = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
        requests.Add((start, started));
        return started.Task;
    }

    /// <summary>The runner's own variables, of which what it starts gets a part.</summary>
    public static IEnumerable<KeyValuePair<string, string>> OwnEnvironment() =>
        from System.Collections.DictionaryEntry entry in Environment.GetEnvironmentVariables()
        select KeyValuePair.Create((string)entry.Key, (string)(entry.Value ?? ""));

    void StartLoop()
    {
        foreach (var (start, started) in requests.GetConsumingEnumerable())
        {
            try
            {
                started.SetResult(ChildSubreaper.StartTracked(start));
            }
            catch (Exception failed) when (failed is System.ComponentModel.Win32Exception or InvalidOperationException)
            {
                started.SetException(failed);
            }
        }
    }

    static bool CanStart(string program, params string[] arguments)
    {
        try
        {
            using var trial = ChildSubreaper.StartTracked(
                new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true }
            );
            return trial.WaitForExit(TimeSpan.FromSeconds(5)) && trial.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    public void Dispose()
    {
        requests.CompleteAdding();
        orphans.Dispose();
    }
}
