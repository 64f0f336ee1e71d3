using Wake.Contracts;

namespace Wake.Producing;

/// <summary>
/// Makes ambient what the sessions' own login writes: or a session would be woken by its own comment, answer it, and be
/// woken by that. Of forges only what is written: every way of seeing it names the author, so all decide alike; who
/// merged or pushed a poll often cannot see, and such facts stay as they are.
/// </summary>
public static class SelfAuthoredFilter
{
    static readonly string[] Written =
    [
        ".comment_created",
        ".review_comment_created",
        ".review_submitted",
        ".review_dismissed",
        ".approved",
        ".unapproved",
    ];

    /// <summary>The same events, those by one of the logins told with the next turn instead of starting one.</summary>
    /// <param name="mapped">What a delivery or a poll means.</param>
    /// <param name="logins">The logins that the sessions work as.</param>
    /// <param name="author">Who wrote an event's content, null where that does not count; by default the author of what
    /// is written on a forge.</param>
    public static EventMapping MakeAmbient(
        EventMapping mapped,
        IReadOnlyList<string> logins,
        Func<ExternalEventObserved, string?>? author = null
    ) =>
        logins is []
            ? mapped
            : mapped with
            {
                Events =
                [
                    .. mapped.Events.Select(x =>
                        (author ?? Author)(x) is { } who && logins.Contains(who, StringComparer.OrdinalIgnoreCase)
                            ? x with
                            {
                                Delivery = Delivery.Ambient,
                            }
                            : x
                    ),
                ],
            };

    /// <summary>Whether events of a type are something written on a forge.</summary>
    internal static bool IsWritten(string type) => Written.Any(x => type.EndsWith(x, StringComparison.Ordinal));

    static string? Author(ExternalEventObserved observed) =>
        IsWritten(observed.Type) ? observed.Data?.Text("author") : null;
}
