using System.Diagnostics;
using System.Net;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Configuration;
using Wake.Runner;
using Wake.ServiceDefaults;
using Wake.Standalone;

namespace Wake.Cli;

/// <summary>Looks for everything a standalone Wake needs on this machine.</summary>
/// <param name="folder">The data folder.</param>
/// <param name="data">The data folder as the user named it; null when they did not.</param>
sealed class Checkup(DataFolder folder, string? data)
{
    /// <summary>How long any one answer may take.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Everything, in the order in which one would mend it.</summary>
    public async IAsyncEnumerable<Finding> All([EnumeratorCancellation] CancellationToken cancel)
    {
        var (settings, unreadable) = Settings();
        if ((unreadable ?? Misunderstood()) is { } wrong)
            yield return wrong;

        var claude = new ClaudeInstallation(settings);
        yield return await claude.Program(cancel);
        yield return claude.Login();
        yield return Postgres();
        yield return Tool("setsid", "turns cannot be kept apart from the terminal's Ctrl-C");
        yield return Tool("setpriv", "turns outlive a Wake that is killed, and as root PostgreSQL cannot be started");
        yield return Runs(settings["Runner:RunAs"]);
        yield return await Broker.Check(settings["MessageBus:Host"], cancel);
        await foreach (var route in new RouteChecks(folder, data).All(settings, cancel))
            yield return route;
        yield return GitHub(settings.GetSection("GitHub"));
        yield return Folder();
        foreach (var database in DatabaseFiles())
            yield return database;
        if (SetAside() is { } lost)
            yield return lost;
        yield return await Running(cancel);
        if (await Untrusted(cancel) is { } untrusted)
            yield return untrusted;
        if (await Collisions(cancel) is { } collisions)
            yield return collisions;
        if (await OpenElsewhere(claude.ConfigFolder, cancel) is { } open)
            yield return open;
    }

    /// <summary>Runs a program and reads what it says; null when it cannot be run or does not end in time.</summary>
    public static async Task<(int Code, string Output)?> Run(
        string program,
        string[] arguments,
        CancellationToken cancel,
        TimeSpan? patience = null
    )
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(patience ?? Patience);
        Process? process = null;
        try
        {
            process = Process.Start(
                new ProcessStartInfo(program, arguments)
                {
                    RedirectStandardInput = true,
                    RedirectStandardOutput = true,
                    RedirectStandardError = true,
                }
            )!;
            process.StandardInput.Close();

            var errors = process.StandardError.ReadToEndAsync(bound.Token);
            var output = await process.StandardOutput.ReadToEndAsync(bound.Token) + await errors;
            await process.WaitForExitAsync(bound.Token);
            return (process.ExitCode, output.Trim());
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
        catch (OperationCanceledException)
        {
            process?.Kill(entireProcessTree: true);
            cancel.ThrowIfCancellationRequested();
            return null;
        }
        finally
        {
            process?.Dispose();
        }
    }

    /// <summary>The path of a program on PATH; null when it is not there.</summary>
    public static string? OnPath(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator)
            .Where(x => x.Length > 0)
            .Select(x => Path.Combine(x, program))
            .FirstOrDefault(IsProgram);

    /// <summary>Whether there is a file that may be executed.</summary>
    public static bool IsProgram(string path) =>
        File.Exists(path)
        && (
            OperatingSystem.IsWindows()
            || (
                File.GetUnixFileMode(path)
                & (UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute)
            ) != 0
        );

    // As wake up reads them.
    (IConfiguration Settings, Finding? Unreadable) Settings()
    {
        var environment = new ConfigurationBuilder().AddEnvironmentVariables();
        try
        {
            return (
                new ConfigurationBuilder()
                    .AddJsonFile(folder.Settings, optional: true, reloadOnChange: false)
                    .AddEnvironmentVariables()
                    .Build(),
                null
            );
        }
        catch (Exception wrong) when (wrong is InvalidDataException or UnauthorizedAccessException or IOException)
        {
            return (
                environment.Build(),
                new("settings", false, wrong.GetBaseException().Message, $"Mend {folder.Settings}, or move it away.")
            );
        }
    }

