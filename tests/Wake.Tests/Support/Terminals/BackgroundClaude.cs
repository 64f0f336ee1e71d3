using System.Diagnostics;
using System.Text.Json;
using Wake.Testing;

namespace Wake.Tests.Support;

/// <summary>A session that the real CLI runs in the background: <c>claude --bg</c>.</summary>
public sealed class BackgroundClaude : IAsyncDisposable
{
    readonly string version,
        workspace;
    readonly IReadOnlyDictionary<string, string> environment;
    string job = "";

    BackgroundClaude(string version, string workspace, IReadOnlyDictionary<string, string> environment) =>
        (this.version, this.workspace, this.environment) = (version, workspace, environment);

    /// <summary>Which one it is to Claude Code.</summary>
    public Guid Session { get; private set; }

    /// <summary>Its process.</summary>
    public int Id { get; private set; }

    /// <summary>Starts one with a prompt, and returns when the turn about that is over.</summary>
    public static async Task<BackgroundClaude> Start(
        string version,
        string workspace,
        IReadOnlyDictionary<string, string> environment,
        string prompt
    )
    {
        var background = new BackgroundClaude(version, workspace, environment);
        await background.Run("--bg", prompt);
        try
        {
            await Eventually.Holds(
                async () =>
                {
                    if (await background.Find() is not { } agent || !agent.TryGetProperty("pid", out var process))
                        return false;

                    background.Id = process.GetInt32();
                    background.Session = agent.GetProperty("sessionId").GetGuid();
                    background.job = agent.GetProperty("id").GetString()!;
                    return true;
                },
                "the background session is listed"
            );
            return background;
        }
        catch
        {
            await background.DisposeAsync();
            throw;
        }
    }

    /// <summary>What <c>claude agents</c> says of it.</summary>
    public async Task<string?> Status() => (await Find())?.GetProperty("status").GetString();

    /// <summary>Ends it.</summary>
    public async Task Stop()
    {
        await Run("stop", job);
        await Eventually.Holds(() => Task.FromResult(!MachineProcess.Runs(Id)), "the background session ends");
    }

    public async ValueTask DisposeAsync()
    {
        if (job == "")
            return;

        if (MachineProcess.Runs(Id))
            await Stop();
        await Run("rm", job);
    }

    async Task<JsonElement?> Find() =>
        JsonElement.Parse(await Run("agents", "--json")).EnumerateArray().Select(x => (JsonElement?)x).FirstOrDefault();

    async Task<string> Run(params string[] arguments)
    {
        var start = new ProcessStartInfo(RealClaude.Executable(version), arguments)
        {
            WorkingDirectory = workspace,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment.Clear();
        start.Environment["PATH"] = Environment.GetEnvironmentVariable("PATH");
        start.Environment["HOME"] = Servers.Home;
        start.Environment["DISABLE_AUTOUPDATER"] = "1";
        start.Environment["DISABLE_TELEMETRY"] = "1";
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
        return process.ExitCode == 0
            ? await output
            : throw new InvalidOperationException($"claude {arguments[0]}: {await errors}{await output}");
    }
}
