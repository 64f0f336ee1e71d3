using System.CommandLine;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Wake.Cli;

/// <summary>Moments and durations as people write them.</summary>
static partial class TimeFormat
{
    static readonly string[] Formats =
    [
        "yyyy-MM-dd",
        "yyyy-MM-dd HH:mm",
        "yyyy-MM-dd HH:mm:ss",
        "yyyy-MM-ddTHH:mmK",
        "yyyy-MM-ddTHH:mm:ssK",
        "yyyy-MM-ddTHH:mm:ss.FFFFFFFK",
    ];

    /// <summary>An option that takes a duration.</summary>
    public static Option<TimeSpan?> DurationOption(string name, string description) =>
        new(name)
        {
            HelpName = "DURATION",
            Description = $"{description} Like 30s, 10m, 2h, 7d.",
            CustomParser = given =>
            {
                if (ParseDuration(given.Tokens[0].Value) is { } duration)
                    return duration;

                given.AddError($"{name}: '{given.Tokens[0].Value}' is not a duration like 30s, 10m, 2h or 7d.");
                return null;
            },
        };

    /// <summary>An option that takes a moment.</summary>
    public static Option<DateTimeOffset?> MomentOption(string name, string description) =>
        new(name)
        {
            HelpName = "TIME",
            Description = $"{description} Like 2031-02-03T04:05:06Z.",
            CustomParser = given =>
            {
                if (ParseMoment(given.Tokens[0].Value) is { } moment)
                    return moment;

                given.AddError($"{name}: '{given.Tokens[0].Value}' is not a time like 2031-02-03T04:05:06Z.");
                return null;
            },
        };

    /// <summary>An option that takes a moment to come, or the time until then.</summary>
    public static Option<DateTimeOffset?> EndOption(string name, string description) =>
        new(name)
        {
            HelpName = "TIME|DURATION",
            Description = $"{description} Like 2031-02-03T04:05:06Z, or from now on like 30s, 10m, 2h, 7d.",
            CustomParser = given =>
            {
                var text = given.Tokens[0].Value;
                if (ParseMoment(text) is { } moment)
                    return moment;
                if (ParseDuration(text) is { } duration)
                    return DateTimeOffset.UtcNow + duration;

                given.AddError(
                    $"{name}: '{text}' is neither a time like 2031-02-03T04:05:06Z nor a duration like 30s, 10m, 2h "
                        + "or 7d."
                );
                return null;
            },
        };

    /// <summary>An option that takes a moment that has been, or the time since then.</summary>
    public static Option<DateTimeOffset?> PastOption(string name, string description) =>
        new(name)
        {
            HelpName = "TIME|DURATION",
            Description = $"{description} Like 2031-02-03T04:05:06Z, or back from now like 30s, 10m, 2h, 7d.",
            CustomParser = given =>
            {
                var text = given.Tokens[0].Value;
                if (ParseMoment(text) is { } moment)
                    return moment;
                if (ParseDuration(text) is { } duration)
                    return DateTimeOffset.UtcNow - duration;

                given.AddError(
                    $"{name}: '{text}' is neither a time like 2031-02-03T04:05:06Z nor a duration like 30s, 10m, 2h "
                        + "or 7d."
                );
                return null;
            },
        };

    /// <summary>ISO 8601, in local time unless it says otherwise; null when it is none.</summary>
    public static DateTimeOffset? ParseMoment(string text) =>
        DateTimeOffset.TryParseExact(
            text,
            Formats,
            CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeLocal,
            out var moment
        )
            ? moment
            : null;

    /// <summary>One or more numbers with their units, up to ten thousand days; null when it is none.</summary>
    public static TimeSpan? ParseDuration(string text)
    {
        if (!Parts().IsMatch(text))
            return null;

        var seconds = Part()
            .Matches(text)
            .Sum(x =>
                double.Parse(x.Groups[1].Value, CultureInfo.InvariantCulture)
                * x.Groups[2].Value switch
                {
                    "ms" => 0.001,
                    "s" => 1,
                    "m" => 60,
                    "h" => 3600,
                    _ => 86_400,
                }
            );
        return seconds <= 10_000 * 86_400.0 ? TimeSpan.FromSeconds(seconds) : null;
    }

    /// <summary>As the tables show a moment: local time, precise enough to tell two decisions apart.</summary>
    public static string Format(DateTimeOffset moment) =>
        moment.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss.fff", CultureInfo.InvariantCulture);

    [GeneratedRegex(@"\A(?:[0-9]{1,9}(?:ms|s|m|h|d))+\z")]
    private static partial Regex Parts();

    [GeneratedRegex("([0-9]+)(ms|s|m|h|d)")]
    private static partial Regex Part();
}
