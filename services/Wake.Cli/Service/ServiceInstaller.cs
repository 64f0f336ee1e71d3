using System.Diagnostics;
using Wake.ServiceDefaults;

namespace Wake.Cli;

/// <summary>Carries a <see cref="ServicePlan"/> out.</summary>
sealed class ServiceInstaller(ServicePlan plan)
{
    // A service that is restarted first ends, and then has to serve.
    static readonly TimeSpan CommandTimeout = ServicePlan.StopTimeout + ServicePlan.StartTimeout;

    /// <summary>Whose the service's file is; null when there is none.</summary>
    public ManagedFileState? InstalledState => Read(plan.Service) is { } text ? ManagedFileChecksum.Verify(text) : null;

    /// <summary>Whether installing again would leave the service's file as it is.</summary>
    public bool IsCurrent => Read(plan.Service) == plan.Service.Content;

    /// <summary>The data folder of the service that is installed; null when its file does not say.</summary>
    public string? InstalledData => Read(plan.Service) is { } text ? ManagedFileChecksum.ReadDataFolder(text) : null;

    /// <summary>Whether there is somebody to keep the service.</summary>
    public async Task<bool> HasManager(CancellationToken cancel) =>
        (await RunCommands(plan.ManagerProbe, cancel)).Code == 0;

    /// <summary>Whether the service runs.</summary>
    public async Task<bool> IsActive(CancellationToken cancel) =>
        (await RunCommands(plan.ActiveProbe, cancel)).Code == 0;

    /// <summary>Why there is nobody, and what to do.</summary>
    public CommandException ManagerMissing()
    {
        var program = plan.ManagerProbe[0];
        return new(
            DoctorChecks.FindOnPath(program) is null
                ? $"There is no {plan.Manager} on this machine: {program} is not on PATH. Let something else keep "
                    + "wake up running."
                : plan.ManagerMissingHint
        );
    }

    /// <summary>Writes the files and starts the service.</summary>
    /// <param name="force">Whether to overwrite what somebody has changed by hand.</param>
    /// <param name="cancel">Ends it.</param>
    public async Task Install(bool force, CancellationToken cancel)
    {
        if (!force && InstalledState is ManagedFileState.Modified or ManagedFileState.Unmanaged)
        {
            var why = InstalledState is ManagedFileState.Modified ? "changed by hand" : "not written by Wake";
            throw new CommandException(
                $"{plan.Service.Path} was {why}, so it stays as it is. To replace it: wake service install --force"
            );
        }

        if (plan.Settings is { } settings && !Path.Exists(settings.Path))
            Write(settings, folder: UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        if (!IsCurrent)
            Write(plan.Service, folder: null);

        await RunCommands(plan.Start, cancel);
    }

    /// <summary>The files that are there to delete.</summary>
    /// <param name="keys">Whether the file with settings goes too although somebody has written into it.</param>
    public IReadOnlyList<string> FilesToDelete(bool keys)
    {
        string[] all =
        [
            plan.Service.Path,
            .. plan.GeneratedFiles,
            .. plan.Settings is { } settings && (keys || EditedSettingsFile is null)
                ? [settings.Path]
                : Array.Empty<string>(),
        ];
        return [.. all.Where(x => File.Exists(x) || new FileInfo(x).LinkTarget is not null)];
    }

    /// <summary>The file with settings, if somebody has written into it; null when there is none or it is as it was
    /// made.</summary>
    public string? EditedSettingsFile =>
        plan.Settings is { } settings
        && Read(settings) is { } text
        && ManagedFileChecksum.Verify(text) is not ManagedFileState.Intact
            ? settings.Path
            : null;

    /// <summary>Stops the service and deletes its files.</summary>
    /// <param name="keys">Whether the file with settings goes too although somebody has written into it.</param>
    /// <param name="cancel">Ends it.</param>
    public async Task Uninstall(bool keys, CancellationToken cancel)
    {
        // Where nobody keeps services none runs, and its files are of no use.
        var served = await HasManager(cancel);
        if (served && InstalledState is not null)
            await RunCommands(plan.Stop, cancel);

        foreach (var file in FilesToDelete(keys))
            Delete(file);

        if (served)
            await RunCommands(plan.AfterDelete, cancel);
    }

    static async Task RunCommands(IEnumerable<PlannedCommand> commands, CancellationToken cancel)
    {
        foreach (var command in commands)
        {
            var (code, output) = await RunCommands(command.Arguments, cancel);
            if (code != 0 && command.Expectation is CommandExpectation.MustSucceed)
                throw new CommandException($"{string.Join(' ', command.Arguments)} failed: {output}");

            for (
                var asked = Stopwatch.StartNew();
                command.Expectation is CommandExpectation.RepeatUntilFailure
                    && code == 0
                    && asked.Elapsed < CommandTimeout;

            )
            {
                await Task.Delay(TimeSpan.FromMilliseconds(500), cancel);
                (code, _) = await RunCommands(command.Arguments, cancel);
            }
        }
    }

    static async Task<(int Code, string Output)> RunCommands(IReadOnlyList<string> command, CancellationToken cancel) =>
        await DoctorChecks.RunProgram(command[0], [.. command.Skip(1)], cancel, CommandTimeout)
        ?? (-1, "it could not be run, or did not end");

    static string? Read(PlannedFile file) => File.Exists(file.Path) ? File.ReadAllText(file.Path) : null;

    static void Write(PlannedFile file, UnixFileMode? folder)
    {
        var parent = Path.GetDirectoryName(file.Path)!;
        if (OperatingSystem.IsWindows() || folder is null || Directory.Exists(parent))
            Directory.CreateDirectory(parent);
        else
            Directory.CreateDirectory(parent, folder.Value);

        PrivateFile.WriteAtomically(file.Path, file.Content, file.Mode);
    }

    // And the folders above that nothing is in any more.
    void Delete(string path)
    {
        File.Delete(path);
        for (
            var parent = Path.GetDirectoryName(path)!;
            parent.StartsWith(plan.PruneRoot + Path.DirectorySeparatorChar, StringComparison.Ordinal);
            parent = Path.GetDirectoryName(parent)!
        )
        {
            if (Directory.EnumerateFileSystemEntries(parent).Any())
                return;
            Directory.Delete(parent);
        }
    }
}
