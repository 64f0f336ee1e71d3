using Wake.Contracts;

namespace Wake.Gateway;

/// <summary>Checks of the text fields of a request.</summary>
static class Fields
{
    public static (string, string)? Required(string field, string? text, int limit) =>
        string.IsNullOrWhiteSpace(text) ? (field, "is required and must not be blank.") : Optional(field, text, limit);

    public static (string, string)? Optional(string field, string? text, int limit) =>
        text is not null && EventValidation.TextProblem(text, limit) is { } problem ? (field, problem) : null;

    public static List<(string Field, string Problem)> Problems(params ReadOnlySpan<(string, string)?> checks)
    {
        List<(string, string)> problems = [];
        foreach (var check in checks)
        {
            if (check is { } problem)
                problems.Add(problem);
        }

        return problems;
    }
}
