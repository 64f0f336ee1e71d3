using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>The plugin, as a person installs it.</summary>
static class InstalledPlugin
{
    static readonly Lazy<Task> Shipped = new(async () =>
        File.Copy(
            await NativeTerminal.Executable,
            Path.Combine(AppContext.BaseDirectory, "wake-terminal"),
            overwrite: true
        )
    );

    public static async Task Install(
        string version,
        IReadOnlyDictionary<string, string> environment,
        params string[] arguments
    )
    {
        var said = await Command(version, environment, ["install", .. arguments]);
        Assert.True(said.ExitCode == 0, said.Errors + said.Output);
    }

    /// <summary>Runs <c>wake plugin</c>.</summary>
    public static Task<CommandOutput> Command(
        string version,
        IReadOnlyDictionary<string, string> environment,
        params string[] arguments
    ) => CommandIn(null, version, environment, arguments);

    /// <summary>Runs it in a directory.</summary>
    public static async Task<CommandOutput> CommandIn(
        string? directory,
        string version,
        IReadOnlyDictionary<string, string> environment,
        params string[] arguments
    )
    {
        // As in a Wake that was built where there is a C compiler.
        await Shipped.Value;
        return await WakeCommandLine.RunIn(
            directory,
            new Dictionary<string, string>(environment)
            {
                ["HOME"] = Servers.Home,
                ["Claude__Executable"] = RealClaude.Executable(version),
            },
            null,
            ["plugin", .. arguments]
        );
    }
}
