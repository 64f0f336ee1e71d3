using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Wake.Testing;

/// <summary>A terminal of tmux in which the real CLI runs, as a person has it open.</summary>
public sealed class TmuxTerminal
{
    // A server of its own: nobody's session, settings or environment.
    readonly string server = $"wake-{Guid.NewGuid():N}";

    TmuxTerminal() { }

    /// <summary>The process of the CLI.</summary>
    public int ProcessId { get; private set; }

    /// <summary>Spares a person the questions that the first start in a folder asks.</summary>
    public static void Prepare(string configFolder, string workspace, string apiKey)
    {
        var file = Path.Combine(configFolder, ".claude.json");
        var state = File.Exists(file) ? JsonNode.Parse(File.ReadAllText(file))!.AsObject() : [];
        state["hasCompletedOnboarding"] = true;
        state["theme"] = "dark";
        state["customApiKeyResponses"] = new JsonObject
        {
            ["approved"] = new JsonArray(apiKey[^Math.Min(20, apiKey.Length)..]),
            ["rejected"] = new JsonArray(),
        };
        var projects = state["projects"] as JsonObject ?? [];
        state["projects"] = projects.DeepClone();
        state["projects"]![workspace] = new JsonObject { ["hasTrustDialogAccepted"] = true };
        File.WriteAllText(file, state.ToJsonString());
    }

    /// <summary>Starts the CLI in one.</summary>
    /// <param name="version">Of the CLI.</param>
    /// <param name="workspace">Where it works.</param>
    /// <param name="environment">What it finds beside PATH and what a terminal sets. Of two values the last
    /// counts.</param>
    /// <param name="arguments">Its arguments.</param>
    public static async Task<TmuxTerminal> Start(
        string version,
        string workspace,
        IEnumerable<KeyValuePair<string, string>> environment,
        params string[] arguments
    )
    {
        var terminal = new TmuxTerminal();
        await terminal.Run([
            "new-session",
            "-d",
            "-x",
            "160",
            "-y",
            "50",
            "-c",
            workspace,
            "env",
            "-i",
            $"PATH={Environment.GetEnvironmentVariable("PATH")}",
            "TERM=xterm-256color",
            "LANG=C.UTF-8",
            "DISABLE_AUTOUPDATER=1",
            "DISABLE_TELEMETRY=1",
            "DISABLE_ERROR_REPORTING=1",
            .. environment.Select(x => $"{x.Key}={x.Value}"),
            RealClaude.Executable(version),
            .. arguments,
        ]);
        terminal.ProcessId = int.Parse(
            await terminal.Run(["display-message", "-p", "#{pane_pid}"]),
            CultureInfo.InvariantCulture
        );
        return terminal;
    }

    /// <summary>Closes the window.</summary>
    public Task Close() => Run(["kill-server"]);

    /// <summary>Has tmux do something, and returns what it says.</summary>
    /// <exception cref="InvalidOperationException">It refuses, or the window is closed.</exception>
    public async Task<string> Run(IReadOnlyList<string> arguments)
    {
        var start = new ProcessStartInfo("tmux", ["-L", server, "-f", "/dev/null", .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["LANG"] = "C.UTF-8";
        start.Environment.Remove("TMUX");
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? (await output).Trim()
            : throw new InvalidOperationException($"tmux {arguments[0]}: {await errors}");
    }
}
