using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Wake.ServiceDefaults;

namespace Wake.Cli;

/// <summary>The <c>claude</c> CLI of this machine, as the runner would find it.</summary>
sealed partial class ClaudeInstallation(IConfiguration settings)
{
    /// <summary>The versions that Wake is tested with: the oldest, and the one to install.</summary>
    static readonly Version OldestSupported = new(2, 1, 197),
        NewestTested = new(2, 1, 329);

    // Where its installers put it, which need not be on PATH.
    static readonly string[] DefaultPaths =
    [
        Path.Combine(LocalTranscripts.Home, ".local/bin/claude"),
        Path.Combine(LocalTranscripts.Home, ".claude/local/claude"),
    ];

    // The names of settings; their values are never shown.
    static readonly string[] KeyVariables = ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"];
    static readonly string[] CloudVariables =
    [
        "CLAUDE_CODE_USE_BEDROCK",
        "CLAUDE_CODE_USE_VERTEX",
        "CLAUDE_CODE_USE_FOUNDRY",
    ];

    /// <summary>Where it keeps its state.</summary>
    public string ConfigFolder =>
        Variable("CLAUDE_CONFIG_DIR") is { Length: > 0 } named ? named : Path.Combine(LocalTranscripts.Home, ".claude");

    string Name => settings["Claude:Executable"] is { Length: > 0 } named ? named : "claude";

    /// <summary>Its path; null when it is not found.</summary>
    public string? FindProgram() =>
        Name.Contains('/') ? (ExecutableFile.Exists(Name) ? Name : null) : DoctorChecks.FindOnPath(Name);

    /// <summary>Is the plugin installed, with which sessions are woken where they are open? Null when there is nobody
    /// to ask.</summary>
    public async Task<CheckResult?> CheckPlugin(CancellationToken cancel)
    {
        if (FindProgram() is null)
            return null;

        try
        {
            var state = await PluginState.Inspect(await PluginInstaller.Create(data: null, cancel), cancel);
            return state switch
            {
                { Version: null } => new(
                    "plugin",
                    true,
                    "not installed: the wake of a session that is open in a terminal waits until that is closed",
                    "Have it woken where it is: wake plugin install"
                ),
                { Problem: { } problem } => new("plugin", true, $"does not work: {problem}", "wake plugin install"),
                { Current: false } => new(
                    "plugin",
                    true,
                    $"{state.Version}, of another version than this wake",
                    "wake plugin install"
                ),
                _ => new("plugin", true, $"{state.Version}, {string.Join(", ", state.Scopes)}", null),
            };
        }
        catch (CommandException)
        {
            // Said by another check, or of no weight.
            return null;
        }
    }

    /// <summary>Is it there, and new enough?</summary>
    public async Task<CheckResult> CheckProgram(CancellationToken cancel)
    {
        var name = Name;
        if (FindProgram() is not { } path)
        {
            return Array.Find(DefaultPaths, ExecutableFile.Exists) is { } elsewhere
                ? new(
                    "claude",
                    false,
                    $"{name} is not found, but {elsewhere} is",
                    $"Put its folder on PATH, or set Claude__Executable={elsewhere}"
                )
                : new(
                    "claude",
                    false,
                    $"{name} is not found",
                    $"Install it with: npm install -g @anthropic-ai/claude-code@{NewestTested}, or name the program "
                        + "in Claude__Executable."
                );
        }

        if (
            await DoctorChecks.RunProgram(path, ["--version"], cancel) is not (0, var said)
            || !Version.TryParse(Number().Match(said).Value, out var version)
        )
            return new("claude", false, $"{path} does not say its version", $"Try it: {path} --version");

        return version >= OldestSupported
            ? new("claude", true, $"{version} at {path}", null)
            : new(
                "claude",
                false,
                $"{version} at {path}, older than {OldestSupported}",
                "Bring it up to date with: claude update"
            );
    }

    /// <summary>Can it talk to a model?</summary>
    public CheckResult CheckLogin()
    {
        if (Array.Find(KeyVariables, x => Variable(x) is { Length: > 0 }) is { } key)
            return new("claude login", true, $"by {key}", null);
        if (Array.Find(CloudVariables, x => Variable(x) is { Length: > 0 } and not ("0" or "false")) is { } cloud)
            return new("claude login", true, $"by {cloud}", null);

        var folder = ConfigFolder;
        var credentials = Path.Combine(folder, ".credentials.json");
        if (File.Exists(credentials))
            return new("claude login", true, $"by {credentials}", null);
        if (HasKeyHelper(Path.Combine(folder, "settings.json")))
            return new("claude login", true, $"by the apiKeyHelper in {folder}", null);
        if (OperatingSystem.IsMacOS())
            return new("claude login", true, "not looked up: macOS keeps it in the Keychain", null);

        return new(
            "claude login",
            false,
            $"none of {string.Join(", ", KeyVariables)} is set, and there is no {credentials}",
            "Log in by starting claude once in a terminal, or set ANTHROPIC_API_KEY for wake up."
        );
    }

    // What the settings set for the CLI counts more than what it inherits.
    string? Variable(string name) => settings[$"Claude:Environment:{name}"] ?? Environment.GetEnvironmentVariable(name);

    static bool HasKeyHelper(string file)
    {
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(file));
            return json.RootElement is { ValueKind: JsonValueKind.Object } members
                && members.TryGetProperty("apiKeyHelper", out _);
        }
        catch (Exception none) when (none is IOException or UnauthorizedAccessException or JsonException)
        {
            return false;
        }
    }

    [GeneratedRegex(@"[0-9]+\.[0-9]+\.[0-9]+")]
    private static partial Regex Number();
}
