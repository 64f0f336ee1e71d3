using System.Reflection;
using System.Runtime.InteropServices;

namespace Wake.Cli;

/// <summary>What a service has to know of the machine and of the user who installs it.</summary>
/// <param name="Program">How this program is started: one path, or that of dotnet and of what it runs.</param>
/// <param name="Data">The data folder.</param>
/// <param name="Home">The user's home.</param>
/// <param name="Config">The folder of the user's settings.</param>
/// <param name="UserId">The user's number.</param>
/// <param name="Environment">The variables the service shall have. No secrets: what they stand in anybody may
/// read.</param>
sealed record ServiceFacts(
    IReadOnlyList<string> Program,
    string Data,
    string Home,
    string Config,
    string UserId,
    IReadOnlyDictionary<string, string> Environment
)
{
    // Where programs and their settings are. Anything else belongs into wake.json or the file with the settings.
    static readonly string[] InheritedVariables =
    [
        "CLAUDE_CONFIG_DIR",
        "Claude__Executable",
        "LANG",
        "WAKE_POSTGRES_BIN",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
    ];

    /// <summary>The file with the settings of the service, of this process's user; systemd's alone has one.</summary>
    public static string SettingsFile => Path.Combine(ConfigFolder(LocalTranscripts.Home), "wake", "service.env");

    /// <summary>Those of this process.</summary>
    /// <param name="data">The data folder as the user named it; null when they did not.</param>
    /// <param name="cancel">Ends the wait.</param>
    public static async Task<ServiceFacts> Collect(string? data, CancellationToken cancel)
    {
        var home = LocalTranscripts.Home;
        var config = ConfigFolder(home);
        var user = await DoctorChecks.RunProgram("id", ["-u"], cancel) is (0, var number) ? number : "";

        return new(
            ProgramCommand(),
            CommonOptions.ResolveFolder(data).FullPath,
            home,
            config,
            user,
            Variables(
                System.Environment.GetEnvironmentVariable,
                home,
                DotnetRoot(RuntimeEnvironment.GetRuntimeDirectory())
            )
        );
    }

    /// <summary>The service's variables, from those of the shell it is installed in.</summary>
    public static IReadOnlyDictionary<string, string> Variables(
        Func<string, string?> own,
        string home,
        string? dotnetRoot
    )
    {
        var variables = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["DISABLE_AUTOUPDATER"] = "1",
            ["HOME"] = home,
            // Not the manager's, which finds neither claude nor git where their users put them.
            ["PATH"] = string.Join(':', (own("PATH") ?? "").Split(':').Where(Path.IsPathRooted).Distinct()),
            // Some tools fail without any, and there is no terminal.
            ["TERM"] = "dumb",
        };
        if (dotnetRoot is not null)
            variables["DOTNET_ROOT"] = dotnetRoot;
        foreach (var name in InheritedVariables)
        {
            if (own(name) is { Length: > 0 } value)
                variables[name] = value;
        }

        return variables;
    }

    static string ConfigFolder(string home) =>
        System.Environment.GetEnvironmentVariable("XDG_CONFIG_HOME") is { Length: > 0 } named
        && Path.IsPathRooted(named)
            ? named
            : Path.Combine(home, ".config");

    // Null for a program that brings its runtime along.
    static string? DotnetRoot(string runtime) =>
        Path.GetDirectoryName(Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(runtime))) is { } shared
        && Path.GetFileName(shared) == "shared"
            ? Path.GetDirectoryName(shared)
            : null;

    static IReadOnlyList<string> ProgramCommand() =>
        System.Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet"
            ? [path, Assembly.GetExecutingAssembly().Location]
            :
            [
                System.Environment.ProcessPath
                    ?? throw new CommandException("The system does not say where this program is."),
            ];
}
