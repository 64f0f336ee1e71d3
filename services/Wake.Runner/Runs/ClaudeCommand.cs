using System.Globalization;
using Wake.Store;

namespace Wake.Runner;

/// <summary>One run of the CLI.</summary>
/// <param name="SessionId">The Claude session.</param>
/// <param name="Resume">Go on with it, or begin it.</param>
/// <param name="Workspace">The directory to run in.</param>
/// <param name="Profile">What the session may do.</param>
/// <param name="MessageId">The message's identity: the CLI takes each id once, in this process or any later
/// one.</param>
/// <param name="MayRepeatMessage">Whether the CLI may have taken this very message up before, and died over it.</param>
/// <param name="Prompt">The message.</param>
sealed record ClaudeCommand(
    Guid SessionId,
    bool Resume,
    string Workspace,
    Profile Profile,
    Guid MessageId,
    bool MayRepeatMessage,
    string Prompt
)
{
    /// <summary>The session it runs for, whatever Claude session that has.</summary>
    public Guid OwnerSessionId { get; init; }

    /// <summary>What its process shows to the API; null for nothing.</summary>
    public RunCredentials? Credentials { get; init; }

    /// <summary>The transcript to resume, if the CLI would not find it by the session's id from that
    /// directory.</summary>
    public string? Transcript { get; init; }

    /// <summary>Whether its process may stay for the session's next message.</summary>
    public bool CanStayWarm { get; init; }

    /// <summary>Whose settings count: the user's own, or the workspace's as well.</summary>
    public string SettingSources { get; init; } = Profile.SettingSources ?? WorkspaceTrust.UserSourceOnly;

    /// <summary>What follows those made here.</summary>
    public IReadOnlyList<string> ExtraArguments { get; init; } = Profile.Arguments;

    /// <summary>What is answered when the CLI asks whether it may call a tool.</summary>
    public Permissions Permissions { get; init; } = new(Profile.Permissions, []);

    /// <summary>
    /// The arguments. Lists are joined with = because the CLI's list options swallow what follows them; nothing of it
    /// comes from an event, and no shell ever sees it.
    /// </summary>
    public IReadOnlyList<string> Arguments()
    {
        List<string> arguments =
        [
            "-p",
            "--input-format",
            "stream-json",
            "--output-format",
            "stream-json",
            "--verbose",
            "--replay-user-messages",
            Resume ? "--resume" : "--session-id",
            Resume && Transcript is not null ? Transcript : SessionId.ToString(),
            "--setting-sources",
            SettingSources,
        ];

        if (Profile.Model is { } model)
            arguments.AddRange(["--model", model]);
        if (Profile.PermissionMode is { } mode)
            arguments.AddRange(["--permission-mode", mode]);
        if (Profile.AllowedTools is { Count: > 0 } allowed)
            arguments.Add($"--allowedTools={string.Join(',', allowed)}");
        if (Profile.DisallowedTools is { Count: > 0 } disallowed)
            arguments.Add($"--disallowedTools={string.Join(',', disallowed)}");
        if (Profile.MaxTurns is { } turns)
            arguments.AddRange(["--max-turns", turns.ToString(CultureInfo.InvariantCulture)]);
        if (Profile.MaxBudgetUsd is { } budget)
            arguments.AddRange(["--max-budget-usd", budget.ToString(CultureInfo.InvariantCulture)]);

        arguments.AddRange(ExtraArguments);
        return arguments;
    }

    public byte[] UserMessageLine() => ClaudeProtocol.UserMessageLine(Prompt, MessageId);
}
