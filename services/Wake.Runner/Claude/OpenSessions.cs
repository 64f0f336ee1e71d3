using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Wake.Runner;

/// <summary>A process that has a Claude session open and that no runner has started.</summary>
/// <param name="ClaudeSessionId">The Claude session.</param>
/// <param name="ProcessId">The process.</param>
/// <param name="Since">When it was started.</param>
/// <param name="Location">Where it has it open, in words that follow "open".</param>
public sealed record OpenSessionProcess(Guid ClaudeSessionId, int ProcessId, DateTimeOffset Since, string Location)
{
    /// <summary>All of that in words.</summary>
    /// <param name="runner">The runner on whose machine the number means something; null leaves it out.</param>
    public string Describe(string? runner)
    {
        var where = runner is null ? "" : $" on runner {runner}";
        var since = Since.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
        return string.Create(CultureInfo.InvariantCulture, $"open {Location} (pid {ProcessId}{where}, since {since}Z)");
    }
}

/// <summary>
/// The Claude sessions that processes of this machine have open, by the files in which the CLI registers itself:
/// <c>sessions/PID.json</c> below its configuration folder, with <c>pid</c>, <c>sessionId</c>, <c>procStart</c>,
/// <c>startedAt</c>, <c>kind</c>, <c>entrypoint</c> and, since 2.1.329, <c>pidDomain</c>. A process that leaves a
/// session with /clear writes the next one's id into it.
/// </summary>
/// <remarks>
/// A process of another container that uses the same folder cannot be looked at from here and does not count. Nor does
/// one whose start the file does not tell before the number was somebody else's. Where the kernel shows no environments
/// (macOS) a process of a runner looks like any program's, so that only terminals count there.
/// </remarks>
public static class OpenSessions
{
    // A real one has a few hundred bytes.
    const int MaxFileLength = 64 * 1024;

    // Between the kernel's count of a process's start and the clock by which the CLI writes its own down.
    static readonly TimeSpan ClockSlack = TimeSpan.FromSeconds(5);

    // Of a file that is just being written.
    static readonly TimeSpan ReadRetryDelay = TimeSpan.FromMilliseconds(10);
    const int MaxReads = 3;

    /// <summary>The process that has started this one; null where the system does not say.</summary>
    public static int? ParentProcessId => ProcessTable.Find(Environment.ProcessId)?.ParentId;

    /// <summary>All of them. Whatever cannot be read is left out.</summary>
    public static IReadOnlyList<OpenSessionProcess> List(string configFolder)
    {
        try
        {
            return
            [
                .. RunUser
                    .Impersonate(() =>
                        new DirectoryInfo(Path.Combine(configFolder, "sessions")).EnumerateFiles("*.json").ToList()
                    )
                    .Select(ParseFile)
                    .OfType<OpenSessionProcess>(),
            ];
        }
        catch (Exception none) when (none is IOException or UnauthorizedAccessException)
        {
            // Nobody has ever opened one here.
            return [];
        }
    }

    /// <summary>The process that has a Claude session open; null when none has.</summary>
    public static OpenSessionProcess? Find(string configFolder, Guid claudeSessionId) =>
        List(configFolder).FirstOrDefault(x => x.ClaudeSessionId == claudeSessionId);

    static OpenSessionProcess? ParseFile(FileInfo file)
    {
        if (
            !int.TryParse(
                Path.GetFileNameWithoutExtension(file.Name),
                NumberStyles.None,
                CultureInfo.InvariantCulture,
                out var id
            )
        )
            return null;

        // Most files that are left over end here.
        var process = ProcessTable.Self is null ? null : ProcessTable.Find(id);
        if (ProcessTable.Self is not null && process is not { IsZombie: false })
            return null;

        for (var read = 1; read <= MaxReads; read++)
        {
            try
            {
                if (file.Length > MaxFileLength)
                    return null;

                using var json = JsonDocument.Parse(RunUser.Impersonate(() => File.ReadAllBytes(file.FullName)));
                return json.RootElement.ValueKind is JsonValueKind.Object
                    ? ToOpenSession(json.RootElement, id, process, file)
                    : null;
            }
            catch (JsonException)
            {
                Thread.Sleep(ReadRetryDelay);
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                // It has ended in this moment, or is another user's.
                return null;
            }
        }

        return null;
    }

    static OpenSessionProcess? ToOpenSession(JsonElement said, int id, ProcessSnapshot? process, FileInfo file)
    {
        if (!Guid.TryParse(said.Text("sessionId"), out var claudeSession))
            return null;

        if (
            said.Text("pidDomain") is { } domain
            && domain.IndexOf("pid:[", StringComparison.Ordinal) is >= 0 and var at
            && !ProcessTable.IsOwnPidNamespace(domain[at..])
        )
            return null;

        var written =
            said.TryGetProperty("startedAt", out var millis)
            && millis.ValueKind is JsonValueKind.Number
            && millis.TryGetInt64(out var epoch)
            && epoch is > 0 and < 253_402_300_799_000
                ? DateTimeOffset.FromUnixTimeMilliseconds(epoch)
                : new DateTimeOffset(file.LastWriteTimeUtc);

        var (kind, entrypoint) = (said.Text("kind"), said.Text("entrypoint"));
        if (process is not null)
        {
            // The number may be another process's by now.
            if (
                long.TryParse(said.Text("procStart"), NumberStyles.None, CultureInfo.InvariantCulture, out var started)
                    ? started != process.StartTicks
                    : ProcessTable.StartOf(process) > written + ClockSlack
            )
                return null;

            if (ProcessTable.TagOf(id) is not null)
                return null;
        }
        else if (entrypoint is not (null or "cli") || !IsAlive(id, written))
        {
            return null;
        }

        return new(
            claudeSession,
            id,
            written,
            kind is "bg" ? "in the background"
                : entrypoint is null or "cli" ? "in a terminal"
                : "in another program"
        );
    }

    // Where there is no /proc.
    static bool IsAlive(int id, DateTimeOffset written)
    {
        try
        {
            using var process = Process.GetProcessById(id);
            return process.StartTime <= (written + ClockSlack).LocalDateTime;
        }
        catch (Exception gone)
            when (gone is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
