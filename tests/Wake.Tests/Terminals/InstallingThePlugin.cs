using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Wake.Testing;
using Wake.Tests.HouseRules;
using Wake.Tests.Support;

namespace Wake.Tests.Terminals;

public sealed class InstallingThePlugin_2_1_329() : InstallingThePlugin(RealClaude.Current);

public sealed class InstallingThePlugin_2_1_197() : InstallingThePlugin(RealClaude.Old);

/// <summary>The plugin comes and goes through the real CLI, and what the user had before is as before.</summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public abstract partial class InstallingThePlugin(string version) : IAsyncLifetime
{
    readonly TemporaryFolder folder = new();

    string Config => folder.File("claude");

    string SettingsFile => Path.Combine(Config, "settings.json");

    Dictionary<string, string> Environment =>
        new()
        {
            ["CLAUDE_CONFIG_DIR"] = Directory.CreateDirectory(Config).FullName,
            ["XDG_DATA_HOME"] = folder.File("share"),
            ["XDG_CACHE_HOME"] = folder.File("cache"),
            ["WAKE_DATA"] = folder.File("data"),
        };

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync()
    {
        folder.Dispose();
        return Task.CompletedTask;
    }

    [Fact]
    public async Task Installed_and_uninstalled_it_leaves_nothing_where_nothing_was()
    {
        await RealClaude.Run(version, folder.Path, Quiet, "plugin", "list");
        var before = Files();

        await Plugin("install", "--statusline");
        var state = JsonElement.Parse((await Plugin("status", "--output", "json")).Output);
        await Plugin("uninstall");

        Assert.True(state.GetProperty("installed").GetBoolean() && state.GetProperty("statusLine").GetBoolean());
        Assert.Equal(folder.File("data"), state.GetProperty("data").GetString());
        Assert.Equal(before, Files());
        Assert.Equal(1, (await Plugin("status")).ExitCode);
    }

    [Fact]
    public async Task What_the_user_had_before_stays()
    {
        // A plugin, a marketplace and a status line of their own.
        Directory.CreateDirectory(Config);
        File.WriteAllText(
            SettingsFile,
            """{"env":{"A":"ü"},"statusLine":{"type":"command","command":"mine"},"permissions":{"allow":["Read"]}}"""
        );
        var other = folder.File("other");
        Directory.CreateDirectory(Path.Combine(other, ".claude-plugin"));
        Directory.CreateDirectory(Path.Combine(other, "theirs", ".claude-plugin"));
        File.WriteAllText(
            Path.Combine(other, ".claude-plugin", "marketplace.json"),
            """{"name":"others","owner":{"name":"x"},"plugins":[{"name":"theirs","source":"./theirs"}]}"""
        );
        File.WriteAllText(
            Path.Combine(other, "theirs", ".claude-plugin", "plugin.json"),
            """{"name":"theirs","version":"1.0.0","description":"x","author":{"name":"x"}}"""
        );
        await RealClaude.Run(version, folder.Path, Quiet, "plugin", "marketplace", "add", other);
        await RealClaude.Run(version, folder.Path, Quiet, "plugin", "install", "theirs@others");
        var (files, settings) = (Files(), JsonNode.Parse(File.ReadAllText(SettingsFile)));

        var said = await Plugin("install", "--statusline");
        Assert.Contains("has a statusLine, which stays", said.Errors);
        Assert.Contains("wake-on-event", File.ReadAllText(SettingsFile));
        await Plugin("uninstall");

        Assert.Equal(files, Files());
        Assert.True(
            JsonNode.DeepEquals(settings, JsonNode.Parse(File.ReadAllText(SettingsFile))),
            File.ReadAllText(SettingsFile)
        );
        Assert.Contains("theirs@others", await RealClaude.Run(version, folder.Path, Quiet, "plugin", "list"));
    }

    [Fact]
    public async Task Installing_again_brings_it_up_to_date()
    {
        await Plugin("install");
        var plugin = Path.Combine(Directory.GetDirectories(folder.File("share/wake")).Single(), "wake-on-event");
        File.WriteAllText(Path.Combine(plugin, "skills", "old.md"), "of an older version");
        var manifest = Path.Combine(plugin, ".claude-plugin", "plugin.json");
        File.WriteAllText(manifest, File.ReadAllText(manifest).Replace(PluginVersion(), "0.0.1"));
        Assert.Contains("of another version", (await Plugin("status")).Output);

        await Plugin("install", "--no-register");

        var state = JsonElement.Parse((await Plugin("status", "--output", "json")).Output);
        Assert.True(state.GetProperty("current").GetBoolean());
        Assert.False(state.GetProperty("register").GetBoolean());
        Assert.False(File.Exists(Path.Combine(plugin, "skills", "old.md")));
    }

    [Fact]
    public async Task A_project_of_its_own_is_enough()
    {
        var project = Directory.CreateDirectory(folder.File("project")).FullName;
        var start = Environment;
        await RealClaude.Run(version, folder.Path, Quiet, "plugin", "list");
        var before = Files();

        var said = await InstalledPlugin.CommandIn(project, version, start, "install", "--scope", "project");
        Assert.True(said.ExitCode == 0, said.Errors);
        Assert.Contains($"project {project}", said.Output);
        Assert.True(File.Exists(Path.Combine(project, ".claude", "settings.json")));
        await Plugin("uninstall");

        Assert.Equal(before, Files());
    }

    [Fact]
    public async Task The_plugin_and_the_marketplace_of_the_repository_are_valid()
    {
        foreach (var path in (string[])["services/Wake.Terminal/plugin", "."])
        {
            var said = await RealClaude.Run(
                version,
                folder.Path,
                Quiet,
                "plugin",
                "validate",
                Path.GetFullPath(Path.Combine(Repository.Root, path))
            );
            Assert.Contains("Validation passed", said);
        }

        Assert.Equal(typeof(Wake.Cli.PluginCopy).Assembly.GetName().Version!.ToString(3), PluginVersion());
    }

    [Fact]
    public async Task Doctor_says_whether_it_is_there()
    {
        Assert.Contains("waits until that is closed", (await Doctor()).Output);
        await Plugin("install");
        Assert.Matches(@"ok +plugin +[0-9.]+, user", (await Doctor()).Output);
    }

    [Fact]
    public async Task A_claude_that_is_too_old_is_told_so()
    {
        var old = folder.File("old-claude");
        File.WriteAllText(old, "#!/bin/sh\necho '1.0.88 (Claude Code)'\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(old, UnixFileMode.UserRead | UnixFileMode.UserExecute);

        var said = await WakeCommandLine.Run(
            new Dictionary<string, string>(Environment) { ["HOME"] = Servers.Home, ["Claude__Executable"] = old },
            null,
            "plugin",
            "install"
        );

        Assert.Equal(1, said.ExitCode);
        Assert.Contains("older than 2.1.197", said.Errors);
    }

    static string PluginVersion() =>
        (string)
            JsonNode.Parse(
                File.ReadAllText(
                    Path.Combine(Repository.Root, "services/Wake.Terminal/plugin/.claude-plugin/plugin.json")
                )
            )!["version"]!;

    Dictionary<string, string> Quiet => new(Environment) { ["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] = "1" };

    Task<CommandOutput> Plugin(params string[] arguments) => InstalledPlugin.Command(version, Environment, arguments);

    Task<CommandOutput> Doctor() =>
        WakeCommandLine.Run(
            new Dictionary<string, string>(Environment)
            {
                ["HOME"] = Servers.Home,
                ["Claude__Executable"] = RealClaude.Executable(version),
            },
            null,
            "doctor"
        );

    // Without what any start of claude writes.
    string[] Files() =>
        [
            .. Directory
                .EnumerateFileSystemEntries(folder.Path, "*", SearchOption.AllDirectories)
                .Select(x => Path.GetRelativePath(folder.Path, x))
                .Where(x => !OfAnyStart().IsMatch(x))
                .Order(StringComparer.Ordinal),
        ];

    [GeneratedRegex(
        @"^claude/(\.claude\.json|backups|telemetry|statsig|cache|\.last)|^share$|^cache$|^cache/wake$|^data$"
    )]
    private static partial Regex OfAnyStart();
}
