using System.Text.Json;
using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>The real CLI as a person has it open: in a terminal, of tmux.</summary>
public sealed class RealTerminal : IAsyncDisposable
{
    readonly TmuxTerminal terminal;
    readonly string config;

    RealTerminal(TmuxTerminal terminal, string config) => (this.terminal, this.config) = (terminal, config);

    /// <summary>Its process.</summary>
    public int Id => terminal.ProcessId;

    /// <summary>What it says about itself to whoever looks into the folder <c>sessions</c>.</summary>
    public JsonElement Registered =>
        JsonElement.Parse(File.ReadAllText(Path.Combine(config, "sessions", $"{Id}.json")));

    /// <summary>Starts it and returns when it waits for what is typed.</summary>
    public static async Task<RealTerminal> Open(
        string version,
        string workspace,
        IReadOnlyDictionary<string, string> environment,
        params string[] arguments
    )
    {
        var opened = await TmuxTerminal.Start(
            version,
            workspace,
            [new("HOME", Servers.Home), .. environment],
            arguments
        );
        var terminal = new RealTerminal(opened, environment["CLAUDE_CONFIG_DIR"]);
        try
        {
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
        await terminal.Run(["send-keys", "-l", text]);
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
    public Task Press(string key) => terminal.Run(["send-keys", key]);

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
            return await terminal.Run(["capture-pane", "-p", "-J"]);
        }
        catch (InvalidOperationException gone)
        {
            return gone.Message;
        }
    }

    /// <summary>Closes the window.</summary>
    public async Task Close()
    {
        await terminal.Close();
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
}
