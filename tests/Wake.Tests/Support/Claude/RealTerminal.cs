using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>The real CLI as a person has it open: in a terminal, of tmux.</summary>
public sealed class RealTerminal : IAsyncDisposable
{
    // A server of its own: nobody's session, settings or environment.
    readonly string server = $"wake-test-{Guid.NewGuid():N}";
    string config = null!;

    /// <summary>Its process.</summary>
    public int Id { get; private set; }

    /// <summary>What it says about itself to whoever looks into the folder <c>sessions</c>.</summary>
    public JsonElement Registered =>
        JsonElement.Parse(File.ReadAllText(Path.Combine(config, "sessions", $"{Id}.json")));

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

    /// <summary>Starts it and returns when it waits for what is typed.</summary>
    public static async Task<RealTerminal> Open(
        string version,
        string workspace,
        IReadOnlyDictionary<string, string> environment,
        params string[] arguments
    )
    {
        var terminal = new RealTerminal { config = environment["CLAUDE_CONFIG_DIR"] };
        try
        {
            await terminal.Tmux([
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
                $"HOME={Servers.Home}",
                "TERM=xterm-256color",
                "LANG=C.UTF-8",
                "DISABLE_AUTOUPDATER=1",
                "DISABLE_TELEMETRY=1",
                "DISABLE_ERROR_REPORTING=1",
                .. environment.Select(x => $"{x.Key}={x.Value}"),
                RealClaude.Executable(version),
                .. arguments,
            ]);
            terminal.Id = int.Parse(
                await terminal.Tmux(["display-message", "-p", "#{pane_pid}"]),
                CultureInfo.InvariantCulture
            );
            await terminal.IsIdle();
            return terminal;
        }
        catch (Exception failed)
        {
            var screen = await terminal.Screen();
            await terminal.DisposeAsync();
            throw new InvalidOperationException($"claude did not open in the terminal:\n{screen}", failed);
        }
    }

    /// <summary>Types a line, once it stands there in full.</summary>
    public async Task Type(string line)
    {
        await TypeHalf(line);
        await Press("Enter");
    }

    /// <summary>Types what is not sent.</summary>
    public async Task TypeHalf(string text)
    {
        await Tmux(["send-keys", "-l", text]);
        await Eventually.Holds(
            async () => (await Screen()).Contains(text, StringComparison.Ordinal),
            $"{text} stands in the terminal"
        );
    }

    /// <summary>Takes back what is typed and not sent.</summary>
    public async Task ClearLine()
    {
        await Press("C-u");
        await Press("C-u");
    }

    /// <summary>Presses a key, by tmux's name of it.</summary>
    public Task Press(string key) => Tmux(["send-keys", key]);

    /// <summary>Waits until it waits for what is typed.</summary>
    public Task IsIdle() =>
        Eventually.Holds(
            () =>
            {
                try
                {
                    return Task.FromResult(
                        Registered.TryGetProperty("status", out var status) && status.GetString() == "idle"
                    );
                }
                catch (Exception early) when (early is IOException or JsonException)
                {
                    return Task.FromResult(false);
                }
            },
            "the terminal is idle"
        );

    /// <summary>What stands in it.</summary>
    public async Task<string> Screen()
    {
        try
        {
            return await Tmux(["capture-pane", "-p", "-J"]);
        }
        catch (InvalidOperationException gone)
        {
            return gone.Message;
        }
    }

    /// <summary>Closes the window.</summary>
    public async Task Close()
    {
        await Tmux(["kill-server"]);
        await Eventually.Holds(() => Task.FromResult(!MachineProcess.Runs(Id)), "claude ends with its terminal");
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await Close();
        }
        catch (InvalidOperationException)
        {
            // It is closed.
        }
    }

    async Task<string> Tmux(IReadOnlyList<string> arguments)
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
