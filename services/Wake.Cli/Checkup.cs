using System.Diagnostics;
using System.Net;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Configuration;
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
        if (unreadable is not null)
            yield return unreadable;

        var claude = new ClaudeInstallation(settings);
        yield return await claude.Program(cancel);
        yield return claude.Login();
        yield return Postgres();
        yield return Tool("setsid", "turns cannot be kept apart from the terminal's Ctrl-C");
        yield return Tool("setpriv", "turns outlive a Wake that is killed, and as root PostgreSQL cannot be started");
        yield return await Broker.Check(settings["MessageBus:Host"], cancel);
        yield return Folder();
        if (SetAside() is { } lost)
            yield return lost;
        yield return await Running(cancel);
    }

    /// <summary>Runs a program and reads what it says; null when it cannot be run or does not end in time.</summary>
    public static async Task<(int Code, string Output)?> Run(
        string program, string[] arguments, CancellationToken cancel, TimeSpan? patience = null)
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        bound.CancelAfter(patience ?? Patience);
        Process? process = null;
        try
        {
            process = Process.Start(new ProcessStartInfo(program, arguments)
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
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
    public static string? OnPath(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Where(x => x.Length > 0).Select(x => Path.Combine(x, program)).FirstOrDefault(IsProgram);

    /// <summary>Whether there is a file that may be executed.</summary>
    public static bool IsProgram(string path) => File.Exists(path)
        && (OperatingSystem.IsWindows()
            || (File.GetUnixFileMode(path) & (UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute)) != 0);

    // As wake up reads them.
    (IConfiguration Settings, Finding? Unreadable) Settings()
    {
        var environment = new ConfigurationBuilder().AddEnvironmentVariables();
        try
        {
            return (new ConfigurationBuilder().AddJsonFile(folder.Settings, optional: true, reloadOnChange: false)
                .AddEnvironmentVariables().Build(), null);
        }
        catch (Exception wrong) when (wrong is InvalidDataException or UnauthorizedAccessException or IOException)
        {
            return (environment.Build(), new("settings", false, wrong.GetBaseException().Message, $"Mend {folder.Settings}, or move it away."));
        }
    }

    static Finding Postgres() => PostgresBinaries.Find() is [var best, ..]
        ? new("PostgreSQL", true, $"{best.Major} in {best.Folder}", null)
        : new("PostgreSQL", false, "not found", PostgresBinaries.HowToInstall);

    static Finding Tool(string name, string without) =>
        OnPath(name) is { } path ? new(name, true, path, null)
        : OperatingSystem.IsLinux()
            ? new(name, false, $"not found: without it {without}", "Install util-linux: apt-get install util-linux")
        : new(name, true, "not on this system", null);

    Finding Folder()
    {
        var existing = folder.FullPath;
        while (!Directory.Exists(existing) && Path.GetDirectoryName(existing) is { } parent)
            existing = parent;

        try
        {
            using var trial = new FileStream(
                Path.Combine(existing, $".wake-doctor-{Guid.NewGuid():N}"), FileMode.CreateNew, FileAccess.Write, FileShare.None,
                bufferSize: 0, FileOptions.DeleteOnClose);
            var found = existing == folder.FullPath ? $"{existing}, writable" : $"{folder.FullPath}, not made yet";
            return new("data folder", true, found, null);
        }
        catch (Exception denied) when (denied is UnauthorizedAccessException or IOException)
        {
            return new("data folder", false, $"{folder.FullPath} cannot be written: {denied.Message}",
                "Choose another folder with --data or WAKE_DATA, or run Wake as its owner.");
        }
    }

    Finding? SetAside()
    {
        var bad = new DirectoryInfo(folder.Spool.Bad);
        return bad.Exists && bad.GetFiles("*.reason").Length is > 0 and var count
            ? new("events", true, $"{count} dropped files could not be taken in", $"Each lies in {bad.FullName}, with the reason beside it.") : null;
    }

    async Task<Finding> Running(CancellationToken cancel)
    {
        try
        {
            using var wake = new WakeClient(data);
            var health = await wake.Get("/health/ready", cancel);
            if (!health.Ok)
            {
                return new("Wake", false,
                    $"runs at {health.From.GetLeftPart(UriPartial.Authority)} and is not ready ({(int)health.Status})",
                    "Its log says why; it goes to the standard error of wake up.");
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
                : new("Wake", false, none.Message, "Set WAKE_URL to where it runs, or unset it to look in the data folder.");
        }
    }
}
