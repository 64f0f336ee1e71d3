namespace Wake.Cli;

/// <summary><c>wake plugin</c>: the plugin of Claude Code that wakes a session where a person has it open.</summary>
sealed class PluginCommand : WakeCommand
{
    public PluginCommand()
        : base(
            "plugin",
            "Wakes sessions where they are open: installs the plugin of Claude Code for that.",
            """
            Without the plugin the wake of a session that is open in a terminal waits until that is closed.
            Everything is copied from this installation of Wake; nothing is downloaded.

            Examples:
              wake plugin install --statusline
              wake plugin status
              wake plugin uninstall
            """
        )
    {
        Add(new InstallPluginCommand());
        Add(new PluginStatusCommand());
        Add(new UninstallPluginCommand());
    }
}
