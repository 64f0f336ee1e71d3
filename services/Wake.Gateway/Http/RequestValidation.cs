using Wake.Contracts;
using Wake.Store;

namespace Wake.Gateway;

/// <summary>Checks of the text fields of a request.</summary>
static class RequestValidation
{
    public static (string, string)? RequiredText(string field, string? text, int limit) =>
        string.IsNullOrWhiteSpace(text)
            ? (field, "is required and must not be blank.")
            : OptionalText(field, text, limit);

    public static (string, string)? OptionalText(string field, string? text, int limit) =>
        text is not null && EventValidation.TextProblem(text, limit) is { } problem ? (field, problem) : null;

    public static List<(string Field, string Problem)> Collect(params ReadOnlySpan<(string, string)?> checks)
    {
        List<(string, string)> problems = [];
        foreach (var check in checks)
        {
            if (check is { } problem)
                problems.Add(problem);
        }

        return problems;
    }

    /// <summary>How many rows are asked for.</summary>
    public static IResult? ValidateLimit(int limit) =>
        limit is < 1 or > ListLimits.MaxRows
            ? Gateway.ProblemResults.Invalid("limit", $"must be from 1 to {ListLimits.MaxRows}.")
            : null;

    /// <summary>A word of a fixed set, spelt as the API spells it; left out, null.</summary>
    public static bool TryParseWord<T>(
        string field,
        string? word,
        ICollection<(string Field, string Problem)> problems,
        out T? value
    )
        where T : struct, Enum
    {
        value = null;
        if (word is null)
            return true;

        foreach (var known in Enum.GetValues<T>().Where(x => x.ToCamelCase() == word))
            value = known;
        if (value is null)
            problems.Add(
                (field, $"must be one of {string.Join(", ", Enum.GetValues<T>().Select(x => x.ToCamelCase()))}.")
            );
        return value is not null;
    }

    /// <summary>A list that is left out or has entries, none of them blank.</summary>
    public static IEnumerable<(string Field, string Problem)> ValidateList(
        string field,
        IReadOnlyList<string>? entries,
        int limit
    ) =>
        entries is { Count: 0 or > EventLimits.MaxListEntries }
            ? [(field, $"must have from 1 to {EventLimits.MaxListEntries} entries, or be left out.")]
            : (entries ?? []).Select(x => RequiredText(field, x, limit)).OfType<(string, string)>();

    /// <summary>A list of conditions.</summary>
    public static IEnumerable<(string Field, string Problem)> ValidateConditions(
        string field,
        IReadOnlyList<string>? entries
    ) =>
        ValidateList(field, entries, EventCondition.MaxLength).ToList() is { Count: > 0 } problems
            ? problems
            : from entry in entries ?? []
            let problem = EventCondition.Problem(entry)
            where problem is not null
            select (field, problem);
}
