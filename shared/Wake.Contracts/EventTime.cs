using System.Globalization;

namespace Wake.Contracts;

/// <summary>
/// Moments as people and programs write them: ISO 8601 with or without an offset (<c>+0000</c> too), a blank instead of
/// the T, <c>2023-12-05 18:43:00 UTC</c>, and Unix time in seconds, milli-, micro- or nanoseconds. Without an offset it
/// is UTC.
/// </summary>
public static class EventTime
{
    // Year 1 to year 9999.
    const long First = -62_135_596_800,
        Last = 253_402_300_799;

    /// <summary>The moment; null for a text that is none.</summary>
    public static DateTimeOffset? Parse(string? text)
    {
        text = text?.Trim();
        if (text is not { Length: > 0 and <= 64 })
            return null;

        // Of so many digits none is a date.
        const NumberStyles plain = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint;
        if (text.Length >= 9 && decimal.TryParse(text, plain, CultureInfo.InvariantCulture, out var number))
            return Parse(number);

        if (text.EndsWith(" UTC", StringComparison.Ordinal))
            text = text[..^4];

        // A time of day or a month alone would be taken for one of today's.
        return
            HasYear(text)
            && DateTimeOffset.TryParse(
                text,
                CultureInfo.InvariantCulture,
                DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal,
                out var time
            )
            ? time
            : null;
    }

    /// <summary>The moment that a number means: seconds up to the year 9999, else the unit that brings it
    /// near.</summary>
    public static DateTimeOffset? Parse(decimal number)
    {
        var seconds = Math.Abs(number) switch
        {
            >= 100_000_000_000_000_000m => number / 1_000_000_000m,
            >= 100_000_000_000_000m => number / 1_000_000m,
            > Last => number / 1_000m,
            _ => number,
        };
        return seconds is >= First and <= Last
            ? DateTimeOffset.UnixEpoch.AddTicks((long)(seconds * TimeSpan.TicksPerSecond))
            : null;
    }

    static bool HasYear(string text)
    {
        for (var (i, digits) = (0, 0); i < text.Length; i++)
        {
            digits = char.IsAsciiDigit(text[i]) ? digits + 1 : 0;
            if (digits == 4)
                return true;
        }

        return false;
    }
}
