using Wake.Contracts;

namespace Wake.Producing;

/// <summary>Text from outside made fit for an event: nothing PostgreSQL cannot hold, no longer than is
/// useful.</summary>
public static class EventText
{
    /// <summary>What people write (a comment, a description) is cut here: enough to act on, little beside a
    /// prompt.</summary>
    public const int MaxBodyLength = 2000;

    /// <summary>Titles and names.</summary>
    public const int MaxTitleLength = 200;

    /// <summary>The text without what cannot be stored, cut at a whole character and marked as cut.</summary>
    public static string Truncate(string text, int limit)
    {
        // Enough to decide; the rest of 25 MB is not looked at.
        var clean = StorableText.Sanitize(text.Length > limit + 1 ? text[..(limit + 1)] : text);
        if (clean.Length <= limit && text.Length <= limit + 1)
            return clean;

        return StorableText.Head(clean, limit - 1) + "…";
    }

    /// <summary>The same on one line.</summary>
    public static string TruncateToLine(string text, int limit) =>
        string.Join(' ', Truncate(text, limit).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    /// <summary>A sentence for <see cref="ExternalEventObserved.Reason"/>.</summary>
    public static string TruncateReason(string text) => Truncate(text, EventLimits.MaxReasonLength);
}
