using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>
/// One thing that was said or done in a turn, from the stored transcript. Its texts are the model's, a tool's or a
/// stranger's: show them as text. What looks like a key or token is <c>[redacted]</c>.
/// </summary>
/// <param name="Kind">What it is.</param>
/// <param name="At">When, by the clock of the machine that wrote it; null when that is not known.</param>
/// <param name="Text">What was said, or what a tool gave back; null for a call.</param>
/// <param name="Tool">The tool that is called; null for what is no call.</param>
/// <param name="Call">The id of the call that this is, or is the result of; null for what is neither.</param>
/// <param name="Input">With what the tool is called, as JSON; null for what is no call.</param>
/// <param name="Failed">Whether it is an error.</param>
/// <param name="Truncated">Whether it is the beginning of a longer text or input.</param>
public sealed record TranscriptEntry(
    TranscriptEntryKind Kind,
    DateTimeOffset? At,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Text,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Tool,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Call,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Input,
    bool Failed,
    bool Truncated
)
{
    /// <summary>The most characters of a text or an input.</summary>
    public const int MaxTextLength = 32 * 1024;
}

/// <summary>What an entry of a transcript is.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<TranscriptEntryKind>))]
public enum TranscriptEntryKind
{
    /// <summary>The message by which the session is told of a wake.</summary>
    Wake,

    /// <summary>What a person typed.</summary>
    Person,

    /// <summary>What the CLI told the session: a task in the background has ended, or, in a terminal, a wake.</summary>
    Notice,

    /// <summary>What the model said.</summary>
    Model,

    /// <summary>What the model thought before it spoke.</summary>
    Thinking,

    /// <summary>A call of a tool.</summary>
    Call,

    /// <summary>What a tool gave back.</summary>
    Result,

    /// <summary>Something too long to be read; its text says how long.</summary>
    Omitted,
}
