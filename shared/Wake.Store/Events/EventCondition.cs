using System.Text.RegularExpressions;

namespace Wake.Store;

/// <summary>
/// One thing that must hold of an event: <c>data.conclusion = failure</c>, <c>actor != octocat</c>. In the value
/// <c>*</c> stands for anything, and quotes around it are dropped. A field that is not there equals nothing; of a list
/// any entry may.
/// </summary>
public static partial class EventCondition
{
    /// <summary>The longest there may be, in characters.</summary>
    public const int MaxLength = 512;

    static readonly string[] Fields = ["type", "subject", "source", "actor"];

    /// <summary>What keeps this text from being a condition, or null.</summary>
    public static string? Problem(string text)
    {
        if (Contracts.EventValidation.TextProblem(text, MaxLength) is { } problem)
            return problem;

        if (Parts().Match(text) is not { Success: true } parts)
            return "is no condition like data.conclusion = failure or actor != octocat.";

        var field = parts.Groups["field"].Value;
        return Fields.Contains(field) || field.StartsWith("data.", StringComparison.Ordinal)
            ? null
            : $"asks for {field}; an event has {string.Join(", ", Fields)} and data.NAME.";
    }

    /// <summary>Valid conditions as the SQL function <c>satisfies</c> takes them; null when there are none.</summary>
    internal static string[]? ToSqlTerms(IReadOnlyList<string>? conditions) =>
        conditions is null or []
            ? null
            :
            [
                .. from condition in conditions
                let parts = Parts().Match(condition)
                from term in (string[])
                    [
                        parts.Groups["field"].Value,
                        parts.Groups["not"].Length > 0 ? "!=" : "=",
                        Sql.LikePattern(parts.Groups["value"].Value),
                    ]
                select term,
            ];

    [GeneratedRegex(
        """\A\s*(?<field>[\w-]+(\.[^\s.=!]+)*)\s*(?<not>!)?==?\s*(?<quote>["']?)(?<value>.*?)\k<quote>\s*\z""",
        RegexOptions.Singleline | RegexOptions.ExplicitCapture
    )]
    private static partial Regex Parts();
}
