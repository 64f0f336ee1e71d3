using System.Text;
using System.Text.RegularExpressions;

namespace Wake.Tests.Support;

/// <summary>A Markdown file taken apart: prose, code, links, headings.</summary>
sealed partial class MarkdownDocument
{
    readonly List<string> prose = [];

    public MarkdownDocument(string path)
    {
        FullPath = path;
        List<CodeBlock> blocks = [];
        List<string>? code = null;
        var language = "";
        var begin = 0;
        foreach (var line in File.ReadLines(path))
        {
            var fence = Fence().Match(line);
            if (!fence.Success && code is null)
            {
                prose.Add(line);
                continue;
            }

            // An empty line in its place: whoever is told of a line finds it.
            prose.Add("");
            if (!fence.Success)
            {
                code!.Add(line);
            }
            else if (code is null)
            {
                code = [];
                language = fence.Groups["language"].Value;
                begin = prose.Count;
            }
            else
            {
                blocks.Add(new(language, begin, string.Join('\n', code)));
                code = null;
            }
        }

        Blocks = blocks;
    }

    public string FullPath { get; }

    /// <summary>What stands in fences.</summary>
    public IReadOnlyList<CodeBlock> Blocks { get; }

    /// <summary>The lines that stand in none; those of fences are empty.</summary>
    public IReadOnlyList<string> Prose => prose;

    /// <summary>What stands in backticks, each on one line.</summary>
    public IEnumerable<string> InlineCode =>
        Backticks().Matches(string.Join('\n', prose)).Select(x => Spaces().Replace(x.Groups[1].Value, " "));

    /// <summary>Where links lead.</summary>
    public IEnumerable<string> Links =>
        Link().Matches(Backticks().Replace(string.Join('\n', prose), "")).Select(x => x.Groups[1].Value);

    /// <summary>The names of its headings, as GitHub makes them.</summary>
    public IReadOnlySet<string> Anchors
    {
        get
        {
            HashSet<string> anchors = [];
            foreach (var match in prose.Select(x => Heading().Match(x)).Where(x => x.Success))
            {
                var heading = Anchor(match.Groups[1].Value);
                var anchor = heading;
                for (var again = 1; !anchors.Add(anchor); again++)
                    anchor = $"{heading}-{again}";
            }

            return anchors;
        }
    }

    public override string ToString() => FullPath;

    static string Anchor(string heading)
    {
        var name = new StringBuilder();
        foreach (var letter in LinkText().Replace(heading, "$1").Trim().ToLowerInvariant())
        {
            if (letter is ' ')
                name.Append('-');
            else if (char.IsLetterOrDigit(letter) || letter is '-' or '_')
                name.Append(letter);
        }

        return name.ToString();
    }

    [GeneratedRegex(@"^\s*```(?<language>\w*)\s*$", RegexOptions.ExplicitCapture)]
    private static partial Regex Fence();

    [GeneratedRegex(@"`([^`]+)`")]
    private static partial Regex Backticks();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"\[([^\]]*)\]\([^)]*\)")]
    private static partial Regex LinkText();

    [GeneratedRegex(@"^#{1,6}\s+(.*)$")]
    private static partial Regex Heading();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}

/// <summary>What stands in a fence.</summary>
/// <param name="Language">What the fence says it is; empty when it says nothing.</param>
/// <param name="Line">The line of the fence.</param>
/// <param name="Text">The code.</param>
sealed record CodeBlock(string Language, int Line, string Text);
