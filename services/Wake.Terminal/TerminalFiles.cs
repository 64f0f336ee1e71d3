using System.Diagnostics;
using System.Globalization;

namespace Wake.Terminal;

/// <summary>
/// Files about the terminals that are open now, in the user's cache: which process waits for which session, and the
/// texts of status lines.
/// </summary>
static class TerminalFiles
{
    /// <summary>What files of a terminal end in: its lock, the wake that passes next, and the one that has passed and
    /// that Wake was not told of.</summary>
    public const string Locked = ".lock",
        Admitted = ".admitted",
        Begun = ".begun";

    const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    // What a killed process has left behind is nobody's any more.
    static readonly TimeSpan StatusLifetime = TimeSpan.FromDays(7);

    static readonly string Folder = Path.Combine(
        Variables.Get("XDG_CACHE_HOME") ?? Path.Combine(ClaudeFolders.Home, ".cache"),
        "wake",
        "terminals"
    );

    /// <summary>Lets one process wait for a session in a terminal; null when another one does.</summary>
    public static IDisposable? Lock(int claude, Guid session)
    {
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(Folder);
        else
            Directory.CreateDirectory(Folder, OwnerOnly);
        DeleteStale();

        try
        {
            // It is not deleted with the lock: who opened it just before would hold one that nobody else sees.
            return new FileStream(
                OfTerminal(claude, session, Locked),
                FileMode.OpenOrCreate,
                FileAccess.ReadWrite,
                FileShare.None,
                bufferSize: 0
            );
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>A file about a session in a terminal.</summary>
    public static string OfTerminal(int claude, Guid session, string extension) =>
        Path.Combine(Folder, string.Create(CultureInfo.InvariantCulture, $"{claude}-{session:D}{extension}"));

    /// <summary>Shows a text in the status line of a session; an empty one for nothing.</summary>
    public static void WriteStatus(Guid session, string text)
    {
        var file = StatusFile(session);
        try
        {
            if (text.Length == 0)
            {
                File.Delete(file);
                return;
            }

            // A status line never sees half of it.
            var next = string.Create(CultureInfo.InvariantCulture, $"{file}.{Environment.ProcessId}");
            File.WriteAllText(next, text);
            File.Move(next, file, overwrite: true);
        }
        catch (Exception full) when (full is IOException or UnauthorizedAccessException)
        {
            // The old text stays. The wakes matter more.
        }
    }

    /// <summary>What was last shown; null for nothing.</summary>
    public static string? ReadStatus(Guid session)
    {
        try
        {
            return File.ReadAllText(StatusFile(session));
        }
        catch (Exception none) when (none is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    static void DeleteStale()
    {
        foreach (var file in new DirectoryInfo(Folder).EnumerateFiles())
        {
            var stale = file.Extension is Locked or Admitted or Begun
                ? int.TryParse(
                    file.Name[..Math.Max(0, file.Name.IndexOf('-', StringComparison.Ordinal))],
                    NumberStyles.None,
                    CultureInfo.InvariantCulture,
                    out var id
                ) && !Exists(id)
                : DateTime.UtcNow - file.LastWriteTimeUtc > StatusLifetime;
            if (stale)
                file.Delete();
        }
    }

    static bool Exists(int process)
    {
        if (OperatingSystem.IsLinux())
            return Directory.Exists(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}"));

        try
        {
            Process.GetProcessById(process).Dispose();
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    static string StatusFile(Guid session) => Path.Combine(Folder, $"{session:D}.status");
}
