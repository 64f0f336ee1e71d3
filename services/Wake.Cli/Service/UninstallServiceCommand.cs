using System.CommandLine;
using Spectre.Console;
using Wake.Standalone;

namespace Wake.Cli;

/// <summary><c>wake service uninstall</c>: stops the service and takes it away.</summary>
sealed class UninstallServiceCommand : WakeCommand
{
    readonly Option<bool> purge = CommonOptions.Flag(
        "--purge",
        "Delete its data and its keys too, after asking on the terminal."
    );

    public UninstallServiceCommand()
        : base(
            "uninstall",
            "Stops the service and deletes its files. The data stays, and so does a file with keys in it.",
            """
            Examples:
              wake service uninstall --dry-run
              wake service uninstall
              wake service uninstall --purge
            """
        )
    {
        Add(ServiceCommand.DryRun);
        Add(purge);
        Add(CommonOptions.Output);
        SetAction(Execute);
    }

    async Task<int> Execute(ParseResult given, CancellationToken cancel)
    {
        var output = new Output(given.GetValue(CommonOptions.Output) == "json");
        var plan = ServicePlan.Create(await ServiceFacts.Collect(null, cancel));
        var setup = new ServiceInstaller(plan);
        var installed = setup.InstalledState is not null;

        // It may be another folder than this shell would name.
        var data = new DataFolder(setup.InstalledData ?? CommonOptions.ResolveFolder(null).FullPath);
        var purges = given.GetValue(purge);

        if (given.GetValue(ServiceCommand.DryRun))
        {
            string[] folders = purges && Directory.Exists(data.FullPath) ? [data.FullPath] : [];
            return new ServiceSteps(
                plan.Manager,
                [],
                [.. setup.FilesToDelete(purges), .. folders],
                installed ? [.. plan.Stop.Concat(plan.AfterDelete).Select(x => x.Arguments)] : []
            ).Show(output);
        }

        if (setup.InstalledState is ManagedFileState.Unmanaged)
            throw new CommandException(
                $"{plan.Service.Path} was not written by Wake. Delete it yourself, or replace it: wake service "
                    + "install --force"
            );

        if (purges && !await Confirms(data, output, cancel))
            return 1;

        await setup.Uninstall(keys: purges, cancel);
        if (purges)
            data.Delete();

        if (output.Json)
            output.Raw(await ServiceState.Inspect(plan, data.FullPath, cancel), CliJson.Default.ServiceState);

        Output.Note(installed ? "The service is gone." : "The service was not installed.");
        if (setup.EditedSettingsFile is { } kept)
            Output.Note($"Keys and settings stay in {kept}.");
        if (Directory.Exists(data.FullPath))
            Output.Note(
                purges
                    ? $"What is not Wake's stays in {data.FullPath}."
                    : $"The data stays in {data.FullPath}: wake up goes on with it."
            );
        return 0;
    }

    static async Task<bool> Confirms(DataFolder data, Output output, CancellationToken cancel)
    {
        if (output.Json || Console.IsInputRedirected || Console.IsOutputRedirected)
            throw new CommandException(
                $"--purge asks before it deletes {data.FullPath}. Say it on a terminal, or delete that yourself "
                    + "after wake service uninstall."
            );

        var question =
            $"Delete {Markup.Escape(Output.Visible(data.FullPath))}, with everything Wake knows of its sessions?";
        return await new ConfirmationPrompt(question) { DefaultValue = false }.ShowAsync(AnsiConsole.Console, cancel);
    }
}
