namespace Wake.Runner;

/// <summary>How the CLI names the folder of a directory below <c>projects/</c> (2.1.197 and 2.1.329 alike).</summary>
public static class ProjectFolder
{
    // A longer name is cut here and told apart by a hash.
    const int MaxLength = 200;

    /// <summary>The name for a directory, links in its path resolved.</summary>
    public static string NameOf(string directory)
    {
        var real = WorkspaceTrust.RealPath(Path.TrimEndingDirectorySeparator(directory));
        var name = string.Concat(real.Select(x => char.IsAsciiLetterOrDigit(x) ? x : '-'));
        return name.Length <= MaxLength ? name : $"{name[..MaxLength]}-{Base36(Math.Abs((long)Hash(real)))}";
    }

    /// <summary>The transcripts of a Claude session below a configuration folder, the one written last first.</summary>
    public static IReadOnlyList<string> TranscriptsOf(string configFolder, Guid claudeSessionId)
    {
        var projects = Path.Combine(configFolder, "projects");
        return !Directory.Exists(projects)
            ? []
            :
            [
                .. Directory
                    .EnumerateDirectories(projects)
                    .Select(x => Path.Combine(x, $"{claudeSessionId:D}.jsonl"))
                    .Where(File.Exists)
                    .OrderByDescending(File.GetLastWriteTimeUtc),
            ];
    }

    static int Hash(string text) => text.Aggregate(0, (hash, x) => unchecked((hash * 31) + x));

    static string Base36(long number) =>
        (number < 36 ? "" : Base36(number / 36)) + "0123456789abcdefghijklmnopqrstuvwxyz"[(int)(number % 36)];
}