    // Who watches CI waits for the sum of it, and somebody must make that.
    static Finding GitHub(IConfigurationSection settings) =>
        settings.GetSection("Accounts").GetChildren().Count() is > 0 and var accounts
            ? new("GitHub", true, $"asked by {accounts} account{(accounts > 1 ? "s" : "")}", null)
        : settings.GetSection("WebhookSecrets").GetChildren().Any()
        || settings.GetSection("Webhooks").GetChildren().Any()
            ? new("GitHub", true, "heard by its webhook only: CI is added up from what that sends", null)
        : new(
            "GitHub",
            true,
            "neither asked nor heard: watches of it wait for what is published by hand",
            "Set GitHub__Accounts__main__Token (gh auth token prints yours), or GitHub__WebhookSecrets__0."
        );

    // What would keep wake up from starting.
    Finding? Misunderstood()
    {
        var (settings, sections) = StandaloneHost.Settings(folder);
        return SettingsCheck.Problems(settings, sections).ToList() is { Count: > 0 } problems
            ? new(
                "settings",
                false,
                string.Join(" ", problems),
                $"Mend the environment or {folder.Settings}; wake config shows what is in force."
            )
            : null;
    }

    static Finding Postgres() =>
        PostgresBinaries.Find() is [var best, ..]
            ? new("PostgreSQL", true, $"{best.Major} in {best.Folder}", null)
            : new("PostgreSQL", false, "not found", PostgresBinaries.HowToInstall);

    static Finding Tool(string name, string without) =>
        OnPath(name) is { } path ? new(name, true, path, null)
        : OperatingSystem.IsLinux()
            ? new(name, false, $"not found: without it {without}", "Install util-linux: apt-get install util-linux")
        : new(name, true, "not on this system", null);

    // Whoever shares the machine with what an agent is talked into wants to know.
    static Finding Runs(string? runAs)
    {
        if (runAs is null)
            return new(
                "runs",
                true,
                "as the user of Wake: an agent with a shell can do what that user can",
                OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess
                    ? "To keep them apart name a user of their own in Runner__RunAs."
                    : null
            );
        if (Environment.IsPrivilegedProcess && RunUser.Trouble(runAs) is { } trouble)
            return new("runs", false, $"not as {runAs}", trouble);
        return new("runs", true, $"as {runAs}, apart from Wake", null);
    }

    Finding Folder()
    {
        var existing = folder.FullPath;
        while (!Directory.Exists(existing) && Path.GetDirectoryName(existing) is { } parent)
            existing = parent;

        try
        {
            using var trial = new FileStream(
                Path.Combine(existing, $".wake-doctor-{Guid.NewGuid():N}"),
                FileMode.CreateNew,
                FileAccess.Write,
                FileShare.None,
                bufferSize: 0,
                FileOptions.DeleteOnClose
            );
            var found = existing == folder.FullPath ? $"{existing}, writable" : $"{folder.FullPath}, not made yet";
            return new("data folder", true, found, null);
        }
        catch (Exception denied) when (denied is UnauthorizedAccessException or IOException)
        {
            return new(
                "data folder",
                false,
                $"{folder.FullPath} cannot be written: {denied.Message}",
                "Choose another folder with --data or WAKE_DATA, or run Wake as its owner."
            );
        }
    }

    IEnumerable<Finding> DatabaseFiles()
    {
        if (folder.DatabaseElsewhere is { } elsewhere && Directory.Exists(folder.FullPath))
            yield return new(
                "database files",
                true,
                $"in {elsewhere}: as root's, PostgreSQL cannot enter {folder.FullPath}",
                null
            );

        foreach (var (left, data) in DataFolder.DatabasesLeftBehind)
        {
            yield return new(
                "database files",
                true,
                $"in {left}, of the data folder {data}, which is gone",
                $"Delete {left}, or go on with it: wake up --data {data}"
            );
        }
    }

    Finding? SetAside()
    {
        var bad = new DirectoryInfo(folder.Spool.Bad);
        return bad.Exists && bad.GetFiles("*.reason").Length is > 0 and var count
            ? new(
                "events",
                true,
                $"{count} dropped files could not be taken in",
                $"Each lies in {bad.FullName}, with the reason beside it."
            )
            : null;
    }

