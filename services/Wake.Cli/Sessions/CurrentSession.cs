using System.CommandLine;
using Wake.Runner;

namespace Wake.Cli;

/// <summary>The session a command is about, which may be the one that runs it.</summary>
static class CurrentSession
{
    /// <summary>An option that names it.</summary>
    /// <param name="description">What the command does with it.</param>
    /// <param name="otherwise">What is meant outside of a session; null where one must be named there.</param>
    public static Option<string?> CreateOption(string description, string? otherwise = null) =>
        new("--session")
        {
            HelpName = "SESSION",
            Description =
                $"{description} Its key, or the id of a Claude session, registered from its local transcript if "
                + "need be. "
                + "Default: WAKE_SESSION, or the Claude session this runs in"
                + (otherwise is null ? "." : $", else {otherwise}."),
        };

    /// <summary>The one meant. Claude Code tells the programs it starts which session they run in.</summary>
    public static string Resolve(string? named) =>
        Find(named) ?? throw new CommandException("Say with --session which session. Only inside of one it is known.");

    /// <summary>The one meant; null outside of a session that is not named.</summary>
    public static string? Find(string? named) =>
        named ?? Variable("WAKE_SESSION") ?? Variable("CLAUDE_CODE_SESSION_ID");

    /// <summary>The one meant by a program that lives as long as the <c>claude</c> that has started it: the session
    /// which that has open now. It has told which one it had then, and /clear begins another.</summary>
    public static string ResolveOfParent(string? named) =>
        named
        ?? Variable("WAKE_SESSION")
        ?? OpenSessions
            .List(LocalTranscripts.ConfigFolder)
            .FirstOrDefault(x => x.ProcessId == OpenSessions.ParentProcessId)
            ?.ClaudeSessionId.ToString()
        ?? Resolve(null);

    static string? Variable(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
}
