using System.Diagnostics;

namespace Wake.Testing;

/// <summary>Programs in JavaScript, with the packages that tests/run installs.</summary>
public static class Node
{
    /// <summary>Where they are.</summary>
    public static string Packages { get; } =
        Path.Combine(
            Environment.GetEnvironmentVariable("WAKE_TOOLS") is { Length: > 0 } tools
                ? tools
                : Path.Combine(
                    Environment.GetFolderPath(Environment.SpecialFolder.UserProfile),
                    ".cache",
                    "wake",
                    "tools"
                ),
            "node",
            "node_modules"
        );

    /// <summary>Runs a script and returns what it said; the packages are found as if they were installed beside
    /// it.</summary>
    public static Task<string> Run(
        string script,
        string input,
        IReadOnlyDictionary<string, string> environment,
        params string[] arguments
    ) =>
        Directory.Exists(Path.Combine(Packages, "amqplib"))
            ? ExternalProgram.Run(
                "node",
                input,
                new Dictionary<string, string>(environment) { ["NODE_PATH"] = Packages },
                [script, .. arguments]
            )
            : throw new InvalidOperationException(
                $"There are no packages for Node.js in {Packages}. tests/run installs them."
            );
}

/// <summary>Programs of others.</summary>
public static class ExternalProgram
{
    /// <summary>Runs one and returns what it said, if it ended well.</summary>
    public static async Task<string> Run(
        string program,
        string input,
        IReadOnlyDictionary<string, string> environment,
        params IEnumerable<string> arguments
    )
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;

        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? await output
            : throw new InvalidOperationException(
                $"{program} ended with {process.ExitCode}: {await errors}{await output}"
            );
    }
}
