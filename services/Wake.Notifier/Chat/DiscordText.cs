using System.Globalization;
using System.Text.RegularExpressions;

namespace Wake.Notifier;

/// <summary>
/// A text in Discord's markdown. Nothing in it formats, mentions or links: what has one line is escaped, what has
/// several is a code block. https://docs.discord.com/developers/reference#message-formatting
/// </summary>
static partial class DiscordText
{
    /// <summary>How many UTF-16 units a message may have.</summary>
    public const int Limit = 2000;

    /// <summary>Of how many units a text may be, so that its code block fits in a message.</summary>
    public const int MaxText = 1940;

    /// <summary>The text as it is sent.</summary>
    public static string Render(ChatText text)
    {
        var escaped = string.Concat(text.Runs.Select(Render));
        // What is full of markup would be twice as long.
        return (
            escaped.Length <= Limit ? escaped : $"{Block($"{text}")}{string.Concat(text.Runs.Select(Countdown))}"
        ).Trim();
    }

    static string Render(ChatRun run) =>
        (run.IsForeign && run.Text.Contains('\n') && !string.IsNullOrWhiteSpace(run.Text))
            ? Block(run.Text)
            : $"{Escape(run.Text)}{Countdown(run)}";

    // "in 3 days", by the clock of the reader.
    static string Countdown(ChatRun run) =>
        run.At is { } at ? $" (<t:{at.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture)}:R>)" : "";

    // Three backticks would end it, and there is no way to write them in one: the third is one that only looks like it.
    static string Block(string text) => $"```\n{text.Replace("```", "``ˋ", StringComparison.Ordinal)}\n```";

    static string Escape(string text) => Markup().Replace(text, @"\$0");

    // Emphasis, code, spoilers, links, mentions, emojis and invitations anywhere; headings, quotes and lists at the
    // beginning of a line.
    [GeneratedRegex(@"[\\*_~`|<@:/[]|(?<=^[ ]*)[#>+-]|(?<=^[ ]*[0-9]{1,9})\.", RegexOptions.Multiline)]
    private static partial Regex Markup();
}
