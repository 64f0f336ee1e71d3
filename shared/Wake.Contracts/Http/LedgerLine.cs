using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>One line of the ledger: a decision.</summary>
/// <param name="At">When it was decided, by the database's clock.</param>
/// <param name="What">
/// Of events <c>accepted</c>, <c>warning</c>, <c>collision</c>, <c>duplicate</c>, <c>routed</c>. Of turns
/// <c>dispatched</c>, <c>repeated</c>, <c>paused</c>, <c>held</c> (somebody else is at work in its Claude session),
/// <c>claimed</c>, <c>checked</c> (whether what it is about is still so), <c>ciAttempt</c> (which of its attempts to
/// mend CI it is, and whose policy counts them), <c>escalated</c> (those are spent), <c>begun</c> (a Claude session),
/// <c>resumeUnavailable</c>, <c>delivered</c> (to a terminal), <c>toldAgain</c>, <c>asked</c>, <c>answered</c>,
/// <c>unanswered</c>, <c>permitted</c> (a call that was allowed for the session), <c>released</c>, <c>parked</c>,
/// <c>ended</c>, <c>reporting</c> (its result waits for GitHub), <c>reported</c>, <c>notReported</c>. Of sessions
/// <c>created</c>, <c>unwatched</c>, <c>silent</c> (what a watch expected has not come), <c>reset</c>,
/// <c>withdrawn</c> (a permission), <c>ending</c> (its subject is over), <c>goesOn</c> (and it was reopened, or
/// something else has come), <c>closed</c>, <c>reopened</c>, <c>ownComment</c> (the one with which it reports was
/// seen, and passed over). <c>notified</c>: people were told. Of messages <c>deadLettered</c>, <c>redriven</c>,
/// <c>dropped</c>, of runners <c>drained</c>, <c>undrained</c>. More may come.
/// </param>
/// <param name="Event">The event's id; null when the decision was about none.</param>
/// <param name="Session">The session's key; null when it was about none.</param>
/// <param name="Wake">The number of the wake; null when it was about none.</param>
/// <param name="Note">What else there is to say; null for nothing.</param>
public sealed record LedgerLine(
    DateTimeOffset At,
    string What,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Event,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Session,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? Wake,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Note
);
