using System.Globalization;

namespace Wake.WebConsole.Components.Parts;

/// <summary>A moment as people say it: "3 min ago", "in 2 h".</summary>
public static class RelativeTime
{
    /// <summary>The moment, seen from now.</summary>
    public static string Format(DateTimeOffset at, DateTimeOffset now)
    {
        var distance = (now - at).Duration();
        var text = distance switch
        {
            { TotalSeconds: < 10 } => null,
            { TotalSeconds: < 60 } => $"{distance.TotalSeconds:0} s",
            { TotalMinutes: < 60 } => $"{Math.Floor(distance.TotalMinutes):0} min",
            { TotalHours: < 48 } => $"{Math.Floor(distance.TotalHours):0} h",
            { TotalDays: < 60 } => $"{Math.Floor(distance.TotalDays):0} d",
            _ => at.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
        };
        return text is null ? "now"
            : distance.TotalDays >= 60 ? text
            : at > now ? $"in {text}"
            : $"{text} ago";
    }
}
