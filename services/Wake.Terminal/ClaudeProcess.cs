using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Wake.Terminal;

/// <summary>The <c>claude</c> that has started this process: it has the session open.</summary>
sealed class ClaudeProcess
{
    // linux: PR_SET_PDEATHSIG.
    const int ParentDeathSignal = 1,
        Terminate = 15;

    // /resume starts the hooks of the next session some 60 ms before its id is in the file, and --continue begins with
    // an id that is never used (2.1.329).
    static readonly TimeSpan SettlingTime = TimeSpan.FromSeconds(3);

    readonly Guid session;
    readonly string file,
        start;
    readonly long since = Stopwatch.GetTimestamp();
    bool hadSession;
    DateTime read;
    ClaudeSessionFile? content;

    public ClaudeProcess(Guid session)
    {
        this.session = session;
        Id = getppid();
        start = ReadStart() ?? "";
        file = Path.Combine(
            ClaudeFolders.Config,
            "sessions",
            string.Create(CultureInfo.InvariantCulture, $"{Id}.json")
        );
    }

    public int Id { get; }

    public static string Host => Environment.MachineName;

    /// <summary>What no other process is ever called: the machine since it was started, the number, and the process's
    /// start.</summary>
    public string Name => $"{Host[..Math.Min(Host.Length, 100)]}:{BootId()}:{Id}:{start}";

    /// <summary>Lets the kernel end this process with it, where it can.</summary>
    public static void EndWithIt()
    {
        if (OperatingSystem.IsLinux())
            _ = prctl(ParentDeathSignal, Terminate, 0, 0, 0);
    }

    /// <summary>Whether it has ended: then this process is another one's child.</summary>
    public bool HasEnded => getppid() != Id || Id == 1 || ReadStart() is { } now && now != start;

    /// <summary>Whether it has ended or has another session open.</summary>
    public bool HasLeft()
    {
        if (HasEnded)
            return true;
        if (ReadFile()?.SessionId is not { } open)
            return false;
        if (open == session)
            hadSession = true;
        else if (hadSession || Stopwatch.GetElapsedTime(since) > SettlingTime)
            return true;

        return false;
    }

    /// <summary>Whether no turn is under way; null when it does not say. A shell in the background is none
    /// (2.1.329).</summary>
    public bool? IsIdle() =>
        ReadFile() is { } found && found.SessionId == session && found.Status is { } status
            ? status is "idle" or "shell"
            : null;

    /// <summary>When that was written, as it was read last.</summary>
    public DateTime StateTime
    {
        get
        {
            ReadFile();
            return read;
        }
    }

    /// <summary>Whether it is known to be no terminal: one that was started by a tool of another one inherits the
    /// variables of that.</summary>
    public bool IsOther => ReadFile() is { Entrypoint: not (null or "cli") };

    // It is looked at every second.
    ClaudeSessionFile? ReadFile()
    {
        try
        {
            var now = File.GetLastWriteTimeUtc(file);
            if (now == read)
                return content;

            read = now;
            return content = JsonSerializer.Deserialize(
                File.ReadAllBytes(file),
                TerminalJson.Default.ClaudeSessionFile
            );
        }
        catch (Exception missing) when (missing is IOException or UnauthorizedAccessException or JsonException)
        {
            return content = null;
        }
    }

    // Null where it cannot be told, which is no proof of an end.
    string? ReadStart()
    {
        if (!OperatingSystem.IsLinux())
            return OtherStart();

        try
        {
            // The name of the program, which comes second, may have spaces and parentheses in it.
            var stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{Id}/stat"));
            return
                stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries)
                    is { Length: > StartField } fields
                ? fields[StartField]
                : null;
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    // Of /proc/PID/stat the 22nd field: the 20th after the name.
    const int StartField = 19;

    string? OtherStart()
    {
        try
        {
            using var process = Process.GetProcessById(Id);
            return new DateTimeOffset(process.StartTime)
                .ToUnixTimeMilliseconds()
                .ToString(CultureInfo.InvariantCulture);
        }
        catch (Exception gone)
            when (gone is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    static string BootId()
    {
        try
        {
            return File.ReadAllText("/proc/sys/kernel/random/boot_id")[..8];
        }
        catch (Exception none) when (none is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return "";
        }
    }

    [DllImport("libc", EntryPoint = "getppid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int getppid();

    [DllImport("libc", EntryPoint = "prctl")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern int prctl(int option, nint value, nint second, nint third, nint fourth);
}

/// <summary>What a <c>claude</c> says of itself in <c>sessions/PID.json</c>, as far as it is needed here.</summary>
sealed record ClaudeSessionFile(Guid? SessionId, string? Status, string? Entrypoint);
