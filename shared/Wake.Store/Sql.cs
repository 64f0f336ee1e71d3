using System.Text;

namespace Wake.Store;

/// <summary>The few things about SQL text that more than one file here needs.</summary>
static class Sql
{
    /// <summary>The day on which something is paid: UTC, by the database's clock.</summary>
    public const string TodayUtc = "(clock_timestamp() at time zone 'utc')::date";

    /// <summary>A statement kept as a file of its own beside the class that runs it.</summary>
    public static string ReadResource(string file)
    {
        using var resource =
            typeof(Sql).Assembly.GetManifestResourceStream($"Wake.Store.{file}")
            ?? throw new InvalidOperationException($"{file} is not embedded in Wake.Store.");
        using var reader = new StreamReader(resource);
        return reader.ReadToEnd();
    }

    /// <summary>
    /// An array as PostgreSQL writes one. PostgreSQL has no arrays of arrays of different lengths, so a column of
    /// arrays travels as a column of these.
    /// </summary>
    public static string? ArrayLiteral(IReadOnlyList<string>? values)
    {
        if (values is null or [])
            return null;

        var literal = new StringBuilder("{");
        foreach (var value in values)
            literal
                .Append(literal.Length == 1 ? "\"" : ",\"")
                .Append(value.Replace("\\", "\\\\").Replace("\"", "\\\""))
                .Append('"');

        return literal.Append('}').ToString();
    }

    /// <summary>A glob, in which <c>*</c> stands for anything, as a LIKE pattern.</summary>
    public static string LikePattern(string glob) =>
        glob.Replace("\\", "\\\\").Replace("%", "\\%").Replace("_", "\\_").Replace('*', '%');

    /// <summary>A LIKE pattern of what has a text somewhere in it.</summary>
    public static string Containing(string text) => $"%{LikePattern(text)}%";

    /// <summary>Several of them; null stays null.</summary>
    public static string[]? LikePatterns(IReadOnlyList<string>? globs) => globs?.Select(LikePattern).ToArray();
}
