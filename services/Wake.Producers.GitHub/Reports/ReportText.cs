using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Wake.Contracts;
using Wake.Producing;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Producers.GitHub;

/// <summary>
/// What is written about turns. The words of a session are hostile text: in a comment they stand in a fence that they
/// cannot close, where GitHub takes nothing for a mention, a reference, a closing word or markup.
/// </summary>
static partial class ReportText
{
    const string MarkerBegin = "<!-- wake:report:";

    // GitHub refuses a longer one.
    const int MaxDescription = 140;

    const int MaxName = 100;

    // Beside those of the runner: an older one keeps less, a later one may keep more.
    const int MaxWords = 4_100;

    /// <summary>The whole comment. It begins with what it is known by.</summary>
    public static string Comment(DueReport report)
    {
        var text = new StringBuilder($"{MarkerBegin}{report.Id:D} -->\n");
        var newest = report.Turns[0];
        text.Append(
            CultureInfo.InvariantCulture,
            $"**Wake**: {Code(report.Session)} took wake {newest.WakeNumber} about this. {Sentence(newest)}\n"
        );
        if (newest.Words is { Length: > 0 } words && Visible(words) is { Length: > 0 } shown)
        {
            var fence = new string('`', Math.Max(3, LongestRun(shown, '`') + 1));
            text.Append(CultureInfo.InvariantCulture, $"\n{fence}text\n{shown}\n{fence}\n");
        }

        if (report.Turns.Count > 1)
        {
            text.Append("\n<details><summary>Before</summary>\n\n");
            foreach (var turn in report.Turns.Skip(1))
                text.Append(CultureInfo.InvariantCulture, $"- wake {turn.WakeNumber}: {Sentence(turn)}\n");
            text.Append("\n</details>\n");
        }

        return text.ToString();
    }

    /// <summary>The line beside a status.</summary>
    public static string Description(ReportedTurn turn)
    {
        var line = string.Join(
            ' ',
            Visible(turn.Words ?? "").Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)
        );
        return EventText.Truncate(
            $"wake {turn.WakeNumber}: {turn.Outcome}{(line.Length > 0 ? $". {line}" : "")}",
            MaxDescription
        );
    }

    /// <summary>The name of a status: that of the session without its subject, so that a branch can require
    /// it.</summary>
    public static string Context(DueReport report)
    {
        var name = report.Session.Replace(report.Subject, "", StringComparison.Ordinal).Trim('@', ':', '-', '/', ' ');
        return CiRules.OwnPrefix + EventText.TruncateToLine(Visible(name.Length > 0 ? name : report.Session), MaxName);
    }

    /// <summary>The id of the place whose comment this is, if it says so; anybody could.</summary>
    public static Guid? FindId(string? body) =>
        body is not null && Marker().Match(body) is { Success: true } found
            ? Guid.Parse(found.Groups["id"].Value)
            : null;

    static string Sentence(ReportedTurn turn) =>
        $"It ended at {turn.EndedAt.UtcDateTime:yyyy-MM-dd HH:mm} UTC: {turn.Outcome}.";

    static string Code(string key) =>
        $"`{VisibleText.ReplaceInvisible(key, VisibleText.EscapeSequence).Replace('`', '\'')}`";

    // A tab shows what it is.
    static string Visible(string words) =>
        VisibleText
            .ReplaceInvisible(
                Bound(Redaction.Redact(StorableText.Sanitize(words.ReplaceLineEndings("\n")))),
                x => x.Value is '\n' or '\t' ? x.ToString() : VisibleText.EscapeSequence(x)
            )
            .Trim();

    static string Bound(string words) =>
        words.Length <= MaxWords ? words : $"{StorableText.Head(words, MaxWords)} […] (more in the transcript)";

    static int LongestRun(string text, char of)
    {
        var (longest, run) = (0, 0);
        foreach (var one in text)
            longest = Math.Max(longest, run = one == of ? run + 1 : 0);
        return longest;
    }

    [GeneratedRegex(
        @"\A<!-- wake:report:(?<id>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}) -->",
        RegexOptions.ExplicitCapture
    )]
    private static partial Regex Marker();
}
