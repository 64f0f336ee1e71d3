using System.Diagnostics;
using System.Text.Json;
using Wake.Runner;

namespace Wake.Tests.Support;

/// <summary>A process that has a Claude session open, as the CLI registers one: <c>sessions/PID.json</c>.</summary>
sealed class OpenClaudeSession : IDisposable
{
    readonly Process process;

    OpenClaudeSession(Process process) => this.process = process;

    public int Id => process.Id;

    /// <summary>Opens one.</summary>
    /// <param name="configFolder">The CLI's configuration folder.</param>
    /// <param name="claudeSession">What it has open.</param>
    /// <param name="kind">interactive or bg.</param>
    /// <param name="entrypoint">cli in a terminal.</param>
    /// <param name="startedOff">By how much the start that its file tells is not its own.</param>
    public static OpenClaudeSession Open(
        string configFolder,
        Guid claudeSession,
        string kind = "interactive",
        string entrypoint = "cli",
        long startedOff = 0
    )
    {
        var process = Process.Start("sleep", ["600"]);
        Register(
            configFolder,
            process.Id,
            new
            {
                pid = process.Id,
                sessionId = claudeSession,
                cwd = "/",
                startedAt = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(),
                procStart = $"{ProcessTable.Find(process.Id)!.StartTicks + startedOff}",
                version = "2.1.329",
                kind,
                entrypoint,
                somethingNew = new { nobody = "knows" },
            }
        );
        return new(process);
    }

    /// <summary>Writes such a file.</summary>
    public static void Register(string configFolder, int id, object content)
    {
        var folder = Directory.CreateDirectory(Path.Combine(configFolder, "sessions")).FullName;
        File.WriteAllText(Path.Combine(folder, $"{id}.json"), content as string ?? JsonSerializer.Serialize(content));
    }

    /// <summary>Ends it. Its file stays, as after a kill.</summary>
    public void Close()
    {
        process.Kill();
        process.WaitForExit();
    }

    public void Dispose()
    {
        if (!process.HasExited)
            Close();
        process.Dispose();
    }
}
