using System.Text.RegularExpressions;

namespace Wake.Tests.Support;

/// <summary>Writes Markdown for pages that are made from the code.</summary>
static partial class MarkdownText
{
    /// <summary>The longest line of prose, in characters.</summary>
    public const int Width = 120;

    /// <summary>A text as lines no longer than <see cref="Width"/>. What stands in backticks stays in one
    /// piece.</summary>
    /// <param name="text">The text.</param>
    /// <param name="first">What the first line begins with.</param>
    /// <param name="further">What the others begin with.</param>
    public static List<string> Wrapped(string text, string first = "", string further = "")
    {
        List<string> lines = [];
        var (line, isEmpty) = (first, true);
        foreach (var word in Words().Matches(text).Select(x => x.Value))
        {
            if (!isEmpty && line.Length + 1 + word.Length > Width)
            {
                lines.Add(line);
                (line, isEmpty) = (further, true);
            }

            line = isEmpty ? line + word : $"{line} {word}";
            isEmpty = false;
        }

        lines.Add(line);
        return lines;
    }

    /// <summary>A text in which nothing is read as Markdown but what stands in backticks.</summary>
    public static string Plain(string text) =>
        Marks().Replace(text, x => x.Value.StartsWith('`') ? x.Value : $@"\{x.Value}");

    [GeneratedRegex(@"(?:`[^`]*`|\S)+")]
    private static partial Regex Words();

    [GeneratedRegex(@"`[^`]*`|[*<]")]
    private static partial Regex Marks();
}
