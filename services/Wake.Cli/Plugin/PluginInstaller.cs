using Wake.ServiceDefaults;
using Wake.Standalone;

namespace Wake.Cli;

/// <summary>Installs and uninstalls the plugin for one configuration of Claude Code.</summary>
sealed class PluginInstaller
{
    readonly string? data;
    readonly PluginTraces traces;

    PluginInstaller(string program, string configFolder, string? data)
    {
        this.data = data;
        Claude = new(program);
        Copy = new(configFolder);
        Settings = new(configFolder);
        traces = new(configFolder, Copy.Folder);
    }

    /// <summary>What is told to <c>claude</c>.</summary>
    public ClaudePlugins Claude { get; }

    /// <summary>Its files.</summary>
    public PluginCopy Copy { get; }

    /// <summary>The user's settings.</summary>
    public ClaudeUserSettings Settings { get; }

    /// <summary>Finds the <c>claude</c> of this user.</summary>
    /// <param name="data">The data folder as the user named it; null when they did not.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="CommandException">There is none, or it is too old.</exception>
    public static async Task<PluginInstaller> Create(string? data, CancellationToken cancel)
    {
        var claude = new ClaudeInstallation(DoctorChecks.LoadSettings(CommonOptions.ResolveFolder(data)).Settings);
        if (await claude.CheckProgram(cancel) is { Ok: false } wrong)
            throw new CommandException($"{wrong.Found}. {wrong.Fix}");

        // The user's, whatever Wake's own runs are told.
        return new(claude.FindProgram()!, LocalTranscripts.ConfigFolder, data);
    }

    public async Task Install(string scope, bool? register, CancellationToken cancel)
    {
        traces.Record(scope == "project" ? Environment.CurrentDirectory : null);
        var named = data ?? Environment.GetEnvironmentVariable("WAKE_DATA");
        Copy.Write(
            new(
                named is { Length: > 0 } && new DataFolder(named).FullPath is var path && path != DataFolder.Default
                    ? path
                    : null,
                register
            ),
            Environment.ProcessPath is { } program && Path.GetFileNameWithoutExtension(program) == "wake"
                ? program
                : null
        );
        await Claude.Install(Copy.Folder, scope, cancel);
    }

    public async Task Uninstall(CancellationToken cancel)
    {
        var installed = await Claude.ListInstalled(cancel);
        foreach (var plugin in installed)
            await Claude.Uninstall(plugin, cancel);
        await Claude.RemoveMarketplace(cancel);

        Settings.RemoveStatusLine(Copy.StatusLineCommand);
        traces.Delete(installed.Select(x => x.ProjectPath).OfType<string>());
        Copy.Delete();
        DeleteTerminalFiles();
    }

    // Those of the waiting processes of all configurations: each makes its own anew.
    static void DeleteTerminalFiles()
    {
        var cache = Path.Combine(
            Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } xdg
                ? xdg
                : Path.Combine(LocalTranscripts.Home, ".cache"),
            "wake",
            "terminals"
        );
        if (Directory.Exists(cache))
            SafeDelete.DeleteDirectory(cache);
    }
}
