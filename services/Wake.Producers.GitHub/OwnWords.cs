using Wake.Contracts;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>
/// What the sessions' own login writes, told with the next turn instead of starting one: or a session would be woken by its own
/// comment, answer it, and be woken by that. Both ways see the author of what is written, so both decide alike; who merged or
/// pushed a poll often cannot see, and such facts stay as they are.
/// </summary>
static class OwnWords
{
    static readonly string[] Written = [".comment_created", ".review_comment_created", ".review_submitted", ".review_dismissed"];

    public static Mapped Quieten(Mapped mapped, IReadOnlyList<string> logins) => logins is [] ? mapped : mapped with
    {
        Events = [.. mapped.Events.Select(x => IsOwn(x, logins) ? x with { Delivery = Delivery.Ambient } : x)],
    };

    static bool IsOwn(ExternalEventObserved observed, IReadOnlyList<string> logins) =>
        Written.Any(x => observed.Type.EndsWith(x, StringComparison.Ordinal))
        && observed.Data?.Text("author") is { } author && logins.Contains(author, StringComparer.OrdinalIgnoreCase);
}
