using System.Text.RegularExpressions;

namespace Wake.Store;

/// <summary>
/// Which events a watch or a route asks for: the predicate, once for every statement that needs it. In their text
/// <c>matches(filter, event)</c> and <c>is_last(watch, event)</c>, called with the names of two rows, stand for it.
/// </summary>
/// <remarks>
/// Text that is put in when the statement is loaded, not functions in the database: those could never change while an
/// earlier version runs beside this one, and the planner sees through text.
/// </remarks>
static partial class EventMatch
{
    // The subject is not in it: by that the statements find their candidates, each through another index.
    const string Matches = """
        ((filter.type_patterns is null or event.type like any (filter.type_patterns))
         and (filter.terms is null
              or satisfies(filter.terms, event.type, event.subject, event.source, event.actor, event.data::text)))
        """;

    // The watch ends with this event, whether or not it asks for it.
    const string IsLast = "(filter.until_patterns is not null and event.type like any (filter.until_patterns))";

    /// <summary>A statement with the predicates in place of their names.</summary>
    public static string Expand(string statement) =>
        Call()
            .Replace(
                statement,
                call =>
                    (call.Groups["name"].Value is "matches" ? Matches : IsLast)
                        .Replace("filter.", $"{call.Groups["filter"]}.")
                        .Replace("event.", $"{call.Groups["event"]}.")
            );

    [GeneratedRegex(@"\b(?<name>matches|is_last)\((?<filter>\w+), (?<event>\w+)\)", RegexOptions.ExplicitCapture)]
    private static partial Regex Call();
}
