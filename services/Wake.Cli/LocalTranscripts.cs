using System.Text.Json;

namespace Wake.Cli;

/// <summary>
/// Where a Claude session works, by the transcripts the CLI keeps on this machine:
/// <c>projects/&lt;slug of the directory&gt;/&lt;session id&gt;.jsonl</c>, whose rows carry the directory as <c>cwd</c>.
/// </summary>
static class LocalTranscripts
{
    /// <summary>The CLI's configuration folder: <c>$CLAUDE_CONFIG_DIR</c>, else <c>~/.claude</c>.</summary>
    public static string ConfigFolder =>
        Environment.GetEnvironmentVariable("CLAUDE_CONFIG_DIR") is { Length: > 0 } named ? named
        : Path.Combine(Home, ".claude");

    /// <summary>The user's home, even if it does not exist.</summary>
    public static string Home =>
        Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify);

    /// <summary>
    /// The directory the session was begun in, from where alone every CLI finds it again; null when there is no transcript
    /// of it. A session may have changed its directory: the one its folder is named after is the right one.
    /// </summary>
    public static string? Workspace(string configFolder, Guid claudeSessionId)
    {
        var projects = Path.Combine(configFolder, "projects");
        if (!Directory.Exists(projects))
            return null;

        string? first = null;
        foreach (var folder in Directory.EnumerateDirectories(projects).Order(StringComparer.Ordinal))
        {
            var transcript = Path.Combine(folder, $"{claudeSessionId:D}.jsonl");
            if (!File.Exists(transcript))
                continue;

            foreach (var directory in File.ReadLines(transcript).Select(DirectoryOf).OfType<string>())
            {
                if (Slug(directory) == Path.GetFileName(folder))
                    return directory;

                first ??= directory;
            }
        }

        return first;
    }

    /// <summary>A directory as the name of its folder under <c>projects/</c>.</summary>
    public static string Slug(string directory) => string.Concat(directory.Select(x => char.IsAsciiLetterOrDigit(x) ? x : '-'));

    // A row cut off by a crash is no row; the CLI skips it too.
    static string? DirectoryOf(string row)
    {
        if (!row.Contains("\"cwd\"", StringComparison.Ordinal))
            return null;

        try
        {
            using var json = JsonDocument.Parse(row);
            return json.RootElement is { ValueKind: JsonValueKind.Object } members
                && members.TryGetProperty("cwd", out var cwd) && cwd.ValueKind is JsonValueKind.String ? cwd.GetString() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
