using System.Text.Json;
using System.Text.Json.Nodes;
using Wake.ServiceDefaults;

namespace Wake.Cli;

/// <summary>
/// What <c>claude plugin</c> makes for a first plugin and leaves when it is uninstalled: empty objects in settings, its
/// lists, its folders. What was not there before the installation is noted, so that nothing of it stays.
/// </summary>
sealed class PluginTraces(string configFolder, string folder)
{
    static readonly string[] SettingsKeys = ["enabledPlugins", "extraKnownMarketplaces"];

    readonly string record = Path.Combine(folder, "traces.json");

    string Plugins => Path.Combine(configFolder, "plugins");

    /// <summary>Notes what is not there yet. What was noted before stays noted.</summary>
    /// <param name="project">The directory whose settings are written; null for the user's.</param>
    public void Record(string? project)
    {
        var settings = project is null ? Path.Combine(configFolder, "settings.json") : ProjectSettings(project);
        var found = ClaudeUserSettings.Read(settings);
        List<Trace> missing = [.. ReadRecord()];
        missing.AddRange(
            SettingsKeys.Where(x => found?.ContainsKey(x) is not true).Select(x => new Trace(settings, x))
        );
        missing.AddRange(
            new[]
            {
                settings,
                Path.GetDirectoryName(settings)!,
                Path.Combine(Plugins, "known_marketplaces.json"),
                Path.Combine(Plugins, "installed_plugins.json"),
                Path.Combine(Plugins, "marketplaces"),
                Path.Combine(Plugins, "cache"),
                Path.Combine(Plugins, "data"),
                Plugins,
            }
                .Where(x => !Path.Exists(x))
                .Select(x => new Trace(x, null))
        );
        Directory.CreateDirectory(folder);
        PrivateFile.WriteAtomically(
            record,
            JsonSerializer.Serialize([.. missing.Distinct()], CliJson.Default.TraceArray)
        );
    }

    /// <summary>Deletes what the plugin had there, and then what was not there before and is empty.</summary>
    /// <param name="projects">Directories in which it was installed. <c>claude</c> forgets the marketplace as a whole
    /// and not the settings of directories that it is not run in.</param>
    public void Delete(IEnumerable<string> projects)
    {
        foreach (var file in projects.Select(ProjectSettings))
        {
            if (
                ClaudeUserSettings.Read(file) is { } settings
                && settings["extraKnownMarketplaces"] is JsonObject known
                && known.Remove(ClaudePlugins.Name)
            )
                ClaudeUserSettings.Write(file, settings);
        }

        foreach (
            var left in (string[])
                [
                    Path.Combine(Plugins, "cache", ClaudePlugins.Name),
                    Path.Combine(Plugins, "data", $"{ClaudePlugins.Name}-{ClaudePlugins.Name}"),
                ]
        )
        {
            if (Directory.Exists(left))
                SafeDelete.DeleteDirectory(left);
        }

        var traces = ReadRecord();
        foreach (var (path, key) in traces.Where(x => x.Key is not null))
        {
            if (ClaudeUserSettings.Read(path) is { } settings && settings[key!] is JsonObject { Count: 0 })
            {
                settings.Remove(key!);
                ClaudeUserSettings.Write(path, settings);
            }
        }

        foreach (var path in traces.Where(x => x.Key is null).Select(x => x.Path).OrderByDescending(x => x.Length))
        {
            if (File.Exists(path) && HasNothing(path))
                File.Delete(path);
            else if (Directory.Exists(path) && !Directory.EnumerateFileSystemEntries(path).Any())
                Directory.Delete(path);
        }
    }

    static string ProjectSettings(string project) => Path.Combine(project, ".claude", "settings.json");

    static bool HasNothing(string file) =>
        ClaudeUserSettings.Read(file)!.All(x => x.Key == "version" || x.Value is JsonObject { Count: 0 });

    Trace[] ReadRecord()
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(record), CliJson.Default.TraceArray) ?? [];
        }
        catch (Exception missing) when (missing is IOException or JsonException)
        {
            return [];
        }
    }
}

/// <summary>Something that was not there before.</summary>
/// <param name="Path">A file or a folder.</param>
/// <param name="Key">A key in it; null for the whole.</param>
sealed record Trace(string Path, string? Key);
