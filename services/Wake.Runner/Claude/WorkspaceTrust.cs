using System.Runtime.InteropServices;
using System.Text.Json;

namespace Wake.Runner;

/// <summary>
/// What a workspace brings along for the CLI: instructions, settings with hooks and permissions, MCP servers. In
/// <c>-p</c> the CLI takes all of it without asking, hooks and servers of a folder that nobody has trusted included
/// (2.1.197, 2.1.329), so Wake asks for it only where the folder's owner has trusted it.
/// </summary>
public static class WorkspaceTrust
{
    /// <summary>What <c>--setting-sources</c> is told in a folder that is not trusted.</summary>
    public const string UserSourceOnly = "user";

    public const string AllSources = "user,project,local";

    static readonly string[] Files =
    [
        "CLAUDE.md",
        "CLAUDE.local.md",
        ".claude/CLAUDE.md",
        ".claude/settings.json",
        ".claude/settings.local.json",
        ".mcp.json",
    ];

    /// <summary>The file in which the CLI keeps what it knows of folders, for these variables.</summary>
    public static string StateFile(IReadOnlyDictionary<string, string> environment) =>
        environment.TryGetValue("CLAUDE_CONFIG_DIR", out var named) && named.Length > 0
            ? Path.Combine(named, ".claude.json")
            : Path.Combine(environment.TryGetValue("HOME", out var home) ? home : "/", ".claude.json");

    /// <summary>
    /// Whether its owner has said in the CLI that they trust the folder, by the CLI's own rule: what counts is the root
    /// of its repository, for a worktree that of the main one, without symbolic links; where there is no repository,
    /// the folder itself. What lies below a trusted folder is not trusted.
    /// </summary>
    public static bool IsTrusted(string stateFile, string workspace)
    {
        using var state = ReadState(stateFile);
        return FindProject(state, workspace) is { } project
            && project.TryGetProperty("hasTrustDialogAccepted", out var accepted)
            && accepted.ValueKind is JsonValueKind.True;
    }

    /// <summary>What a turn with <see cref="UserSourceOnly"/> goes without there, for people; null when there is
    /// nothing.</summary>
    public static string? FindUntrustedSetup(string stateFile, string workspace)
    {
        using var state = ReadState(stateFile);
        List<string> parts =
        [
            .. Folders(workspace)
                .SelectMany(folder => Files.Where(x => File.Exists(Path.Combine(folder, x))))
                .Distinct(),
        ];

        if (
            FindProject(state, workspace) is { } project
            && project.TryGetProperty("mcpServers", out var servers)
            && servers.ValueKind is JsonValueKind.Object
        )
            parts.AddRange(servers.EnumerateObject().Select(x => $"the MCP server {x.Name}"));

        return parts is [] ? null : string.Join(", ", parts);
    }

    /// <summary>The sentence about it.</summary>
    /// <param name="leftOut">What <see cref="FindUntrustedSetup"/> found.</param>
    /// <param name="profile">The name of the session's profile.</param>
    public static string ExplainUntrusted(string leftOut, string profile) =>
        $"without {leftOut}: nobody has trusted the folder. Run claude there once and accept it, or set "
        + $"Profiles__{profile}__SettingSources={AllSources}";

    // The workspace, and those above it in the same repository.
    static IEnumerable<string> Folders(string workspace)
    {
        var root = RepositoryOf(workspace)?.Root ?? workspace;
        for (var folder = workspace; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            yield return folder;
            if (folder == root)
                yield break;
        }
    }

    static JsonElement? FindProject(JsonDocument? state, string workspace)
    {
        var key = RepositoryOf(RealPath(workspace)) is { } repository ? repository.Main : RealPath(workspace);
        return
            state?.RootElement is { ValueKind: JsonValueKind.Object } root
            && root.TryGetProperty("projects", out var projects)
            && projects.ValueKind is JsonValueKind.Object
            && projects.TryGetProperty(key, out var project)
            && project.ValueKind is JsonValueKind.Object
            ? project
            : null;
    }

    static JsonDocument? ReadState(string stateFile)
    {
        try
        {
            return JsonDocument.Parse(File.ReadAllBytes(stateFile));
        }
        catch (Exception unreadable) when (unreadable is JsonException or IOException or UnauthorizedAccessException)
        {
            // Nothing is trusted then; the CLI says itself what is wrong with its file.
            return null;
        }
    }

    static (string Root, string Main)? RepositoryOf(string folder)
    {
        for (var root = folder; root is not null; root = Path.GetDirectoryName(root))
        {
            var git = Path.Combine(root, ".git");
            if (Directory.Exists(git))
                return (root, root);
            if (File.Exists(git))
                return (root, MainOf(git) ?? root);
        }

        return null;
    }

    // A worktree names its place in the main repository, which has to name the worktree as well: anybody can write such
    // a file.
    static string? MainOf(string gitFile)
    {
        const string Names = "gitdir: ";
        try
        {
            var said = File.ReadAllText(gitFile).Trim();
            if (!said.StartsWith(Names, StringComparison.Ordinal))
                return null;

            var place = Path.GetFullPath(said[Names.Length..], Path.GetDirectoryName(gitFile)!);
            var back = Path.GetFullPath(File.ReadAllText(Path.Combine(place, "gitdir")).Trim(), place);
            var common = Path.GetFullPath(File.ReadAllText(Path.Combine(place, "commondir")).Trim(), place);
            return RealPath(back) == RealPath(gitFile) && Path.GetFileName(common) == ".git"
                ? RealPath(Path.GetDirectoryName(common)!)
                : null;
        }
        catch (Exception unreadable)
            when (unreadable is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>A path without symbolic links; as it is where it cannot be followed.</summary>
    internal static string RealPath(string path)
    {
        var found = Resolve(path, 0);
        if (found == 0)
            return path;

        try
        {
            return Marshal.PtrToStringUTF8(found)!;
        }
        finally
        {
            Free(found);
        }
    }

    [DllImport("libc", EntryPoint = "realpath", BestFitMapping = false, ThrowOnUnmappableChar = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern nint Resolve([MarshalAs(UnmanagedType.LPUTF8Str)] string path, nint resolved);

    [DllImport("libc", EntryPoint = "free")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    static extern void Free(nint memory);
}
