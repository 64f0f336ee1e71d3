using System.Globalization;

namespace Wake.Notifier;

/// <summary>A span of every day, which may go over midnight.</summary>
sealed record QuietHours(TimeOnly From, TimeOnly To)
{
    /// <summary>What is written as <c>22:00-07:00</c>; null when this is not.</summary>
    public static QuietHours? Parse(string text) =>
        text.Split('-') is [var from, var to]
        && TimeOnly.TryParseExact(
            from.Trim(),
            "HH:mm",
            CultureInfo.InvariantCulture,
            DateTimeStyles.None,
            out var begin
        )
        && TimeOnly.TryParseExact(to.Trim(), "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out var end)
        && begin != end
            ? new(begin, end)
            : null;

    /// <summary>When the one is over that a moment is in; null when it is in none.</summary>
    public DateTimeOffset? EndAt(DateTimeOffset moment, TimeZoneInfo zone)
    {
        var local = TimeZoneInfo.ConvertTime(moment, zone);
        var time = TimeOnly.FromDateTime(local.DateTime);
        if (!time.IsBetween(From, To))
            return null;

        // An end that the change to summer time leaves out is the moment of that.
        var end = DateOnly.FromDateTime(local.DateTime).AddDays(time < To ? 0 : 1).ToDateTime(To);
        while (zone.IsInvalidTime(end))
            end = end.AddMinutes(1);
        return new DateTimeOffset(end, zone.GetUtcOffset(end)).ToUniversalTime();
    }
}
