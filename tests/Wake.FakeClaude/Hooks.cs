using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Wake.FakeClaude;

/// <summary>What a PreToolUse hook says about a call.</summary>
abstract record HookDecision
{
    public sealed record Defer : HookDecision;

    public sealed record Allow(JsonObject? UpdatedInput) : HookDecision;

    public sealed record Deny(string Reason) : HookDecision;

    /// <summary>No hook, or one without an opinion.</summary>
    public sealed record None : HookDecision;
}

/// <summary>Runs the PreToolUse hooks of <c>--settings</c> and of the user's settings, as the real program
/// does.</summary>
sealed class Hooks(Session session)
{
    public HookDecision BeforeTool(JsonObject call)
    {
        foreach (var command in Commands(call.Text("name")!))
        {
            var said = Json.Parse(Run(command, call)).At("hookSpecificOutput");
            switch (said.Text("permissionDecision"))
            {
                case "defer":
                    return new HookDecision.Defer();

                case "allow":
                    return new HookDecision.Allow(said.At("updatedInput")?.DeepClone() as JsonObject);

                case "deny":
                    return new HookDecision.Deny(said.Text("permissionDecisionReason") ?? "Denied by a hook.");
            }
        }

        return new HookDecision.None();
    }

    IEnumerable<string> Commands(string tool) =>
        from settings in Settings()
        from entry in settings.At("hooks", "PreToolUse") as JsonArray ?? []
        where entry.Text("matcher") is null or "" or "*" || entry.Text("matcher")!.Split('|').Contains(tool)
        from hook in entry.At("hooks") as JsonArray ?? []
        where hook.Text("command") is not null
        select hook.Text("command");

    IEnumerable<JsonObject> Settings()
    {
        if (session.Cli.Arguments.Settings is { } given)
            yield return Json.Parse(given.TrimStart().StartsWith('{') ? given : File.ReadAllText(given)) ?? [];

        if (File.Exists(session.Cli.Config.UserSettings))
            yield return Json.Parse(File.ReadAllText(session.Cli.Config.UserSettings)) ?? [];
    }

    string Run(string command, JsonObject call)
    {
        using var shell = Process.Start(
            new ProcessStartInfo("/bin/sh", ["-c", command])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                Environment =
                {
                    ["CLAUDE_PROJECT_DIR"] = Environment.CurrentDirectory,
                    ["CLAUDE_CODE_SESSION_ID"] = session.Id,
                    ["CLAUDE_CODE_ENTRYPOINT"] = "sdk-cli",
                },
            }
        )!;

        var input = new JsonObject
        {
            ["session_id"] = session.Id,
            ["transcript_path"] = session.Transcript.Path,
            ["cwd"] = Environment.CurrentDirectory,
            ["hook_event_name"] = "PreToolUse",
            ["permission_mode"] = session.Cli.Arguments.PermissionMode,
            ["tool_name"] = call.Text("name"),
            ["tool_input"] = call["input"]?.DeepClone(),
            ["tool_use_id"] = call.Text("id"),
        };

        try
        {
            shell.StandardInput.WriteLine(input.ToLine());
            shell.StandardInput.Close();
        }
        // A hook is free not to read its input.
        catch (IOException) { }

        var output = shell.StandardOutput.ReadToEnd();
        shell.WaitForExit();
        return output;
    }
}
