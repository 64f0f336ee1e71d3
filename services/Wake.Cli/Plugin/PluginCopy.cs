using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Wake.ServiceDefaults;

namespace Wake.Cli;

/// <summary>
/// The user's copy of the plugin, with the native program in it, as a marketplace. Claude Code loads a plugin of a
/// local marketplace from where it lies (2.1.329), so it has to stay there.
/// </summary>
sealed class PluginCopy
{
    const UnixFileMode Executable =
        UnixFileMode.UserRead
        | UnixFileMode.UserWrite
        | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead
        | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead
        | UnixFileMode.OtherExecute;

    static readonly string Shipped = Path.Combine(AppContext.BaseDirectory, "plugin");

    // The package for the .NET SDK has those of all platforms.
    static readonly string ShippedProgram =
        Array.Find(
            [
                Path.Combine(AppContext.BaseDirectory, "terminal", Platform, "wake-terminal"),
                Path.Combine(AppContext.BaseDirectory, "wake-terminal"),
            ],
            File.Exists
        ) ?? Path.Combine(AppContext.BaseDirectory, "wake-terminal");

    /// <param name="configFolder">The configuration folder of the <c>claude</c> that loads it. Each has a copy of its
    /// own: it goes when the plugin is uninstalled there.</param>
    public PluginCopy(string configFolder)
    {
        var data = Environment.GetEnvironmentVariable("XDG_DATA_HOME") is { Length: > 0 } xdg
            ? xdg
            : Path.Combine(LocalTranscripts.Home, ".local", "share");
        var config = Path.GetFullPath(configFolder);
        var suffix =
            config == Path.Combine(LocalTranscripts.Home, ".claude")
                ? ""
                : $"-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(config)))[..8]}";
        Folder = Path.Combine(data, "wake", $"plugin{suffix}");
    }

    /// <summary>The marketplace.</summary>
    public string Folder { get; }

    /// <summary>The version of this Wake.</summary>
    public static string OwnVersion { get; } = typeof(PluginCopy).Assembly.GetName().Version!.ToString(3);

    /// <summary>The command of the status line.</summary>
    public string StatusLineCommand => $"exec \"{Path.Combine(Plugin, "scripts", "wake-terminal.sh")}\" statusline";

    /// <summary>Whether everything that runs is there.</summary>
    public bool IsWhole => File.Exists(Program) && File.Exists(Manifest);

    /// <summary>Its version; null when there is none.</summary>
    public string? Version
    {
        get
        {
            try
            {
                return (string?)JsonNode.Parse(File.ReadAllText(Manifest))?["version"];
            }
            catch (Exception missing) when (missing is IOException or UnauthorizedAccessException or JsonException)
            {
                return null;
            }
        }
    }

    static string Platform =>
        $"{(OperatingSystem.IsMacOS() ? "osx" : "linux")}-{RuntimeInformation.OSArchitecture}".ToLowerInvariant();

    string Plugin => Path.Combine(Folder, ClaudePlugins.Name);

    string Program => Path.Combine(Plugin, "scripts", "wake-terminal");

    string Manifest => Path.Combine(Plugin, ".claude-plugin", "plugin.json");

    string SettingsFile => Path.Combine(Plugin, "wake.json");

    /// <summary>The native program: the copy's, else the one that is shipped; null when this Wake was built without
    /// it.</summary>
    public string? FindProgram() => Array.Find([Program, ShippedProgram], File.Exists);

    /// <summary>Writes it anew. Programs that run go on with the file they were started from.</summary>
    /// <param name="settings">For its hooks.</param>
    /// <param name="wake">The command whose MCP server it starts.</param>
    /// <exception cref="CommandException">This Wake was built without what it takes.</exception>
    public void Write(PluginCopySettings settings, string? wake)
    {
        if (!File.Exists(ShippedProgram) || !Directory.Exists(Shipped))
            throw new CommandException(
                $"This wake was built without the plugin: there is no {ShippedProgram}. "
                    + "Releases have it for Linux with glibc and macOS, and deploy/standalone builds it where there is "
                    + "a C compiler."
            );

        // The data folder of a Wake may be the one it lies in, and is its user's alone.
        PrivateDirectory.CreateIfMissing(Path.GetDirectoryName(Folder)!);
        DeleteLeftOver();
        foreach (var file in Directory.EnumerateFiles(Shipped, "*", SearchOption.AllDirectories))
            CopyFile(file, Path.Combine(Plugin, Path.GetRelativePath(Shipped, file)));
        CopyFile(ShippedProgram, Program);
        WriteFile(SettingsFile, JsonSerializer.Serialize(settings, CliJson.Default.PluginCopySettings));
        if (wake is not null)
            WriteFile(Path.Combine(Plugin, "scripts", "wake.path"), $"{wake}\n");
        if (settings.Data is not null)
            AddDataToMcp(settings.Data);

        WriteFile(
            Path.Combine(Folder, ".claude-plugin", "marketplace.json"),
            new JsonObject
            {
                ["name"] = ClaudePlugins.Name,
                ["owner"] = new JsonObject { ["name"] = "Wake" },
                ["metadata"] = new JsonObject { ["description"] = "Installed by wake plugin install." },
                ["plugins"] = new JsonArray(
                    new JsonObject { ["name"] = ClaudePlugins.Name, ["source"] = $"./{ClaudePlugins.Name}" }
                ),
            }.ToJsonString()
        );
    }

    /// <summary>What its hooks were told; null when there is none.</summary>
    public PluginCopySettings? ReadSettings()
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(SettingsFile), CliJson.Default.PluginCopySettings);
        }
        catch (Exception missing) when (missing is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }

    public void Delete()
    {
        if (Directory.Exists(Folder))
            SafeDelete.DeleteDirectory(Folder);
        if (
            Path.GetDirectoryName(Folder) is { } parent
            && Directory.Exists(parent)
            && !Directory.EnumerateFileSystemEntries(parent).Any()
        )
            Directory.Delete(parent);
    }

    // Files that an older version had. A hook that starts in this moment ends with 0.
    void DeleteLeftOver()
    {
        if (!Directory.Exists(Plugin))
            return;

        foreach (var file in Directory.EnumerateFiles(Plugin, "*", SearchOption.AllDirectories))
        {
            var shipped = Path.Combine(Shipped, Path.GetRelativePath(Plugin, file));
            if (!File.Exists(shipped) && file != Program && file != SettingsFile)
                File.Delete(file);
        }
    }

    void AddDataToMcp(string data)
    {
        var file = Path.Combine(Plugin, ".mcp.json");
        var json = JsonNode.Parse(File.ReadAllText(file))!;
        json["mcpServers"]!["wake"]!["env"] = new JsonObject { ["WAKE_DATA"] = data };
        WriteFile(file, json.ToJsonString());
    }

    static void CopyFile(string from, string to)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(to)!);
        var draft = $"{to}.new";
        File.Copy(from, draft, overwrite: true);
        if (!OperatingSystem.IsWindows() && Path.GetFileName(Path.GetDirectoryName(to)) == "scripts")
            File.SetUnixFileMode(draft, Executable);
        File.Move(draft, to, overwrite: true);
    }

    static void WriteFile(string path, string content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        PrivateFile.WriteAtomically(path, content);
    }
}

/// <summary>What the copy tells its hooks.</summary>
/// <param name="Data">The data folder; null for the one that the environment names, or the user's own.</param>
/// <param name="Register">Whether sessions are registered; null where that follows from where Wake runs.</param>
sealed record PluginCopySettings(string? Data, bool? Register);
