using Microsoft.Extensions.Options;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// What is recorded about the session around a run, beside the outcome of the turn. A record that cannot be written is
/// logged and left out: the turn has run.
/// </summary>
sealed class RunRecords(
    Sessions sessions,
    TurnHolds holds,
    RunnerName name,
    IOptions<RunnerOptions> options,
    ILogger<RunRecords> log
)
{
    /// <summary>
    /// Records that the CLI has opened the session: early, so that a crash in this very turn leaves a session that is
    /// known to have a transcript. Nothing waits for it: the turn's ending records it as well.
    /// </summary>
    public Task RecordOpened(ClaimedTurn turn, Guid claudeSessionId) =>
        TryRecord(
            turn,
            "that the session was opened",
            () => sessions.MarkClaudeSessionOpened(turn.SessionId, claudeSessionId, CancellationToken.None)
        );

    /// <summary>
    /// Records which MCP servers the session has, and returns for people which it lacks. A session that lost the one it
    /// registers watches with would never be woken again.
    /// </summary>
    public async Task<string?> RecordMcpServers(ClaimedTurn turn, IReadOnlyDictionary<string, bool>? servers)
    {
        if (servers is null)
            return null;

        if (turn.McpServers is null || !turn.McpServers.ToHashSet().SetEquals(servers.Keys))
            await TryRecord(
                turn,
                "which MCP servers it has",
                () =>
                    sessions.SaveMcpServers(
                        turn.SessionId,
                        [.. servers.Keys.Order(StringComparer.Ordinal)],
                        CancellationToken.None
                    )
            );

        return TurnNote.Join(
            Named("without the MCP servers it had before", (turn.McpServers ?? []).Where(x => !servers.ContainsKey(x))),
            Named("MCP servers that did not start", servers.Where(x => !x.Value).Select(x => x.Key))
        );

        static string? Named(string what, IEnumerable<string> names) =>
            names.Order(StringComparer.Ordinal).ToList() is { Count: > 0 } some
                ? $"{what}: {string.Join(", ", some)}"
                : null;
    }

    /// <summary>Records where else the session is open, and whether the message became part of its history.</summary>
    /// <param name="turn">The turn.</param>
    /// <param name="openElsewhere">Who else has the session open; null for nobody.</param>
    /// <param name="onBranch">Whether the message is on the branch that the next turn goes on from; null when that is
    /// not known.</param>
    public Task RecordHistory(ClaimedTurn turn, string? openElsewhere, bool? onBranch) =>
        TryRecord(
            turn,
            "what became of the session's history",
            () => holds.RecordHistory(turn, openElsewhere, onBranch, CancellationToken.None)
        );

    /// <summary>
    /// Records that a process stays with the session. False: it must not stay, since a session registered anew could
    /// run beside a process that the store does not know of.
    /// </summary>
    public async Task<bool> TryRegisterWarm(ClaimedTurn turn, Guid claudeSessionId)
    {
        try
        {
            return await holds.MarkWarm(turn, claudeSessionId, name.Value, options.Value.Lease, CancellationToken.None);
        }
        catch (Exception failed) when (PostgresErrors.IsFailure(failed))
        {
            return false;
        }
    }

    async Task TryRecord(ClaimedTurn turn, string what, Func<Task> record)
    {
        try
        {
            await record();
        }
        catch (Exception failed) when (PostgresErrors.IsFailure(failed))
        {
            log.LogWarning(
                "{SessionKey} wake {Wake}: {What} could not be noted ({Reason}).",
                turn.SessionKey,
                turn.WakeNumber,
                what,
                failed.Message
            );
        }
    }
}
