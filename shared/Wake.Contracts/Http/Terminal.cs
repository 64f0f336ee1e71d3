using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>
/// What a hook of Claude Code tells about a session that a person has open. Of what the person types nothing is said.
/// </summary>
/// <param name="Terminal">The process that has the session open, by a name that no other process ever has: host, number
/// and start. At most 200 characters.</param>
/// <param name="ProcessId">That process.</param>
/// <param name="Host">Its machine.</param>
/// <param name="Event">The hook: <c>SessionStart</c>, <c>UserPromptSubmit</c>, <c>Stop</c>, <c>StopFailure</c> or
/// <c>SessionEnd</c>.</param>
/// <param name="Workspace">The directory the session works in.</param>
public sealed record TerminalHook(string? Terminal, int ProcessId, string? Host, string? Event, string? Workspace)
{
    /// <summary>Of <c>SessionStart</c>: <c>startup</c>, <c>resume</c>, <c>clear</c> or <c>compact</c>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Source { get; init; }

    /// <summary>Of <c>SessionEnd</c> why it ended; of <c>StopFailure</c> what failed.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Reason { get; init; }

    /// <summary>Of <c>UserPromptSubmit</c> the prompt, if it is one that the CLI made from a wake.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Prompt { get; init; }

    /// <summary>Whether <c>SessionStart</c> registers a session that Wake does not know.</summary>
    public bool Register { get; init; }
}

/// <summary>What a hook does then.</summary>
/// <param name="Context">What the model is to know; null for nothing.</param>
/// <param name="Message">What the person is shown; null for nothing.</param>
/// <param name="Block">Why the prompt is not taken now; null when it is.</param>
public sealed record TerminalHookAnswer(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Context,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Message,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Block
);

/// <summary>A terminal that waits for the session's next wake. As long as it is connected it attends the
/// session.</summary>
/// <param name="Terminal">As in <see cref="TerminalHook"/>.</param>
/// <param name="ProcessId">As in <see cref="TerminalHook"/>.</param>
/// <param name="Host">As in <see cref="TerminalHook"/>.</param>
/// <param name="Waiter">The waiting process, by an id of its own: of two the newer one counts.</param>
/// <param name="Idle">Whether no turn is under way there; null when that is not known.</param>
public sealed record TerminalWait(string? Terminal, int ProcessId, string? Host, Guid Waiter, bool? Idle);

/// <summary>A line of what a waiting terminal is sent, as JSON without line breaks.</summary>
/// <param name="Type">
/// <c>ping</c>, which keeps the connection; <c>status</c>, a new text for the status line; <c>wake</c>, a turn that is
/// the terminal's once it has acknowledged it; <c>end</c>: it waits in vain and ends.
/// </param>
/// <param name="Text">Of <c>status</c> one line, empty for none; of <c>wake</c> what the session reads; of <c>end</c>
/// why.</param>
public sealed record TerminalLine(
    string Type,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Text
)
{
    /// <summary>The type of a line that keeps the connection.</summary>
    public const string Ping = "ping";

    /// <summary>The type of a line with a new text for the status line.</summary>
    public const string Status = "status";

    /// <summary>The type of a line with a turn.</summary>
    public const string Wake = "wake";

    /// <summary>The type of the last line for a terminal that waits in vain.</summary>
    public const string End = "end";

    /// <summary>Which of the session's wakes a line <c>wake</c> brings.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? WakeNumber { get; init; }

    /// <summary>Of <c>wake</c> the epoch of the claim.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Epoch { get; init; }
}

/// <summary>A terminal takes a turn that it was sent: said immediately before the session is woken.</summary>
/// <param name="Terminal">As in <see cref="TerminalHook"/>.</param>
/// <param name="Waiter">As in <see cref="TerminalWait"/>.</param>
/// <param name="WakeNumber">The wake.</param>
/// <param name="Epoch">The epoch of the claim.</param>
public sealed record TerminalAcknowledgement(string? Terminal, Guid Waiter, int WakeNumber, long Epoch);

/// <summary>What a terminal does has changed otherwise than by a hook, for instance by the key Esc.</summary>
/// <param name="Terminal">As in <see cref="TerminalHook"/>.</param>
/// <param name="Waiter">As in <see cref="TerminalWait"/>.</param>
/// <param name="Idle">Whether no turn is under way there.</param>
public sealed record TerminalState(string? Terminal, Guid Waiter, bool Idle)
{
    /// <summary>A wake that the terminal had taken was put back into its input line before the session had read it, as
    /// the key Esc does.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Unread { get; init; }
}

/// <summary>A file of a transcript as it is stored.</summary>
/// <param name="Path">Empty for the transcript itself; else below the folder of the same name, with forward
/// slashes.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Sha256">The hash of these bytes, in hexadecimal digits.</param>
public sealed record StoredTranscriptFile(string Path, long Bytes, string Sha256);
