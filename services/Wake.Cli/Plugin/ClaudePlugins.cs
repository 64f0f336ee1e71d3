using System.Text.Json;

namespace Wake.Cli;

/// <summary>The commands of <c>claude plugin</c>, as 2.1.197 and later have them.</summary>
/// <param name="program">The CLI.</param>
sealed class ClaudePlugins(string program)
{
    /// <summary>The plugin's name, and its marketplace's. Other programs are called wake, too.</summary>
    public const string Name = "wake-on-event";

    const string Id = $"{Name}@{Name}";

    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    // Nothing of it needs a network, and an installation is no occasion for others.
    static readonly Dictionary<string, string> Quietly = new()
    {
        ["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] = "1",
        ["DISABLE_AUTOUPDATER"] = "1",
    };

    /// <summary>Where it is installed.</summary>
    public async Task<IReadOnlyList<InstalledPlugin>> ListInstalled(CancellationToken cancel)
    {
        var said = await Run(["plugin", "list", "--json"], null, cancel);
        try
        {
            // Whatever else it has to say comes before.
            return said.IndexOf('[', StringComparison.Ordinal) is >= 0 and var start
                ?
                [
                    .. JsonSerializer
                        .Deserialize(said[start..], CliJson.Default.InstalledPluginArray)!
                        .Where(x => x.Id == Id),
                ]
                : [];
        }
        catch (JsonException wrong)
        {
            throw new CommandException(
                $"{program} plugin list --json says what this wake does not understand: {wrong.Message}"
            );
        }
    }

    /// <summary>Adds the marketplace and installs the plugin from it.</summary>
    public async Task Install(string marketplace, string scope, CancellationToken cancel)
    {
        await Run(["plugin", "marketplace", "add", marketplace, "--scope", scope], null, cancel);
        await Run(["plugin", "install", Id, "--scope", scope], null, cancel);
        await Run(["plugin", "update", Id, "--scope", scope], null, cancel);
    }

    /// <summary>Uninstalls one, in the directory it is of; of one that is gone the settings are, too.</summary>
    public async Task Uninstall(InstalledPlugin plugin, CancellationToken cancel)
    {
        if (plugin.ProjectPath is null || Directory.Exists(plugin.ProjectPath))
            await Run(["plugin", "uninstall", Id, "--scope", plugin.Scope], plugin.ProjectPath, cancel);
    }

    public async Task RemoveMarketplace(CancellationToken cancel)
    {
        var known = await Run(["plugin", "marketplace", "list", "--json"], null, cancel);
        if (known.Contains($"\"{Name}\"", StringComparison.Ordinal))
            await Run(["plugin", "marketplace", "remove", Name], null, cancel);
    }

    async Task<string> Run(string[] arguments, string? directory, CancellationToken cancel) =>
        await DoctorChecks.RunProgram(program, arguments, cancel, Patience, directory, Quietly) switch
        {
            (0, var said) => said,
            (_, var said) => throw new CommandException($"claude {string.Join(' ', arguments)} failed: {said}"),
            null => throw new CommandException(
                $"claude {string.Join(' ', arguments)} did not end within {Patience.TotalSeconds:0} s."
            ),
        };
}

/// <summary>A plugin as <c>claude plugin list --json</c> tells of it.</summary>
sealed record InstalledPlugin(
    string Id,
    string? Version,
    string Scope,
    bool Enabled,
    string? ProjectPath,
    IReadOnlyList<string>? Errors
)
{
    /// <summary>Of a directory's own <c>claude</c> says it only there.</summary>
    public bool MayBeEnabled => Enabled || ProjectPath is not null;
}
