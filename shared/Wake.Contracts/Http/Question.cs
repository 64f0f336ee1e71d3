using System.Text.Json;
using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>
/// What a session asks a person: one call of AskUserQuestion with all its questions, or whether it may call another
/// tool. Its turn waits meanwhile.
/// </summary>
/// <param name="Id">Its id.</param>
/// <param name="Session">The key of the session.</param>
/// <param name="Wake">The wake whose turn asks.</param>
/// <param name="Questions">The questions, in the order asked; none when it asks for a permission.</param>
/// <param name="Permission">What it asks to be allowed; null when it asks questions.</param>
/// <param name="AskedAt">When it was asked.</param>
/// <param name="Deadline">When the turn goes on without an answer; null when it waits however long.</param>
/// <param name="Outcome">How it was settled; null while it is open.</param>
/// <param name="SettledAt">When it was settled; null while it is open.</param>
/// <param name="Answers">What was answered, by the text of the question; null when it was not.</param>
/// <param name="Decision">What was decided about the permission; null when nothing was.</param>
public sealed record Question(
    Guid Id,
    string Session,
    int Wake,
    IReadOnlyList<QuestionItem> Questions,
    PermissionRequest? Permission,
    DateTimeOffset AskedAt,
    DateTimeOffset? Deadline,
    QuestionOutcome? Outcome,
    DateTimeOffset? SettledAt,
    IReadOnlyDictionary<string, string>? Answers,
    PermissionAnswer? Decision
)
{
    /// <summary>Who answered; null while nobody has, and where that is not known.</summary>
    public string? AnsweredBy { get; init; }
}

/// <summary>One question of a call, as the model wrote it: untrusted text.</summary>
/// <param name="Question">The question, by whose text it is answered.</param>
/// <param name="Header">A word for it; null for none.</param>
/// <param name="MultiSelect">Whether several options may be chosen.</param>
/// <param name="Options">What it offers; any other text may be answered too.</param>
public sealed record QuestionItem(
    string Question,
    string? Header,
    bool MultiSelect,
    IReadOnlyList<QuestionOption> Options
);

/// <summary>An option of a question.</summary>
/// <param name="Label">What is answered when it is chosen.</param>
/// <param name="Description">What it means; null when nothing is said about it.</param>
public sealed record QuestionOption(string Label, string? Description);

/// <summary>A tool call that the CLI's own rules leave to a person.</summary>
/// <param name="Tool">The tool.</param>
/// <param name="Input">
/// What it would be called with, as the model wrote it: untrusted. Of long texts the head and the tail stand there with
/// the number of characters between them, and what looks like a secret is taken out.
/// </param>
/// <param name="Why">Why the CLI asks; null when it does not say.</param>
public sealed record PermissionRequest(string Tool, JsonElement Input, string? Why)
{
    /// <summary>Whether the input is all of it. If not, the question itself (<c>GET /v1/questions/{id}</c>) has the
    /// whole call.</summary>
    public bool Whole { get; init; }

    /// <summary>
    /// The whole input as JSON, in which everything that cannot be seen is an escape. Null in lists, and where the
    /// runner has not kept it.
    /// </summary>
    public string? Call { get; init; }

    /// <summary>
    /// What to name in order to allow it: the SHA-256 of the tool, a line feed and the whole call, in hexadecimal. Null
    /// where the whole is not shown.
    /// </summary>
    public string? Hash { get; init; }

    /// <summary>Whether it can be allowed for the session. A long call, and one out of which a secret was taken, is
    /// allowed once at a time.</summary>
    public bool FitsSession { get; init; }
}

/// <summary>What a person decided about a tool call.</summary>
/// <param name="Allow">Whether it is made.</param>
/// <param name="Message">What the session is told when it is not; null for nothing.</param>
public sealed record PermissionAnswer(bool Allow, string? Message)
{
    /// <summary>The hash of the call that was allowed. No other call is made, and none without it.</summary>
    public string? Shown { get; init; }

    /// <summary>Whether the session may make the same call again without asking, until that is withdrawn or the session
    /// is reset.</summary>
    public bool ForSession { get; init; }
}

/// <summary>A call that a session may make without asking: exactly this one.</summary>
/// <param name="Question">The question that was answered so; by its id it is withdrawn.</param>
/// <param name="Tool">The tool.</param>
/// <param name="Call">The whole of its input as JSON, as the person was shown it. What describes a command to people
/// makes no difference.</param>
/// <param name="AllowedAt">When it was allowed.</param>
/// <param name="AllowedBy">Who has allowed it; null when that is not known.</param>
public sealed record AllowedCall(Guid Question, string Tool, string Call, DateTimeOffset AllowedAt, string? AllowedBy);

/// <summary>How a question was settled.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<QuestionOutcome>))]
public enum QuestionOutcome
{
    /// <summary>A person answered, and the session is told.</summary>
    Answered,

    /// <summary>Nobody did before its deadline, or before a person woke the session instead; the session is told
    /// that.</summary>
    NoAnswer,

    /// <summary>Its session was closed.</summary>
    Superseded,
}

/// <summary>An answer.</summary>
/// <param name="Answers">
/// For the text of each question the label of an option or any other text, or, where several may be chosen, a list of
/// them.
/// </param>
/// <param name="Allow">Where it asks to be allowed something: whether it is.</param>
/// <param name="Message">What the session is told when it is not allowed. Default: nothing.</param>
/// <param name="Hash">Of what is allowed: the hash of the whole call, as the question has it
/// (<c>permission.hash</c>).</param>
/// <param name="Shown">The former name of <c>hash</c>, which an older wake sends. Goes with the next version.</param>
/// <param name="ForSession">Where it is allowed: whether the session may make the same call again without asking, until
/// that is withdrawn or the session is reset. Default: false, this once.</param>
public sealed record NewAnswer(
    Dictionary<string, JsonElement>? Answers,
    bool? Allow,
    string? Message,
    string? Hash = null,
    string? Shown = null,
    bool ForSession = false
);
