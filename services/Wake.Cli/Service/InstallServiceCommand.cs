using System.CommandLine;
using Wake.Standalone;

namespace Wake.Cli;

/// <summary><c>wake service install</c>: makes <c>wake up</c> a service and starts it.</summary>
sealed class InstallServiceCommand : WakeCommand
{
    readonly Option<bool> force = CommonOptions.Flag("--force", "Replace a service file that was changed by hand.");

    public InstallServiceCommand()
        : base(
            "install",
            "Makes wake up a service of this user and starts it. Installing again restarts it, with what has "
                + "changed since.",
            """
            The service uses the PATH of the installing shell and copies no secrets from it. On Linux put them into the
            environment file printed below; only its user can read it and nothing overwrites it.

            Examples:
              wake service install
              wake service install --data ~/wake-test --dry-run --output json
            """
        )
    {
        Add(CommonOptions.Data);
        Add(ServiceCommand.DryRun);
        Add(force);
        Add(CommonOptions.Output);
        SetAction(Execute);
    }

    async Task<int> Execute(ParseResult given, CancellationToken cancel)
    {
        var output = new Output(given.GetValue(CommonOptions.Output) == "json");
        var facts = await ServiceFacts.Collect(given.GetValue(CommonOptions.Data), cancel);
        var plan = ServicePlan.Create(facts);

        if (given.GetValue(ServiceCommand.DryRun))
        {
            PlannedFile[] files =
            [
                plan.Service,
                .. plan.Settings is { } settings ? [settings] : Array.Empty<PlannedFile>(),
            ];
            return new ServiceSteps(
                plan.Manager,
                [.. files.Select(ShownFile.From)],
                [],
                [.. plan.Start.Select(x => x.Arguments)]
            ).Show(output);
        }

        if (DoctorChecks.FindOnPath("claude") is null && !facts.Environment.ContainsKey("Claude__Executable"))
            Output.Note(
                "claude is not on PATH. Unless wake.json names it (Claude:Executable), put it there and install again."
            );
        if (DoctorChecks.FindOnPath("git") is null)
            Output.Note("git is not on PATH, so turns will not find it. Put it there and install again.");

        var setup = new ServiceInstaller(plan);
        if (!await setup.HasManager(cancel))
            throw setup.ManagerMissing();

        // What was started by hand must end first: the service would find its data in use.
        if (Directory.Exists(facts.Data) && !await setup.IsActive(cancel))
            new DataFolder(facts.Data).Lock().Dispose();

        await setup.Install(given.GetValue(force), cancel);

        if (output.Json)
        {
            output.Raw(await ServiceState.Inspect(plan, facts.Data, cancel), CliJson.Default.ServiceState);
            return 0;
        }

        output.Table(
            [],
            [
                ["service", plan.Service.Path],
                ["keys", plan.Settings?.Path],
                ["data", facts.Data],
                ["log", plan.LogCommand],
            ]
        );
        if (plan.Note is not null)
            Output.Note(plan.Note);
        return 0;
    }
}
