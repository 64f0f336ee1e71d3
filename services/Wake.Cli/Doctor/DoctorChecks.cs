using System.Diagnostics;
using System.Net;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Configuration;
using Wake.Producers.GitHub;
using Wake.Runner;
using Wake.ServiceDefaults;
using Wake.Standalone;
using Wake.Store;

namespace Wake.Cli;

/// <summary>Looks for everything a standalone Wake needs on this machine.</summary>
/// <param name="folder">The data folder.</param>
/// <param name="data">The data folder as the user named it; null when they did not.</param>
sealed class DoctorChecks(DataFolder folder, string? data)
{
    /// <summary>How long any one answer may take.</summary>
    public static readonly TimeSpan CheckTimeout = TimeSpan.FromSeconds(10);

    /// <summary>Runs all checks, in the order in which problems should be fixed.</summary>
    public async IAsyncEnumerable<CheckResult> RunAll([EnumeratorCancellation] CancellationToken cancel)
    {
        var (settings, unreadable) = LoadSettings(folder);
        if ((unreadable ?? CheckSettings()) is { } wrong)
            yield return wrong;

        var claude = new ClaudeInstallation(settings);
        yield return await claude.CheckProgram(cancel);
        yield return claude.CheckLogin();
        if (await claude.CheckPlugin(cancel) is { } plugin)
            yield return plugin;
        yield return CheckPostgres();
        yield return CheckTool("setsid", "turns cannot be kept apart from the terminal's Ctrl-C");
        yield return CheckTool(
            "setpriv",
            "turns outlive a Wake that is killed, and as root PostgreSQL cannot be started"
        );
        yield return CheckRunUser(settings["Runner:RunAs"]);
        yield return await BrokerCheck.Check(settings["MessageBus:Host"], cancel);
        await foreach (var route in new RouteChecks(folder, data).RunAll(settings, cancel))
            yield return route;
        await foreach (var target in NotificationChecks.RunAll(folder, cancel))
            yield return target;
        await foreach (var console in ConsoleChecks.RunAll(settings, cancel))
            yield return console;
        yield return CheckGitHub(settings.GetSection("GitHub"));
        yield return CheckDataFolder();
        if (CheckSecretFiles(settings[SecretFiles.DirectoryVariable]) is { } open)
            yield return open;
        foreach (var database in CheckDatabaseFiles())
            yield return database;
        if (CheckBadSpoolFiles() is { } lost)
            yield return lost;
        yield return await CheckWakeIsRunning(cancel);
        if (await CheckWorkspaceTrust(cancel) is { } untrusted)
            yield return untrusted;
        if (await CheckPauses(cancel) is { } paused)
            yield return paused;
        if (await CheckEndedSessions(cancel) is { } ended)
            yield return ended;
        if (await CheckCiLoops(cancel) is { } stopped)
            yield return stopped;
        if (await CheckReports(cancel) is { } unreported)
            yield return unreported;
        if (await CheckDedupCollisions(cancel) is { } collisions)
            yield return collisions;
        if (await CheckOpenSessions(claude.ConfigFolder, cancel) is { } running)
            yield return running;
    }

