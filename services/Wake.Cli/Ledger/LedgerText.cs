using Wake.Contracts.Http;

namespace Wake.Cli;

/// <summary>The ledger as people read it.</summary>
static class LedgerText
{
    /// <summary>Lines in order, under headings.</summary>
    /// <param name="ledger">The lines.</param>
    /// <param name="about">The session they are all about, which need not be repeated; null when they are not.</param>
    /// <param name="output">Where to write them.</param>
    public static void Table(IReadOnlyList<LedgerLine> ledger, string? about, Output output)
    {
        if (ledger is [])
            return;

        output.Line($"");
        output.Table(
            ["TIME", "WHAT", "SESSION", "WAKE", "EVENT", "NOTE"],
            ledger.Select(x =>
                (string?[])
                    [
                        TimeFormat.Format(x.At),
                        x.What,
                        x.Session == about ? null : x.Session,
                        $"{x.Wake}",
                        x.Event,
                        x.Note?.Split('\n')[0],
                    ]
            )
        );

        // What has more than a line would make every line of the table as long as it is.
        foreach (var line in ledger.Where(x => x.Note?.Contains('\n') is true))
        {
            output.Line($"");
            output.Line($"[dim]{TimeFormat.Format(line.At)}[/] [bold]{line.What}[/] wake {$"{line.Wake}"}");
            foreach (var part in line.Note!.Split('\n'))
                output.Line($"{part}");
        }
    }

    /// <summary>One line by itself.</summary>
    public static void Line(LedgerLine line, Output output) =>
        output.Line($"[dim]{TimeFormat.Format(line.At)}[/] [bold]{line.What, -10}[/] {string.Join(' ', Parts(line))}");

    static IEnumerable<string> Parts(LedgerLine line)
    {
        if (line.Session is { } session)
            yield return session;
        if (line.Wake is { } wake)
            yield return $"wake {wake}";
        if (line.Event is { } id)
            yield return id;
        if (line.Note is { } note)
            yield return $"({note})";
    }
}
