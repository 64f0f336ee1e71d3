using System.Text;
using System.Text.RegularExpressions;

namespace Wake.Tests.Support;

/// <summary>
/// What a client of Discord makes of a message: https://docs.discord.com/developers/reference#message-formatting
/// </summary>
static partial class DiscordMarkdown
{
    /// <summary>What is seen, the pieces of it that are shown as they are, and what is more than text.</summary>
    public static (string Text, IReadOnlyList<string> Verbatim, IReadOnlyList<string> Active) Read(string content)
    {
        var text = new StringBuilder();
        var piece = new StringBuilder();
        List<string> verbatim = [];
        List<string> active = [];
        for (var at = 0; at < content.Length; )
        {
            var rest = content[at..];
            if (Escape().Match(rest) is { Success: true } escape)
                Plain(escape, escape.Groups[1].Value);
            else if (CodeBlock().Match(rest) is { Success: true } block)
                Plain(block, block.Groups[1].Value);
            else if (InlineCode().Match(rest) is { Success: true } code)
                Plain(code, code.Groups[2].Value);
            else if (Moment().Match(rest) is { Success: true } moment)
                Markup(moment, "in a while");
            else if (Anywhere().Match(rest) is { Success: true } markup)
                Markup(markup, markup.Value);
            else if ((at == 0 || content[at - 1] == '\n') && LineStart().Match(rest) is { Success: true } line)
                Markup(line, line.Value);
            else
            {
                piece.Append(content[at]);
                text.Append(content[at]);
                at++;
            }

            void Plain(Match match, string shown)
            {
                piece.Append(shown);
                text.Append(shown);
                at += match.Length;
            }

            void Markup(Match match, string shown)
            {
                EndPiece();
                active.Add(match.Value);
                text.Append(shown);
                at += match.Length;
            }
        }

        EndPiece();
        return ($"{text}", verbatim, active);

        void EndPiece()
        {
            if (piece.Length > 0)
                verbatim.Add($"{piece}");
            piece.Clear();
        }
    }

    [GeneratedRegex(@"\A\\([^0-9A-Za-z\s])")]
    private static partial Regex Escape();

    [GeneratedRegex(@"\A```(?:[A-Za-z0-9_+\-.#]+\n)?\n*([^\n][\s\S]*?)\n*```")]
    private static partial Regex CodeBlock();

    [GeneratedRegex(@"\A(`+)([\s\S]*?[^`])\1(?!`)")]
    private static partial Regex InlineCode();

    [GeneratedRegex(@"\A<t:[0-9]+:R>")]
    private static partial Regex Moment();

    [GeneratedRegex(
        @"\A(?:\*|__|_|~~|\|\||@everyone|@here|<@[!&]?[0-9]+>|<#[0-9]+>|<a?:\w+:[0-9]+>|</[^>]+>|\[[^\]]+\]\([^)]+\)|https?://\S+|:\w+:|discord\.gg/\w+)"
    )]
    private static partial Regex Anywhere();

    [GeneratedRegex(@"\A(?: *#{1,3} | *-# | *>{1,3} | *[-*+] | *[0-9]+\. )")]
    private static partial Regex LineStart();
}
