using System.CommandLine;
using Wake.Standalone;

namespace Wake.Cli;

/// <summary><c>wake service status</c>: whether it is installed, and whether it runs.</summary>
sealed class ServiceStatusCommand : WakeCommand
{
    public ServiceStatusCommand()
        : base(
            "status",
            "Says whether the service is installed and runs.",
            """
            Exit code 0 when it runs, 1 when it does not.

            Example:
              wake service status
            """
        )
    {
        Add(CommonOptions.Output);
        SetAction(Execute);
    }

    static async Task<int> Execute(ParseResult given, CancellationToken cancel)
    {
        var output = new Output(given.GetValue(CommonOptions.Output) == "json");
        var plan = ServicePlan.Create(await ServiceFacts.Collect(null, cancel));

        // What would be written now, for the data folder that is installed.
        if (new ServiceInstaller(plan).InstalledData is { } data)
            plan = ServicePlan.Create(await ServiceFacts.Collect(data, cancel));
        var state = await ServiceState.Inspect(plan, new ServiceInstaller(plan).InstalledData, cancel);

        if (output.Json)
        {
            output.Raw(state, CliJson.Default.ServiceState);
        }
        else
        {
            output.Table(
                [],
                [
                    ["service", state.Runs ? "runs" : "does not run"],
                    ["file", $"{state.File}: {state.StateText}"],
                    ["data", state.Data],
                    ["address", state.Url?.ToString()],
                    ["log", state.Log],
                ]
            );
        }

        return state.Runs ? 0 : 1;
    }
}

/// <summary>Status of the installed service.</summary>
/// <param name="Manager">Who keeps it.</param>
/// <param name="Installed">Whether its file is there.</param>
/// <param name="ChangedByHand">Whether somebody has changed that file, so that installing again leaves it as it
/// is.</param>
/// <param name="Current">Whether installing again would write the same.</param>
/// <param name="Runs">Whether it runs.</param>
/// <param name="File">Its file.</param>
/// <param name="Data">Its data folder; null when that is not known.</param>
/// <param name="Url">Where it can be reached; null when it has not said so.</param>
/// <param name="Log">How to read what it writes.</param>
sealed record ServiceState(
    string Manager,
    bool Installed,
    bool ChangedByHand,
    bool Current,
    bool Runs,
    string File,
    string? Data,
    Uri? Url,
    string Log
)
{
    /// <summary>Looks.</summary>
    public static async Task<ServiceState> Inspect(ServicePlan plan, string? data, CancellationToken cancel)
    {
        var setup = new ServiceInstaller(plan);
        var runs = await setup.HasManager(cancel) && await setup.IsActive(cancel);
        return new(
            plan.Manager,
            setup.InstalledState is not null,
            setup.InstalledState is ManagedFileState.Modified or ManagedFileState.Unmanaged,
            setup.IsCurrent,
            runs,
            plan.Service.Path,
            data,
            runs && data is not null ? new DataFolder(data).ReadEndpoint()?.Url : null,
            plan.LogCommand
        );
    }

    internal string StateText =>
        !Installed ? "not installed. Install it with: wake service install"
        : ChangedByHand ? "installed, changed by hand"
        : Current ? "installed"
        : "installed, and would be written otherwise now: wake service install";
}
