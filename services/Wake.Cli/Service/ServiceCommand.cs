using System.CommandLine;

namespace Wake.Cli;

/// <summary><c>wake service</c>: Wake as a service of its user, kept by the system.</summary>
sealed class ServiceCommand : WakeCommand
{
    public ServiceCommand()
        : base(
            "service",
            "Runs `wake up` as a user service: systemd on Linux, launchd on macOS.",
            """
            The service belongs to its user and needs no root. After a crash it is restarted and resumes pending wakes.

            Examples:
              wake service install --dry-run
              wake service install
              wake service status
              wake service uninstall
            """
        )
    {
        Add(new InstallServiceCommand());
        Add(new UninstallServiceCommand());
        Add(new ServiceStatusCommand());
    }

    /// <summary>Only says what would be done.</summary>
    public static Option<bool> DryRun { get; } =
        CommonOptions.Flag("--dry-run", "Show the files and the commands; change nothing.");
}

/// <summary>What would be done, as JSON.</summary>
/// <param name="Manager">Who keeps the service.</param>
/// <param name="Writes">Files it writes.</param>
/// <param name="Deletes">Files it deletes.</param>
/// <param name="Runs">Commands it runs, as lists of arguments.</param>
sealed record ServiceSteps(
    string Manager,
    IReadOnlyList<ShownFile> Writes,
    IReadOnlyList<string> Deletes,
    IReadOnlyList<IReadOnlyList<string>> Runs
)
{
    public int Show(Output output)
    {
        if (output.Json)
        {
            output.Raw(this, CliJson.Default.ServiceSteps);
            return 0;
        }

        foreach (var file in Writes)
        {
            output.Line($"[dim]would write {file.Path}, mode {file.Mode}:[/]");
            foreach (var line in file.Content.TrimEnd('\n').Split('\n'))
                output.Line($"{line}");
            output.Line($"");
        }

        foreach (var path in Deletes)
            output.Line($"[dim]would delete[/] {path}");
        foreach (var command in Runs)
            output.Line($"[dim]would run[/] {string.Join(' ', command)}");
        return 0;
    }
}

/// <summary>A file that would be written.</summary>
sealed record ShownFile(string Path, string Mode, string Content)
{
    /// <summary>As <c>chmod</c> spells modes.</summary>
    public static ShownFile From(PlannedFile file) =>
        new(file.Path, Convert.ToString((int)file.Mode, 8).PadLeft(4, '0'), file.Content);
}
