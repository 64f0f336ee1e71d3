using System.Text;
using System.Text.RegularExpressions;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>
/// The lines of a job's log around its first error, or its last lines when it names none. Pure, and line after line: a
/// log has gigabytes if somebody wants it to.
/// </summary>
sealed partial class LogExcerpt
{
    /// <summary>Characters of an excerpt: a screen or two.</summary>
    public const int Limit = 4000;

    // What a failing command has printed stands before the error, what the runner says of it after it.
    const int Before = 30,
        After = 5;

    // Progress bars and minified files are one line each.
    const int LineLimit = 300;

    const string Error = "##[error]";

    readonly Queue<string> lines = new();
    int? linesLeft;

    /// <summary>Reads a log up to where nothing more is needed; null when there is nothing to show, or when it is too
    /// long to find it.</summary>
    /// <param name="log">The log.</param>
    /// <param name="most">How many characters to read.</param>
    /// <param name="cancel">Ends it.</param>
    public static async Task<string?> Read(TextReader log, long most, CancellationToken cancel)
    {
        var excerpt = new LogExcerpt();
        var (block, line) = (new char[16 * 1024], new StringBuilder());
        for (int count; (count = await log.ReadAsync(block, cancel)) > 0; )
        {
            if ((most -= count) < 0)
                return null;

            foreach (var one in block.AsSpan(0, count))
            {
                if (one != '\n')
                {
                    // Enough for a line with its time and its colours.
                    if (line.Length < LineLimit * 4)
                        line.Append(one);
                    continue;
                }

                if (!excerpt.AddLine(line.ToString()))
                    return excerpt.Text;
                line.Clear();
            }
        }

        excerpt.AddLine(line.ToString());
        return excerpt.Text;
    }

    string? Text
    {
        get
        {
            while (lines.Sum(x => x.Length + 1) > Limit)
                lines.Dequeue();
            return lines.Count > 0 ? string.Join('\n', lines) : null;
        }
    }

    // False when it has all it needs.
    bool AddLine(string raw)
    {
        var line = EventText.Truncate(
            string.Concat(Noise().Replace(raw, "").Where(x => !char.IsControl(x) || x == '\t')).TrimEnd(),
            LineLimit
        );
        if (line.Length > 0 && line is not "##[endgroup]")
            lines.Enqueue(line);

        if (linesLeft is not null)
            return --linesLeft > 0;
        if (line.StartsWith(Error, StringComparison.Ordinal))
            linesLeft = After;
        else if (lines.Count > Before)
            lines.Dequeue();
        return true;
    }

    // The time that begins each line, and colours.
    [GeneratedRegex(
        @"^\uFEFF?[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,20}Z |\x1B\[[0-9;?]*[ -/]*[@-~]",
        RegexOptions.CultureInvariant | RegexOptions.NonBacktracking
    )]
    private static partial Regex Noise();
}
