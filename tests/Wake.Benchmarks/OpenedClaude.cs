using System.Diagnostics;
using Wake.Testing;

namespace Wake.Benchmarks;

/// <summary>The real CLI in a terminal of tmux, with or without a plugin.</summary>
sealed class OpenedClaude : IAsyncDisposable
{
    const string Key = "sk-test-0123456789abcdefghij";

    readonly TmuxTerminal terminal;

    OpenedClaude(TmuxTerminal terminal) => this.terminal = terminal;

    /// <summary>How long it took until it waited for what is typed.</summary>
    public TimeSpan Opening { get; private set; }

    /// <summary>Spares it the questions that the first start in a folder asks. Returns its environment.</summary>
    /// <param name="folder">Where its files lie, and the workspace <c>work</c>.</param>
    /// <param name="api">What it asks.</param>
    public static Dictionary<string, string> Prepare(string folder, string api)
    {
        var (config, work) = (Path.Combine(folder, "claude"), Path.Combine(folder, "work"));
        Directory.CreateDirectory(config);
        Directory.CreateDirectory(work);
        TmuxTerminal.Prepare(config, work, Key);
        return new()
        {
            ["HOME"] = folder,
            ["CLAUDE_CONFIG_DIR"] = config,
            ["ANTHROPIC_BASE_URL"] = api,
            ["ANTHROPIC_API_KEY"] = Key,
        };
    }

    /// <summary>The plugin as it is installed, in a folder.</summary>
    public static string CopyPlugin(string folder)
    {
        var root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Servers.Shipped("tools.sh"))!, ".."));
        var program = Path.Combine(root, "artifacts", "terminal", "wake-terminal");
        if (!File.Exists(program))
            throw new InvalidOperationException($"There is no {program}: tests/bench builds it.");

        var plugin = Path.Combine(folder, "plugin");
        var source = Path.Combine(root, "services", "Wake.Terminal", "plugin");
        foreach (var file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(plugin, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }

        File.Copy(program, Path.Combine(plugin, "scripts", "wake-terminal"));
        return plugin;
    }

    /// <summary>Opens it, and returns when it waits for what is typed.</summary>
    public static async Task<OpenedClaude> Open(
        string folder,
        IReadOnlyDictionary<string, string> environment,
        params string[] arguments
    )
    {
        var watch = Stopwatch.StartNew();
        var terminal = await TmuxTerminal.Start(
            RealClaude.Current,
            Path.Combine(folder, "work"),
            environment,
            arguments
        );
        var opened = new OpenedClaude(terminal);
        try
        {
            var file = Path.Combine(environment["CLAUDE_CONFIG_DIR"], "sessions", $"{terminal.ProcessId}.json");
            while (!IsIdle(file))
            {
                if (watch.Elapsed > TimeSpan.FromSeconds(60))
                    throw new TimeoutException("claude did not open in the terminal.");
                await Task.Delay(2);
            }

            opened.Opening = watch.Elapsed;
            return opened;
        }
        catch
        {
            await opened.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await terminal.Close();
        await Task.Delay(500);
    }

    static bool IsIdle(string file)
    {
        try
        {
            return File.ReadAllText(file).Contains("\"status\":\"idle\"", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }
}