    // The sessions of a Wake that runs here know it; a look at the folders tells which of them to ask.
    async Task<Finding?> Untrusted(CancellationToken cancel)
    {
        const int Asked = 20,
            Shown = 3;
        var state = WorkspaceSetup.StateFile(
            new Dictionary<string, string>
            {
                ["HOME"] = LocalTranscripts.Home,
                ["CLAUDE_CONFIG_DIR"] = Environment.GetEnvironmentVariable("CLAUDE_CONFIG_DIR") ?? "",
            }
        );
        try
        {
            using var wake = new WakeClient(data);
            if (await wake.Get("/v1/sessions?limit=1000", cancel) is not { Ok: true } answer)
                return null;

            List<string> notices = [];
            foreach (
                var session in answer
                    .Read(CliJson.Default.SessionArray)
                    .DistinctBy(x => (x.Workspace, x.Profile))
                    .Where(x =>
                        !WorkspaceSetup.IsTrusted(state, x.Workspace)
                        && WorkspaceSetup.LeftOut(state, x.Workspace) is not null
                    )
                    .Take(Asked)
            )
            {
                if (
                    await wake.Get(SessionsCommand.Path(session.Key), cancel) is { Ok: true } found
                    && found.Read(CliJson.Default.Session).Notice is { } notice
                )
                    notices.Add($"{session.Workspace}: {notice}");
            }

            return notices is []
                ? null
                : new(
                    "folders",
                    true,
                    string.Join(" ", notices.Take(Shown))
                        + (notices.Count > Shown ? $" And {notices.Count - Shown} more." : ""),
                    null
                );
        }
        catch (CommandException)
        {
            // Said by another check.
            return null;
        }
    }

    // Nothing where no Wake answers, which is said above.
    async Task<Finding?> Collisions(CancellationToken cancel)
    {
        try
        {
            using var wake = new WakeClient(data);
            return
                await wake.Get("/v1/collisions", cancel) is { Ok: true } answer
                && answer.Read(CliJson.Default.Collisions) is { Count: > 0, Latest: [var latest, ..] } found
                ? new(
                    "dedup keys",
                    true,
                    $"{found.Count} events came under the dedupKey of another fact, or of one that nobody has verified, and were taken in all the same",
                    $"Their producers give different facts one key, {latest.DedupKey} for one, or somebody sends a forge's. "
                        + $"See: wake explain {latest.Event}"
                )
                : null;
        }
        catch (CommandException)
        {
            return null;
        }
    }

    // Sessions of Wake's that somebody has open on this machine at this moment.
    async Task<Finding?> OpenElsewhere(string configFolder, CancellationToken cancel)
    {
        const int Page = 1000;
        var open = OpenSessions.In(configFolder);
        if (open is [])
            return null;

        try
        {
            using var wake = new WakeClient(data);
            List<string> found = [];
            for (var after = ""; ; )
            {
                var answer = await wake.Get($"/v1/sessions?limit={Page}&after={Uri.EscapeDataString(after)}", cancel);
                if (!answer.Ok)
                    return null;

                var sessions = answer.Read(CliJson.Default.SessionArray);
                found.AddRange(
                    from session in sessions
                    from process in open
                    where session.ClaudeSessionId == process.ClaudeSessionId
                    select $"{session.Key} is {process.InWords(runner: null)}"
                );
                if (sessions.Length < Page)
                    break;

                after = sessions[^1].Key;
            }

            return found is []
                ? null
                : new(
                    "open sessions",
                    true,
                    string.Join("; ", found),
                    "Their wakes wait until that is closed. wake resume --takeover runs one all the same."
                );
        }
        catch (CommandException)
        {
            // Said above.
            return null;
        }
    }

    async Task<Finding> Running(CancellationToken cancel)
    {
        try
        {
            using var wake = new WakeClient(data);
            var health = await wake.Get("/health/ready", cancel);
            if (!health.Ok)
            {
                return new(
                    "Wake",
                    false,
                    $"runs at {health.From.GetLeftPart(UriPartial.Authority)} and is not ready ({(int)health.Status})",
                    "Its log says why; it goes to the standard error of wake up."
                );
            }

            return await wake.Get("/v1/sessions?limit=1", cancel) is { Status: HttpStatusCode.Unauthorized } locked
                ? new("Wake", false, "runs, but does not let this wake in", locked.Failure().Message)
                : new("Wake", true, $"runs at {health.From.GetLeftPart(UriPartial.Authority)}, ready", null);
        }
        catch (CommandException none)
        {
            // Nothing is wrong with a Wake that nobody has started yet; one that was named shall be there.
            var named = data is null && Environment.GetEnvironmentVariable("WAKE_URL") is { Length: > 0 };
            return none is NoAnswerException && !named
                ? new("Wake", true, "not running", "Start it with: wake up")
                : new(
                    "Wake",
                    false,
                    none.Message,
                    "Set WAKE_URL to where it runs, or unset it to look in the data folder."
                );
        }
    }
}