    /// <summary>Runs a program and reads what it says; null when it cannot be run or does not end in time.</summary>
    public static async Task<(int Code, string Output)?> RunProgram(
        string program,
        string[] arguments,
        CancellationToken cancel,
        TimeSpan? timeout = null,
        string? directory = null,
        IReadOnlyDictionary<string, string>? variables = null
    )
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(timeout ?? CheckTimeout);
        Process? process = null;
        try
        {
            var start = new ProcessStartInfo(program, arguments)
            {
                WorkingDirectory = directory ?? "",
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            foreach (var (name, value) in variables ?? new Dictionary<string, string>())
                start.Environment[name] = value;
            process = Process.Start(start)!;
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
    public static string? FindOnPath(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator)
            .Where(x => x.Length > 0)
            .Select(x => Path.Combine(x, program))
            .FirstOrDefault(ExecutableFile.Exists);

    /// <summary>As wake up reads them; without the file if that cannot be read.</summary>
    public static (IConfiguration Settings, CheckResult? Unreadable) LoadSettings(DataFolder folder)
    {
        var environment = new ConfigurationBuilder().AddEnvironmentVariables();
        try
        {
            return (
                new ConfigurationBuilder()
                    .AddJsonFile(folder.SettingsFile, optional: true, reloadOnChange: false)
                    .AddEnvironmentVariables()
                    .Build(),
                null
            );
        }
        catch (Exception wrong) when (wrong is InvalidDataException or UnauthorizedAccessException or IOException)
        {
            return (
                environment.Build(),
                new(
                    "settings",
                    false,
                    wrong.GetBaseException().Message,
                    $"Mend {folder.SettingsFile}, or move it away."
                )
            );
        }
    }

    // Who watches CI waits for the sum of it, and somebody must make that.
    static CheckResult CheckGitHub(IConfigurationSection settings) =>
        settings.GetSection("Accounts").GetChildren().Count() is > 0 and var accounts
            ? new(
                "GitHub",
                true,
                $"asked by {accounts} account{(accounts > 1 ? "s" : "")}, also before each turn whether it is still so",
                null
            )
        : settings.GetSection("WebhookSecrets").GetChildren().Any()
        || settings.GetSection("Webhooks").GetChildren().Any()
            ? new("GitHub", true, "webhook only: the CI rollup is computed from webhook events", null)
        : new(
            "GitHub",
            true,
            "neither polled nor receiving webhooks: GitHub watches match only events published with wake publish",
            "Set GitHub__Accounts__main__Token (gh auth token prints yours), or GitHub__WebhookSecrets__0."
        );

    // What would keep wake up from starting.
    CheckResult? CheckSettings()
    {
        var (settings, sections) = StandaloneHost.Settings(folder);
        return SettingsValidation.FindProblems(settings, sections).ToList() is { Count: > 0 } problems
            ? new(
                "settings",
                false,
                string.Join(" ", problems),
                $"Mend the environment or {folder.SettingsFile}; wake config shows what is in force."
            )
            : null;
    }

    static CheckResult CheckPostgres() =>
        PostgresBinaries.FindInstalled() is [var best, ..]
            ? new("PostgreSQL", true, $"{best.Major} in {best.Folder}", null)
            : new("PostgreSQL", false, "not found", PostgresBinaries.HowToInstall);

    static CheckResult CheckTool(string name, string without) =>
        FindOnPath(name) is { } path ? new(name, true, path, null)
        : OperatingSystem.IsLinux()
            ? new(name, false, $"not found: without it {without}", "Install util-linux: apt-get install util-linux")
        : new(name, true, "not on this system", null);

    // Whoever shares the machine with what an agent is talked into wants to know.
    static CheckResult CheckRunUser(string? runAs)
    {
        if (string.IsNullOrEmpty(runAs))
            return new(
                "runs",
                true,
                "as the user of Wake: an agent with a shell can do what that user can",
                OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess
                    ? "To keep them apart name a user of their own in Runner__RunAs."
                    : null
            );
        if (Environment.IsPrivilegedProcess && RunUser.FindProblem(runAs) is { } trouble)
            return new("runs", false, $"not as {runAs}", trouble);
        return new("runs", true, $"as {runAs}, apart from Wake", null);
    }

    CheckResult CheckDataFolder()
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

    // Nothing where there is no secret, or nobody else can read it.
    CheckResult? CheckSecretFiles(string? secrets) =>
        ReadableSecretFiles.Find(secrets, folder.SettingsFile, ServiceFacts.SettingsFile) is [var first, ..] files
            ? new(
                "secrets",
                true,
                $"every user of this machine can read {first}{(files.Count > 1 ? $" and {files.Count - 1} more" : "")}",
                $"Make it its owner's alone: chmod go= {first}"
            )
            : null;

    IEnumerable<CheckResult> CheckDatabaseFiles()
    {
        if (folder.ExternalDatabaseFolder is { } elsewhere && Directory.Exists(folder.FullPath))
            yield return new(
                "database files",
                true,
                $"in {elsewhere}: as root's, PostgreSQL cannot enter {folder.FullPath}",
                null
            );

        foreach (var (left, data) in DataFolder.OrphanedDatabases)
        {
            yield return new(
                "database files",
                true,
                $"in {left}, of the data folder {data}, which is gone",
                $"Delete {left}, or go on with it: wake up --data {data}"
            );
        }
    }

    CheckResult? CheckBadSpoolFiles()
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
    async Task<CheckResult?> CheckWorkspaceTrust(CancellationToken cancel)
    {
        const int Asked = 20,
            Shown = 3;
        var state = WorkspaceTrust.StateFile(
            new Dictionary<string, string>
            {
                ["HOME"] = LocalTranscripts.Home,
                ["CLAUDE_CONFIG_DIR"] = Environment.GetEnvironmentVariable("CLAUDE_CONFIG_DIR") ?? "",
            }
        );
        try
        {
            using var wake = new WakeClient(data);
            if (await wake.Get("/v1/sessions?limit=1000", cancel) is not { IsSuccess: true } answer)
                return null;

            List<string> notices = [];
            foreach (
                var session in answer
                    .ReadAs(CliJson.Default.SessionArray)
                    .DistinctBy(x => (x.Workspace, x.Profile))
                    .Where(x =>
                        !WorkspaceTrust.IsTrusted(state, x.Workspace)
                        && WorkspaceTrust.FindUntrustedSetup(state, x.Workspace) is not null
                    )
                    .Take(Asked)
            )
            {
                if (
                    await wake.Get(SessionsCommand.ApiPath(session.Key), cancel) is { IsSuccess: true } found
                    && found.ReadAs(CliJson.Default.Session).Notice is { } notice
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

    // Why nothing happens, where that is meant.
    async Task<CheckResult?> CheckPauses(CancellationToken cancel) =>
        await WakeClient.TryGet(data, "/v1/pauses", CliJson.Default.PauseArray, cancel) is { Length: > 0 } pauses
            ? new(
                "pauses",
                true,
                string.Join(
                    "; ",
                    pauses.Select(x =>
                        $"{PauseScopeOptions.Describe(x.Scope, x.Name)}"
                        + (x.Until is { } end ? $" until {TimeFormat.Format(end)}" : "")
                        + (x.Reason is { } why ? $" ({why})" : "")
                    )
                ),
                "No turn of these sessions, or for these events, begins. wake pauses shows more, wake unpause ends one."
            )
            : null;

    // Why a session whose subject is over is still open.
    async Task<CheckResult?> CheckEndedSessions(CancellationToken cancel) =>
        await WakeClient.TryGet(data, "/v1/sessions?limit=1000", CliJson.Default.SessionArray, cancel) is { } sessions
        && sessions.Where(x => x.ClosesAt < DateTimeOffset.UtcNow - TimeSpan.FromHours(1)).Select(x => x.Key).ToList()
            is { Count: > 0 } open
            ? new(
                "ended sessions",
                true,
                $"Still open though their subject is over: {open.Count}, {string.Join(", ", open.Take(5))}",
                "A turn of theirs waits, for a person maybe, or a terminal has them open. wake explain SESSION says "
                    + "which; wake sessions close ends one."
            )
            : null;

    // Sessions that wait for a person because they could not mend CI.
    async Task<CheckResult?> CheckCiLoops(CancellationToken cancel) =>
        await WakeClient.TryGet(data, "/v1/sessions?state=parked&limit=100", CliJson.Default.SessionArray, cancel)
            is { } parked
        && parked
            .Where(x => x.LastTurn?.Note?.StartsWith(Turns.CiSpentPrefix, StringComparison.Ordinal) is true)
            .Select(x => x.Key)
            .ToList()
            is { Count: > 0 } stopped
            ? new(
                "CI loop",
                true,
                $"{string.Join(", ", stopped)}: the attempts to mend CI are spent",
                "wake explain shows every round of a session, wake resume goes on with a new budget."
            )
            : null;

    // Results of turns that somebody wants to read on GitHub, and cannot.
    async Task<CheckResult?> CheckReports(CancellationToken cancel) =>
        await WakeClient.TryGet(data, "/health/ready", CliJson.Default.ReadyHealth, cancel) is { Reasons: { } reasons }
        && reasons.TryGetValue(ReportsHealth.Name, out var why)
            ? new(
                "reports",
                true,
                why,
                "wake explain SESSION says why. The account needs Issues, Pull requests and Commit statuses: write."
            )
            : null;

    // Nothing where no Wake answers, which is said above.
    async Task<CheckResult?> CheckDedupCollisions(CancellationToken cancel) =>
        await WakeClient.TryGet(data, "/v1/collisions", CliJson.Default.Collisions, cancel)
            is { Count: > 0, Latest: [var latest, ..] } found
            ? new(
                "dedup keys",
                true,
                $"{found.Count} events came under the dedupKey of another fact, or of one that nobody has "
                    + "verified, and were taken in all the same",
                $"Their producers give different facts one key, {latest.DedupKey} for one, or somebody sends a "
                    + "forge's. "
                    + $"See: wake explain {latest.Event}"
            )
            : null;

    // Sessions of Wake's that somebody has open on this machine at this moment.
    async Task<CheckResult?> CheckOpenSessions(string configFolder, CancellationToken cancel)
    {
        const int Page = 1000;
        var open = OpenSessions.List(configFolder);
        if (open is [])
            return null;

        try
        {
            using var wake = new WakeClient(data);
            List<string> found = [];
            for (var after = ""; ; )
            {
                var answer = await wake.Get($"/v1/sessions?limit={Page}&after={Uri.EscapeDataString(after)}", cancel);
                if (!answer.IsSuccess)
                    return null;

                var sessions = answer.ReadAs(CliJson.Default.SessionArray);
                found.AddRange(
                    from session in sessions
                    from process in open
                    where session.ClaudeSessionId == process.ClaudeSessionId
                    select $"{session.Key} is {process.Describe(runner: null)}"
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

    async Task<CheckResult> CheckWakeIsRunning(CancellationToken cancel)
    {
        try
        {
            using var wake = new WakeClient(data);
            var health = await wake.Get("/health/ready", cancel);
            if (!health.IsSuccess)
            {
                return new(
                    "Wake",
                    false,
                    $"runs at {health.RequestUri.GetLeftPart(UriPartial.Authority)} and is not ready "
                        + $"({(int)health.Status})",
                    "Its log says why; it goes to the standard error of wake up."
                );
            }

            return await wake.Get("/v1/sessions?limit=1", cancel) is { Status: HttpStatusCode.Unauthorized } locked
                ? new("Wake", false, "runs, but does not let this wake in", locked.ToException().Message)
                : new(
                    "Wake",
                    true,
                    $"runs at {health.RequestUri.GetLeftPart(UriPartial.Authority)}, ready",
                    wake.Url.IsLoopback ? "Look at it in a browser with: wake open" : null
                );
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
