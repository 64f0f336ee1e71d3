using System.CommandLine;
using Wake.ServiceDefaults;
using Wake.Standalone;
using Contract = Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary><c>wake config</c>: the settings in force.</summary>
sealed class ConfigCommand : ClientCommand
{
    readonly Option<bool> changed = CommonOptions.Flag("--changed", "Only what is not the default.");

    public ConfigCommand()
        : base(
            "config",
            "Shows the settings in force, with where each is from. Secrets are masked.",
            """
            Asks the Wake that runs, which needs the scope admin. Where none runs: what wake up would use in this environment.
            Of several services the gateway answers, with the settings that it reads itself.

            Examples:
              wake config
              wake config --changed
              wake config check wake.json
            """
        )
    {
        Accepts(changed);
        Add(new CheckConfigCommand());
    }

    protected override async Task<int> Execute(
        ParseResult given,
        WakeClient wake,
        Output output,
        CancellationToken cancel
    )
    {
        var settings = await EffectiveSettings(given, wake, cancel);
        if (given.GetValue(changed))
            settings = [.. settings.Where(x => x.Source != "default")];

        if (output.Json)
        {
            output.Raw(settings, CliJson.Default.EffectiveSettingArray);
            return 0;
        }

        output.Table(["SETTING", "VALUE", "FROM"], settings.Select(x => (string?[])[x.Name, x.Value ?? "-", x.Source]));
        return 0;
    }

    static async Task<Contract.EffectiveSetting[]> EffectiveSettings(
        ParseResult given,
        WakeClient wake,
        CancellationToken cancel
    )
    {
        try
        {
            return (await wake.Get("/v1/config", cancel)).EnsureSuccess().ReadAs(CliJson.Default.EffectiveSettingArray);
        }
        catch (NotRunningException none) when (none.Spool is not null)
        {
            Output.Note("Wake does not run. This is what wake up would use in this environment.");
            var (configuration, sections) = StandaloneHost.Settings(
                CommonOptions.ResolveFolder(given.GetValue(CommonOptions.Data))
            );
            return
            [
                .. EffectiveSetting
                    .ListAll(configuration, sections)
                    .Select(x => new Contract.EffectiveSetting(x.Name, x.Value, x.Source)),
            ];
        }
    }
}
