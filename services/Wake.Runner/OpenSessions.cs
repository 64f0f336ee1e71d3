using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Wake.Runner;

/// <summary>A process that has a Claude session open and that no runner has started.</summary>
/// <param name="ClaudeSessionId">The Claude session.</param>
/// <param name="Id">The process.</param>
/// <param name="Since">When it was started.</param>
/// <param name="Where">Where it has it open, in words that follow "open".</param>
public sealed record OpenProcess(Guid ClaudeSessionId, int Id, DateTimeOffset Since, string Where)
{
    /// <summary>All of that in words.</summary>
    /// <param name="runner">The runner on whose machine the number means something; null leaves it out.</param>
    public string InWords(string? runner) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"open {Where} (pid {Id}{(runner is null ? "" : $" on runner {runner}")}, since {Since.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z)"
        );
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
    const int LongestFile = 64 * 1024;

    // Between the kernel's count of a process's start and the clock by which the CLI writes its own down.
    static readonly TimeSpan Slack = TimeSpan.FromSeconds(5);

    // Of a file that is just being written.
    static readonly TimeSpan ReadsAgainAfter = TimeSpan.FromMilliseconds(10);
    const int Reads = 3;

    /// <summary>All of them. Whatever cannot be read is left out.</summary>
    public static IReadOnlyList<OpenProcess> In(string configFolder)
    {
        try
        {
            return
            [
                .. RunUser
                    .Do(() =>
                        new DirectoryInfo(Path.Combine(configFolder, "sessions")).EnumerateFiles("*.json").ToList()
                    )
                    .Select(Look)
                    .OfType<OpenProcess>(),
            ];
        }
        catch (Exception none) when (none is IOException or UnauthorizedAccessException)
        {
            // Nobody has ever opened one here.
            return [];
        }
    }

    /// <summary>The process that has a Claude session open; null when none has.</summary>
    public static OpenProcess? Of(string configFolder, Guid claudeSessionId) =>
        In(configFolder).FirstOrDefault(x => x.ClaudeSessionId == claudeSessionId);

    static OpenProcess? Look(FileInfo file)
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

        for (var read = 1; read <= Reads; read++)
        {
            try
            {
                if (file.Length > LongestFile)
                    return null;

                using var json = JsonDocument.Parse(RunUser.Do(() => File.ReadAllBytes(file.FullName)));
                return json.RootElement.ValueKind is JsonValueKind.Object
                    ? Judge(json.RootElement, id, process, file)
                    : null;
            }
            catch (JsonException)
            {
                Thread.Sleep(ReadsAgainAfter);
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                // It has ended in this moment, or is another user's.
                return null;
            }
        }

        return null;
    }

    static OpenProcess? Judge(JsonElement said, int id, SeenProcess? process, FileInfo file)
    {
        if (!Guid.TryParse(said.Text("sessionId"), out var claudeSession))
            return null;

        if (
            said.Text("pidDomain") is { } domain
            && domain.IndexOf("pid:[", StringComparison.Ordinal) is >= 0 and var at
            && !ProcessTable.IsOwnSpace(domain[at..])
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
                    ? started != process.Started
                    : ProcessTable.StartOf(process) > written + Slack
            )
                return null;

            if (ProcessTable.MarkOf(id) is not null)
                return null;
        }
        else if (entrypoint is not (null or "cli") || !Lives(id, written))
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
    static bool Lives(int id, DateTimeOffset written)
    {
        try
        {
            using var process = Process.GetProcessById(id);
            return process.StartTime <= (written + Slack).LocalDateTime;
        }
        catch (Exception gone)
            when (gone is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
