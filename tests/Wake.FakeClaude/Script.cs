using System.Globalization;

namespace Wake.FakeClaude;

/// <summary>One thing a message asks for: <c>[[fake:Verb Argument]]</c>.</summary>
/// <param name="Verb">What to do.</param>
/// <param name="Argument">The rest of the marker; empty when there is none.</param>
/// <param name="From">The first execution of the message it applies to, counted from 1.</param>
/// <param name="To">The last one.</param>
sealed record Step(string Verb, string Argument, int From = 1, int To = int.MaxValue)
{
    public bool AppliesTo(int attempt) => attempt >= From && attempt <= To;
}

/// <summary>
/// Reads the markers in a user message. In front of a verb, <c>first</c> or <c>first:N</c> limits it to the first (N)
/// executions of that message and <c>again</c> to the later ones, so that one text can fail once and then succeed.
/// </summary>
static class Script
{
    public static IReadOnlyList<Step> In(string text) =>
        [
            .. from part in text.Split("[[fake:").Skip(1)
            let end = part.IndexOf("]]", StringComparison.Ordinal)
            where end >= 0
            select Parse(part[..end]),
        ];

    /// <summary>One verb without its brackets, as the start-up file has it.</summary>
    public static Step Parse(string marker)
    {
        var (word, rest) = Cut(marker.Trim(), ' ');
        var (selector, number) = Cut(word, ':');
        var (verb, argument) = Cut(rest, ' ');

        return selector switch
        {
            "first" when number == "" => new(verb, argument, To: 1),
            "first" => new(verb, argument, To: int.Parse(number, CultureInfo.InvariantCulture)),
            "again" => new(verb, argument, From: 2),
            _ => new(word, rest),
        };
    }

    static (string Before, string After) Cut(string text, char at) =>
        text.IndexOf(at) is >= 0 and var i ? (text[..i], text[(i + 1)..].TrimStart()) : (text, "");
}
