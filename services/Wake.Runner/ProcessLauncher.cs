using System.Collections.Concurrent;
using System.Diagnostics;

namespace Wake.Runner;

/// <summary>
/// Starts processes so that they neither outlive the runner nor die with the terminal it runs in: in a session of their own,
/// which keeps Ctrl-C for the runner to answer, and with SIGTERM as soon as the runner is gone, however it went.
/// </summary>
/// <remarks>
/// Linux sends that signal when the <em>thread</em> that started the process ends, so one thread starts them all and lives
/// as long as the runner.
/// </remarks>
sealed class ProcessLauncher : IDisposable
{
    readonly Orphans orphans = new();
    readonly BlockingCollection<(ProcessStartInfo Start, TaskCompletionSource<Process> Started)> requests = [];

    // Both come with util-linux. Where one is missing (another system), its service is missing and nothing else.
    readonly List<string> wrappers = [];

    public ProcessLauncher()
    {
        if (Works("setsid", "true"))
            wrappers.Add("setsid");
        if (Works("setpriv", "--pdeathsig", "TERM", "true"))
            wrappers.AddRange(["setpriv", "--pdeathsig", "TERM"]);

        new Thread(Serve) { IsBackground = true, Name = "process launcher" }.Start();
    }

    /// <summary>Starts a process with all three standard streams redirected.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">The program cannot be started.</exception>
    public Task<Process> Start(
        string program, IEnumerable<string> arguments, string workspace, IReadOnlyDictionary<string, string> environment)
    {
        var start = new ProcessStartInfo
        {
            WorkingDirectory = workspace,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

        string[] command = [.. wrappers, program, .. arguments];
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

    void Serve()
    {
        foreach (var (start, started) in requests.GetConsumingEnumerable())
        {
            try
            {
                started.SetResult(Orphans.Start(start));
            }
            catch (Exception failed) when (failed is System.ComponentModel.Win32Exception or InvalidOperationException)
            {
                started.SetException(failed);
            }
        }
    }

    static bool Works(string program, params string[] arguments)
    {
        try
        {
            using var trial = Orphans.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true });
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
