using System.CommandLine;

namespace Wake.Cli;

/// <summary><c>wake plugin uninstall</c>: leaves nothing of it.</summary>
sealed class UninstallPluginCommand : WakeCommand
{
    public UninstallPluginCommand()
        : base(
            "uninstall",
            "Uninstalls the plugin in all its scopes and leaves nothing: no settings, no marketplace, no files.",
            """
            Sessions that are open keep what they have loaded; it does nothing any more.

            Example:
              wake plugin uninstall
            """
        )
    {
        Add(CommonOptions.Output);
        SetAction(Execute);
    }

    static async Task<int> Execute(ParseResult given, CancellationToken cancel)
    {
        var output = new Output(given.GetValue(CommonOptions.Output) == "json");
        var plugin = await PluginInstaller.Create(data: null, cancel);
        await plugin.Uninstall(cancel);
        if (output.Json)
            output.Raw(await PluginState.Inspect(plugin, cancel), CliJson.Default.PluginState);
        else
            Output.Note("The plugin is gone.");
        return 0;
    }
}
