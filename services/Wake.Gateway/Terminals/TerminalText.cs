using System.Globalization;
using Wake.Prompting;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Gateway;

/// <summary>What a person at a terminal, and the session there, are told.</summary>
static class TerminalText
{
    // One line of a terminal.
    const int MaxReason = 80;

    const int MaxTurns = 5;

    /// <summary>Why a message that the CLI has made from a wake is not read.</summary>
    public const string TakenElsewhere = "This wake is not this terminal's any more: Wake has given it to another.";

    // What the block of events of every wake begins with (WakePrompt).
    const string BlockStart = "<wake-events-";

    /// <summary>What a turn waits for whose question a runner has asked.</summary>
    public static string QuestionInRunner(string place) =>
        $"it has asked a question that only a runner can go on from; a runner does when terminal {place} is closed, or "
        + "with wake resume --takeover";

    /// <summary>Whether the CLI has made a message from a wake.</summary>
    public static bool IsWake(string message) => message.Contains(BlockStart, StringComparison.Ordinal);

    /// <summary>What the session reads of a wake, with what was done beside it since it was opened.</summary>
    public static string ForWake(string prompt, IReadOnlyList<MissedTurn> missed) =>
        Beside(missed) is { } also ? $"{prompt}\n\n{also}" : prompt;

    /// <summary>For the model: turns that were taken, and whether its history has them; null for none.</summary>
    public static string? ForModel(IReadOnlyList<MissedTurn> missed) =>
        Beside(missed)
        ?? (
            missed is []
                ? null
                : $"Wake took {Count(missed)} in this session while nobody had it open: {Numbers(missed)}. They are "
                    + "part of this conversation, unless they were taken on another machine."
        );

    /// <summary>For the person: what happened while they were away; null for nothing.</summary>
    public static string? ForPerson(IReadOnlyList<MissedTurn> missed) =>
        missed is [] ? null : $"Wake took {Count(missed)} while you were away: {List(missed)}. More: wake inbox";

    /// <summary>Why a prompt is not taken now.</summary>
    public static string Blocked(string runner, int wake) =>
        $"Wake is taking a turn in this session (wake {wake}, on runner {runner}), and two at once would lose one of "
        + "them. Nothing was sent. Send it again when the turn is over; wake sessions shows that.";

    /// <summary>That a turn runs while the session is opened; null when none does.</summary>
    public static string? Running(TerminalFacts facts) =>
        facts is { OtherRunner: { } runner, OpenWake: { } wake }
            ? $"Wake is taking a turn in this session (wake {wake}, on runner {runner}). When it is over, open the "
                + "session again to have it in this conversation."
            : null;

    /// <summary>The status line: what waits for the next turn; empty for nothing.</summary>
    public static string Status(TerminalFacts facts) =>
        facts.Pending == 0
            ? ""
            : string.Create(
                CultureInfo.InvariantCulture,
                $"wake: {facts.Pending} waiting · {Shorten(facts.LatestReason ?? "")}"
            );

    static string? Beside(IReadOnlyList<MissedTurn> missed) =>
        missed.Where(x => x.Beside).ToList() is { Count: > 0 } beside
            ? $"While this session was open, Wake took {Count(beside)} in another process: {Numbers(beside)}. This "
                + "conversation does not show what was said there; check what was done before you rely on it."
            : null;

    static string Count(IReadOnlyList<MissedTurn> missed) =>
        missed.Count == 1 ? "one turn" : string.Create(CultureInfo.InvariantCulture, $"{missed.Count} turns");

    static string List(IReadOnlyList<MissedTurn> missed)
    {
        var named = string.Join(
            "; ",
            missed
                .TakeLast(MaxTurns)
                .Select(x =>
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"wake {x.WakeNumber}, {x.Outcome}: {Shorten(x.Reason ?? "no event")}"
                    )
                )
        );
        return missed.Count > MaxTurns
            ? string.Create(CultureInfo.InvariantCulture, $"{missed.Count - MaxTurns} more; {named}")
            : named;
    }

    // For the model without what others have written, which is read in the block of a wake alone.
    static string Numbers(IReadOnlyList<MissedTurn> missed) =>
        string.Join(
            "; ",
            missed
                .TakeLast(MaxTurns)
                .Select(x => string.Create(CultureInfo.InvariantCulture, $"wake {x.WakeNumber}, {x.Outcome}"))
        );

    // Reasons come from outside: one line, and nothing that a terminal would obey.
    static string Shorten(string reason)
    {
        var line = VisibleText.ReplaceInvisible(reason.ReplaceLineEndings(" "), _ => "\uFFFD");
        return UntrustedText.Truncate(line, MaxReason);
    }
}
