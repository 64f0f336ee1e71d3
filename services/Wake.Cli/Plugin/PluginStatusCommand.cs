using System.CommandLine;

namespace Wake.Cli;

/// <summary><c>wake plugin status</c>: whether it is installed.</summary>
sealed class PluginStatusCommand : WakeCommand
{
    public PluginStatusCommand()
        : base(
            "status",
            "Says whether the plugin is installed, and how.",
            """
            Exit code 0 when it is installed and Claude Code can load it, 1 when not.

            Example:
              wake plugin status
            """
        )
    {
        Add(CommonOptions.Output);
        SetAction(Execute);
    }

    static async Task<int> Execute(ParseResult given, CancellationToken cancel) =>
        (await PluginState.Inspect(await PluginInstaller.Create(data: null, cancel), cancel)).Show(
            new Output(given.GetValue(CommonOptions.Output) == "json")
        );
}

/// <summary>Status of the installed plugin.</summary>
/// <param name="Installed">Whether <c>claude</c> has it and can load it.</param>
/// <param name="Current">Whether it is of this version.</param>
/// <param name="Version">Its version; null when it is not installed.</param>
/// <param name="Scopes">Where: user, or project with the directory.</param>
/// <param name="Folder">Where its files are.</param>
/// <param name="Data">The data folder of the Wake that it uses; null for the one that the environment names, or the
/// user's own.</param>
/// <param name="Register">Whether it registers sessions; null where that follows from where Wake runs.</param>
/// <param name="StatusLine">Whether the status line is Wake's.</param>
/// <param name="Problem">Why it does not work; null when it does.</param>
sealed record PluginState(
    bool Installed,
    bool Current,
    string? Version,
    IReadOnlyList<string> Scopes,
    string Folder,
    string? Data,
    bool? Register,
    bool StatusLine,
    string? Problem
)
{
    /// <summary>Looks.</summary>
    public static async Task<PluginState> Inspect(PluginInstaller plugin, CancellationToken cancel)
    {
        var found = await plugin.Claude.ListInstalled(cancel);
        var problem =
            found.FirstOrDefault(x => x.Errors is { Count: > 0 })?.Errors![0]
            ?? (found is [] || plugin.Copy.IsWhole ? null : $"{plugin.Copy.Folder} lacks files");
        var settings = plugin.Copy.ReadSettings();
        return new(
            found is not [] && problem is null && found.Any(x => x.MayBeEnabled),
            plugin.Copy.Version == PluginCopy.OwnVersion,
            found is [] ? null : plugin.Copy.Version ?? found[0].Version,
            [.. found.Select(x => x.ProjectPath is { } path ? $"{x.Scope} {path}" : x.Scope)],
            plugin.Copy.Folder,
            settings?.Data,
            settings?.Register,
            plugin.Settings.HasStatusLine(plugin.Copy.StatusLineCommand),
            problem ?? (found is not [] && !found.Any(x => x.MayBeEnabled) ? "it is disabled" : null)
        );
    }

    /// <summary>Writes it; the exit code.</summary>
    public int Show(Output output)
    {
        if (output.Json)
            output.Raw(this, CliJson.Default.PluginState);
        else
            output.Table(
                [],
                new (string Name, string? Value)[]
                {
                    ("plugin", Text),
                    ("scope", string.Join(", ", Scopes)),
                    ("folder", Version is null ? null : Folder),
                    ("data", Data),
                    (
                        "registers",
                        Register switch
                        {
                            true => "every session",
                            false => "no session by itself",
                            _ => null,
                        }
                    ),
                    ("status line", StatusLine ? "Wake's" : null),
                }
                    .Where(x => x.Value is { Length: > 0 })
                    .Select(x => new[] { x.Name, x.Value })
            );
        return Installed ? 0 : 1;
    }

    /// <summary>In words.</summary>
    internal string Text =>
        Version is null ? "not installed. Install it with: wake plugin install"
        : Problem is not null ? $"{Version}, does not work: {Problem}. Try: wake plugin install"
        : Current ? $"{Version}, installed"
        : $"{Version}, of another version than this wake. Bring it up to date with: wake plugin install";
}
