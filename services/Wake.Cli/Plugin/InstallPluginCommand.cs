using System.CommandLine;

namespace Wake.Cli;

/// <summary><c>wake plugin install</c>: copies the plugin and installs it through <c>claude</c> itself.</summary>
sealed class InstallPluginCommand : WakeCommand
{
    readonly Option<string> scope = new Option<string>("--scope")
    {
        HelpName = "user|project",
        Description =
            "user for all sessions of this user (the default); project for those in this directory, in its "
            + ".claude/settings.json.",
        DefaultValueFactory = _ => "user",
    }.AcceptOnlyFromAmong("user", "project");

    readonly Option<bool> register = CommonOptions.Flag(
        "--register",
        "Register every session that is opened. Default: where the Wake is the user's own and not one that WAKE_URL "
            + "names."
    );

    readonly Option<bool> noRegister = CommonOptions.Flag(
        "--no-register",
        "Register none by itself: those that Wake knows are attended, and a watch registers its session."
    );

    readonly Option<bool> statusLine = CommonOptions.Flag(
        "--statusline",
        "Also show what waits for a session in Claude Code's status line, unless settings.json has one."
    );

    public InstallPluginCommand()
        : base(
            "install",
            "Installs the plugin, or brings it up to this version. Takes effect in sessions that are opened after it.",
            """
            The plugin is copied to ~/.local/share/wake/plugin and installed with claude plugin marketplace add and
            claude plugin install. With CLAUDE_CONFIG_DIR set, for that configuration.

            Examples:
              wake plugin install
              wake plugin install --scope project --no-register
            """
        )
    {
        Add(scope);
        Add(register);
        Add(noRegister);
        Add(statusLine);
        Add(CommonOptions.Data);
        Add(CommonOptions.Output);
        Validators.Add(given =>
        {
            if (given.GetValue(register) && given.GetValue(noRegister))
                given.AddError("Say --register or --no-register.");
        });
        SetAction(Execute);
    }

    async Task<int> Execute(ParseResult given, CancellationToken cancel)
    {
        var output = new Output(given.GetValue(CommonOptions.Output) == "json");
        var data = given.GetValue(CommonOptions.Data);
        var plugin = await PluginInstaller.Create(data, cancel);

        bool? registers =
            given.GetValue(register) ? true
            : given.GetValue(noRegister) ? false
            : null;
        await plugin.Install(given.GetValue(scope)!, registers, cancel);
        if (given.GetValue(statusLine) && !plugin.Settings.AddStatusLine(plugin.Copy.StatusLineCommand))
            Output.Note(
                $"{plugin.Settings.Path} has a statusLine, which stays. To show Wake's line in it call: wake statusline"
            );

        return (await PluginState.Inspect(plugin, cancel)).Show(output);
    }
}
