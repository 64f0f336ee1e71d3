using System.Text.Json;
using System.Text.Json.Serialization;

namespace Wake.Store;

/// <summary>
/// What a session asks a person: one call of AskUserQuestion with all its questions, or whether it may call another
/// tool. Its turn waits meanwhile.
/// </summary>
/// <param name="Id">Its id.</param>
/// <param name="Session">The key of the session.</param>
/// <param name="Wake">The wake whose turn asks.</param>
/// <param name="Questions">The questions, in the order asked; none when it asks for a permission.</param>
/// <param name="Permission">What it asks to be allowed; null when it asks questions.</param>
/// <param name="AskedAt">When.</param>
/// <param name="Deadline">When the turn goes on without an answer; null when it waits however long.</param>
/// <param name="Outcome">How it was settled; null while it is open.</param>
/// <param name="SettledAt">When that was.</param>
/// <param name="Answers">What was answered, by the text of the question.</param>
/// <param name="Decision">What was decided about the permission.</param>
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
    /// <summary>Who answered, for people; null while nobody has, and where that is not known.</summary>
    public string? AnsweredBy { get; init; }
}

/// <summary>A tool call that the CLI's own rules leave to a person.</summary>
/// <param name="Tool">The tool.</param>
/// <param name="Input">
/// What it would be called with, as the model wrote it: untrusted. Of long texts the head and the tail stand there with
/// the number of characters between them, and what looks like a secret is taken out.
/// </param>
/// <param name="Why">Why the CLI asks.</param>
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
    /// Whether it can be allowed for a session: it is short enough, and no secret was taken out of it, since another
    /// secret in its place would look the same.
    /// </summary>
    [JsonIgnore]
    public bool FitsSession =>
        Call is null
        || (
            Call.Length <= PermissionAnswer.MaxCallForSession
            && !Call.Contains(PermissionAnswer.InPlaceOfASecret, StringComparison.Ordinal)
        );

    /// <summary>
    /// What to name in order to allow it: the SHA-256 of the tool, a line feed and the whole call, in hexadecimal. Null
    /// where the whole is not shown.
    /// </summary>
    public string? Hash { get; init; }
}

/// <summary>What a person decided about a tool call.</summary>
/// <param name="Allow">Whether it is made.</param>
/// <param name="Message">What the session is told when it is not.</param>
public sealed record PermissionAnswer(bool Allow, string? Message)
{
    /// <summary>The longest call that can be allowed for a session, in characters.</summary>
    public const int MaxCallForSession = 8 * 1024;

    /// <summary>What the runner writes where a secret stood.</summary>
    public const string InPlaceOfASecret = "[redacted]";

    /// <summary>The hash of the call that was allowed. No other call is made, and none without it.</summary>
    public string? Shown { get; init; }

    /// <summary>Whether the session may make the same call again without asking; see <see
    /// cref="AllowedCall"/>.</summary>
    public bool ForSession { get; init; }
}

/// <summary>
/// A call that a person has allowed for as long as a session lasts: until it is withdrawn, or the session is reset.
/// Exactly this call, and no pattern.
/// </summary>
/// <param name="Question">The question that was answered so.</param>
/// <param name="Tool">The tool.</param>
/// <param name="Call">The whole of its input, as the person was shown it.</param>
/// <param name="AllowedAt">When.</param>
/// <param name="AllowedBy">Who has allowed it, for people; null when that is not known.</param>
public sealed record AllowedCall(Guid Question, string Tool, string Call, DateTimeOffset AllowedAt, string? AllowedBy);

/// <summary>How a question was settled.</summary>
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

/// <summary>One question of a call, as the model wrote it: untrusted text.</summary>
/// <param name="Question">The question, by whose text it is answered.</param>
/// <param name="Header">A word for it.</param>
/// <param name="MultiSelect">Whether several options may be chosen.</param>
/// <param name="Options">What it offers; any other text may be answered too.</param>
public sealed record QuestionItem(
    string Question,
    string? Header,
    bool MultiSelect,
    IReadOnlyList<QuestionOption> Options
)
{
    /// <summary>The tool that asks questions; any other asks to be called.</summary>
    public const string ToolName = "AskUserQuestion";

    // Far beyond what a person would read.
    const int MaxInput = 256 * 1024;

    /// <summary>The questions in a call's input; empty when a person could not be asked them.</summary>
    public static IReadOnlyList<QuestionItem> Parse(string input)
    {
        if (input.Length > MaxInput)
            return [];

        try
        {
            var items = JsonSerializer.Deserialize<Call>(input, JsonSerializerOptions.Web)?.Questions ?? [];
            return items.Any(x => string.IsNullOrWhiteSpace(x?.Question))
                ? []
                :
                [
                    .. items.Select(x =>
                        x! with
                        {
                            Options = [.. (x.Options ?? []).Where(option => option?.Label is not null)],
                        }
                    ),
                ];
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
        {
            return [];
        }
    }

    sealed record Call(IReadOnlyList<QuestionItem?>? Questions);
}

/// <summary>An option of a question.</summary>
/// <param name="Label">What is answered when it is chosen.</param>
/// <param name="Description">What it means.</param>
public sealed record QuestionOption(string Label, string? Description);

/// <summary>A deferred tool call, as a question for a person.</summary>
/// <param name="ToolUseId">The CLI's name for the call.</param>
/// <param name="Tool">The tool.</param>
/// <param name="Input">The questions as the CLI gave them, or a <see cref="PermissionRequest"/>; as JSON.</param>
public sealed record ToolCallQuestion(string ToolUseId, string Tool, string Input)
{
    /// <inheritdoc cref="PermissionRequest.Call" />
    public string? Call { get; init; }

    /// <inheritdoc cref="PermissionRequest.Hash" />
    public string? Hash { get; init; }
}

/// <summary>A tool call that can go on.</summary>
/// <param name="ToolUseId">The CLI's name for the call.</param>
/// <param name="Tool">The tool.</param>
/// <param name="Input">What was asked, as in <see cref="ToolCallQuestion"/>.</param>
/// <param name="Answers">
/// The text of each question and its answer, or a <see cref="PermissionAnswer"/>; as JSON. Null when nobody answered.
/// </param>
public sealed record SettledQuestion(string ToolUseId, string Tool, string Input, string? Answers)
{
    /// <summary>An earlier attempt has made the call that was allowed, and did not live to hear what came of
    /// it.</summary>
    public bool CallStarted { get; init; }

    /// <summary>No person has seen it: it stood beside other calls, and is to be asked again alone.</summary>
    public bool AskAgain { get; init; }
}
