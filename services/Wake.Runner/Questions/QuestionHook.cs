using System.Text.Json;
using System.Text.Json.Nodes;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// What lets a session ask a person without a process that waits: a hook of the CLI that puts every call of
/// AskUserQuestion off, and gives the calls that were settled meanwhile their answers. Disposing it deletes what was
/// written for one run.
/// </summary>
/// <remarks>The hook is a script that never changes. What somebody asked or answered is only in files, for this user
/// alone.</remarks>
sealed class QuestionHook : IDisposable
{
    // Without it the CLI hides the tool, since nobody could answer; with it, it asks the runner
    // (ClaudeOutput.Requests).
    const string PromptTool = "--permission-prompt-tool";
    const string Settings = "--settings";
    const string Prefix = "wake-questions-";

    // Missing where somebody delivers Wake without it; then there is nothing to ask with.
    static readonly string Script = Path.Combine(AppContext.BaseDirectory, "question-hook.sh");

    string? folder;

    QuestionHook(IReadOnlyList<string> arguments) => Arguments = arguments;

    /// <summary>The profile's further arguments, and those of the hook.</summary>
    public IReadOnlyList<string> Arguments { get; private set; }

    /// <summary>Sets it up for one run.</summary>
    /// <param name="profile">What its owner wants, settings of their own included.</param>
    /// <param name="workspace">Where the CLI will run.</param>
    /// <param name="settled">What was asked before in this turn.</param>
    public static QuestionHook Create(Profile profile, string workspace, IReadOnlyList<SettledQuestion> settled)
    {
        var (given, own) = SplitSettings(profile.Arguments);
        var hook = new QuestionHook(profile.Arguments);

        // Whoever named a prompt tool has taken such decisions elsewhere.
        if (given.Any(x => x.Split('=')[0] == PromptTool))
            return hook;

        if (profile.Questions is QuestionPolicy.Off || !File.Exists(Script))
        {
            // The prompt tool is for permissions alone then.
            if (profile.Permissions is PermissionPolicy.Ask)
                hook.Arguments =
                [
                    PromptTool,
                    "stdio",
                    $"--disallowedTools={ClaudeProtocol.QuestionTool}",
                    .. profile.Arguments,
                ];
            return hook;
        }

        // With settings that cannot be read the CLI does not start, and says why better than we could.
        if (ReadSettings(own, workspace) is not { } settings || !hook.TryAddHook(settings, settled))
            return hook;

        hook.Arguments = [PromptTool, "stdio", Settings, hook.SettingsArgument(settings, own), .. given];
        return hook;
    }

    /// <summary>What the hook says to a call that was settled.</summary>
    public static string HookOutput(SettledQuestion settled)
    {
        var decision = new JsonObject { ["hookEventName"] = "PreToolUse" };
        if (settled.AskAgain)
        {
            decision["permissionDecision"] = "deny";
            decision["permissionDecisionReason"] = Permissions.AskAgain;
        }
        else
        {
            var input = JsonNode.Parse(settled.Input)!;

            // Without answers the session is told that the user did not answer.
            if (settled.Answers is { } answers)
                input["answers"] = JsonNode.Parse(answers);
            decision["permissionDecision"] = "allow";
            decision["updatedInput"] = input;
        }

        return new JsonObject { ["hookSpecificOutput"] = decision }.ToJsonString();
    }

    public void Dispose()
    {
        if (folder is not null)
            SafeDelete.DeleteDirectory(folder, null, RunUser.AllowedOwners);
    }

    /// <summary>Deletes what dead runners wrote. Nothing where the kernel does not show which runners are
    /// alive.</summary>
    public static void DeleteStale()
    {
        if (ProcessTable.Self is null)
            return;

        string[] places = RunUser.Current is null
            ? [PrivateDirectory.GetTemporary()]
            : [PrivateDirectory.GetTemporary(), Path.GetTempPath()];
        foreach (var left in places.SelectMany(x => Directory.EnumerateDirectories(x, $"{Prefix}*")))
        {
            if (
                RunTag.Parse(Path.GetFileName(left)[Prefix.Length..].Split('-')[0]) is not { } mark
                || ProcessTable.IsRunnerAlive(mark)
            )
                continue;

            try
            {
                SafeDelete.DeleteDirectory(left, null, RunUser.AllowedOwners);
            }
            catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
            {
                // Another runner was quicker.
            }
        }
    }

    bool TryAddHook(JsonObject settings, IReadOnlyList<SettledQuestion> settled)
    {
        if (
            (settings["hooks"] ??= new JsonObject()) is not JsonObject hooks
            || (hooks["PreToolUse"] ??= new JsonArray()) is not JsonArray before
        )
            return false;

        var command = $"sh {Quoted(Script)}";
        foreach (var question in settled.Where(x => x.Tool == ClaudeProtocol.QuestionTool && IsFileName(x.ToolUseId)))
            WriteFile(question.ToolUseId, HookOutput(question));
        if (folder is not null)
            command += $" {Quoted(folder)}";

        before.Add(
            new JsonObject
            {
                ["matcher"] = ClaudeProtocol.QuestionTool,
                ["hooks"] = new JsonArray(new JsonObject { ["type"] = "command", ["command"] = command }),
            }
        );
        return true;
    }

    // What its owner keeps in a file may be meant for few, and everybody on a machine reads command lines.
    string SettingsArgument(JsonObject settings, string? own) =>
        own is null || own.TrimStart().StartsWith('{')
            ? settings.ToJsonString()
            : WriteFile("settings.json", settings.ToJsonString());

    // The CLI reads it, and where it is another user it cannot get into the runner's own.
    static string NewFolder()
    {
        var name = $"{Prefix}{ProcessTable.NewTag()}-";
        var made = RunUser.Current is null
            ? Path.Combine(PrivateDirectory.GetTemporary(), $"{name}{Guid.NewGuid():N}")
            : Directory.CreateTempSubdirectory(name).FullName;
        PrivateDirectory.Create(made);
        RunUser.Chown(made);
        return made;
    }

    string WriteFile(string name, string content)
    {
        folder ??= NewFolder();
        var path = Path.Combine(folder, name);
        RunUser.Impersonate(() => PrivateFile.WriteAtomically(path, content));
        return path;
    }

    // As the CLI itself: the last one counts.
    static (IReadOnlyList<string> Given, string? Settings) SplitSettings(IReadOnlyList<string> arguments)
    {
        List<string> given = [];
        string? settings = null;
        for (var i = 0; i < arguments.Count; i++)
        {
            if (arguments[i] == Settings && i + 1 < arguments.Count)
                settings = arguments[++i];
            else if (arguments[i].StartsWith($"{Settings}=", StringComparison.Ordinal))
                settings = arguments[i][(Settings.Length + 1)..];
            else
                given.Add(arguments[i]);
        }

        return (given, settings);
    }

    static JsonObject? ReadSettings(string? own, string workspace)
    {
        try
        {
            return own is null
                ? []
                : JsonNode.Parse(
                    own.TrimStart().StartsWith('{')
                        ? own
                        : RunUser.Impersonate(() => File.ReadAllText(Path.Combine(workspace, own)))
                ) as JsonObject;
        }
        catch (Exception unreadable) when (unreadable is JsonException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    static bool IsFileName(string id) =>
        id.Length is > 0 and < 200 && id.All(x => char.IsAsciiLetterOrDigit(x) || x is '_' or '-');

    static string Quoted(string path) => $"'{path.Replace("'", "'\\''")}'";
}
