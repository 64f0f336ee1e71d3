using System.Text.Json;
using Wake.Runner;

namespace Wake.Cli;

/// <summary>
/// Where a Claude session works, by the transcripts the CLI keeps on this machine:
/// <c>projects/&lt;slug of the directory&gt;/&lt;session id&gt;.jsonl</c>, whose rows carry the directory as
/// <c>cwd</c>.
/// </summary>
static class LocalTranscripts
{
    /// <summary>The CLI's configuration folder: <c>$CLAUDE_CONFIG_DIR</c>, else <c>~/.claude</c>.</summary>
    public static string ConfigFolder =>
        Environment.GetEnvironmentVariable("CLAUDE_CONFIG_DIR") is { Length: > 0 } named
            ? named
            : Path.Combine(Home, ".claude");

    /// <summary>The user's home, even if it does not exist.</summary>
    public static string Home =>
        Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify);

    /// <summary>
    /// The directory the session was begun in, from where alone every CLI finds it again; null when there is no
    /// transcript of it. A session may have changed its directory: the one its folder is named after is the right one,
    /// unless it is a worktree that the session has entered, from where it goes on by itself.
    /// </summary>
    public static string? FindWorkspace(string configFolder, Guid claudeSessionId)
    {
        string? first = null;
        foreach (var transcript in ProjectFolder.TranscriptsOf(configFolder, claudeSessionId))
        {
            var folder = Path.GetFileName(Path.GetDirectoryName(transcript));
            List<string> directories = [];
            Dictionary<string, string> entered = [];

            foreach (var (directory, from) in File.ReadLines(transcript).Select(Directories))
            {
                if (directory is not null && from is not null)
                    entered[directory] = from;
                else if (directory is not null && !directories.Contains(directory))
                    directories.Add(directory);
            }

            first ??= directories.FirstOrDefault();
            if (directories.Concat(entered.Keys).FirstOrDefault(x => ProjectFolder.NameOf(x) == folder) is { } named)
                return entered.GetValueOrDefault(named, named);
        }

        return first;
    }

    // Where the session was as it wrote a row; of one that tells of a worktree, that, and where it came from. A row cut
    // off by a crash is no row; the CLI skips it too.
    static (string? Directory, string? From) Directories(string row)
    {
        if (
            !row.Contains("\"cwd\"", StringComparison.Ordinal)
            && !row.Contains("\"worktree-state\"", StringComparison.Ordinal)
        )
            return default;

        try
        {
            using var json = JsonDocument.Parse(row);
            return json.RootElement is not { ValueKind: JsonValueKind.Object } members ? default
                : members.TryGetProperty("worktreeSession", out var entered)
                && entered.ValueKind is JsonValueKind.Object
                    ? (Text(entered, "worktreePath"), Text(entered, "originalCwd"))
                : (Text(members, "cwd"), null);
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
        {
            return default;
        }
    }

    static string? Text(JsonElement members, string name) =>
        members.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String
            ? value.GetString()
            : null;
}
