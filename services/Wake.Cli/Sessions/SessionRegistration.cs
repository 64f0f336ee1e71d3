using System.Net;
using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary>Lets a session be named by the id of its Claude session, also one that Wake has not heard of yet.</summary>
static class SessionRegistration
{
    // As many as the API gives at once.
    const int PageSize = 1000;

    /// <summary>
    /// Asks about a session by the name given. If Wake knows none of that name and it is the id of a Claude session,
    /// asks once more by the key of the session that has it, registering it from its local transcript if need be.
    /// </summary>
    /// <returns>The key that was answered for, and the answer.</returns>
    public static async Task<(string Key, ApiResponse Answer)> SendWithRegistration(
        WakeClient wake,
        string named,
        Func<string, Task<ApiResponse>> ask,
        CancellationToken cancel
    )
    {
        var answer = await ask(named);
        if (!answer.IsNotFound)
            return (named, answer);

        if (!Guid.TryParseExact(named, "D", out var claudeSessionId))
        {
            throw new CommandException(
                $"There is no open session {named}. wake sessions lists them. To register it: wake sessions add KEY "
                    + "--workspace DIR"
            );
        }

        var key = await EnsureRegistered(wake, claudeSessionId, cancel);
        return (key, await ask(key));
    }

    static async Task<string> EnsureRegistered(WakeClient wake, Guid claudeSessionId, CancellationToken cancel)
    {
        var folder = LocalTranscripts.ConfigFolder;
        if (LocalTranscripts.FindWorkspace(folder, claudeSessionId) is not { } workspace)
        {
            return await FindOwner(wake, claudeSessionId, cancel)
                ?? throw new CommandException(
                    $"There is no open session {claudeSessionId}, and no transcript of a Claude session of that id "
                        + $"under {Path.Combine(folder, "projects")}. If another configuration folder keeps it, name "
                        + "that in CLAUDE_CONFIG_DIR. If it is on another machine, register it: "
                        + $"wake sessions add {claudeSessionId} --claude-session {claudeSessionId} --workspace DIR"
                );
        }

        var key = claudeSessionId.ToString();
        var answer = await wake.Post(
            "/v1/sessions",
            new NewSession(key, workspace, ClaudeSessionId: key, Profile: null),
            RequestJson.Default.NewSession,
            cancel
        );

        if (answer.Status is HttpStatusCode.Conflict && answer.Problem?.Owner is { } owner)
        {
            Output.Note($"Claude session {key} belongs to the session {owner}.");
            return owner;
        }

        var session = answer.EnsureSuccess().ReadAs(CliJson.Default.Session);
        Output.Note($"Registered Claude session {key}, which works in {workspace}.");
        if (session.Notice is { } notice)
            Output.Note(notice);
        return key;
    }

    // Its transcript is elsewhere, yet a session may have it.
    static async Task<string?> FindOwner(WakeClient wake, Guid claudeSessionId, CancellationToken cancel)
    {
        for (var after = ""; ; )
        {
            var sessions = (
                await wake.Get($"/v1/sessions?limit={PageSize}&after={Uri.EscapeDataString(after)}", cancel)
            )
                .EnsureSuccess()
                .ReadAs(CliJson.Default.SessionArray);

            if (Array.Find(sessions, x => x.ClaudeSessionIds.Contains(claudeSessionId)) is { Key: var owner })
            {
                Output.Note($"Claude session {claudeSessionId} belongs to the session {owner}.");
                return owner;
            }

            if (sessions.Length < PageSize)
                return null;

            after = sessions[^1].Key;
        }
    }
}
