using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary>What a transcript has, as it may be shown: bounded, and without what looks like a key.</summary>
static class TranscriptMapping
{
    public static Contract.TranscriptEntry ToContract(this TranscriptEntry entry)
    {
        var (text, input) = (Shown(entry.Text), Shown(entry.Input));
        return new(
            entry.Kind.ToContract(),
            entry.At,
            text,
            entry.Tool,
            entry.Call,
            input,
            entry.Failed,
            IsLong(entry.Text) || IsLong(entry.Input)
        );
    }

    static bool IsLong(string? text) => text?.Length > Contract.TranscriptEntry.MaxTextLength;

    static string? Shown(string? text) =>
        text is null ? null : StorableText.Head(Redaction.Redact(text), Contract.TranscriptEntry.MaxTextLength);

    static Contract.TranscriptEntryKind ToContract(this TranscriptEntryKind kind) =>
        kind switch
        {
            TranscriptEntryKind.Wake => Contract.TranscriptEntryKind.Wake,
            TranscriptEntryKind.Person => Contract.TranscriptEntryKind.Person,
            TranscriptEntryKind.Notice => Contract.TranscriptEntryKind.Notice,
            TranscriptEntryKind.Model => Contract.TranscriptEntryKind.Model,
            TranscriptEntryKind.Thinking => Contract.TranscriptEntryKind.Thinking,
            TranscriptEntryKind.Call => Contract.TranscriptEntryKind.Call,
            TranscriptEntryKind.Result => Contract.TranscriptEntryKind.Result,
            TranscriptEntryKind.Omitted => Contract.TranscriptEntryKind.Omitted,
            var unknown => throw new InvalidOperationException($"Unknown kind {unknown}."),
        };
}
