using Wake.Contracts;
using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary>What became of published events, from the store's records to those of the HTTP contract.</summary>
static class IntakeMapping
{
    public static Contract.IntakeResult ToContract(this IntakeResult result) =>
        new(result.Id, result.Outcome.ToContract(), result.Sessions, result.UnknownSessions, result.DuplicateOf)
        {
            CollidesWith = result.CollidesWith,
            Warnings = result.Warnings,
        };

    /// <param name="decision">What was decided about an event.</param>
    /// <param name="completed">Whether there is nothing more to wait for.</param>
    /// <param name="entries">Where it went.</param>
    public static Contract.AwaitedDecision ToAwaited(
        this IntakeResult decision,
        bool completed,
        IEnumerable<InboxEntry> entries
    ) =>
        new(completed, [.. entries.Select(ToContract)])
        {
            Id = decision.Id,
            Outcome = decision.Outcome.ToContract(),
            Sessions = decision.Sessions,
            UnknownSessions = decision.UnknownSessions,
            CollidesWith = decision.CollidesWith,
            Warnings = decision.Warnings,
            DuplicateOf = decision.DuplicateOf,
        };

    public static Contract.InboxEntry ToContract(this InboxEntry entry) =>
        new(entry.Session, entry.Watch, entry.Route, entry.Intent, entry.RoutedAt, entry.Wake, entry.Turn?.ToContract())
        {
            Fact = entry.Fact is { } fact ? new(fact.Answer.ToContract(), fact.Reason, fact.At) : null,
        };

    public static Contract.EventSummary ToContract(this EventSummary summary) =>
        new(
            summary.Id,
            summary.Source,
            summary.Type,
            summary.Subject,
            summary.Reason,
            summary.Wakes ? Delivery.Wake : Delivery.Ambient,
            summary.Urgent,
            summary.Sessions > 0 ? Contract.IntakeOutcome.Routed : Contract.IntakeOutcome.Unwatched,
            summary.Sessions,
            summary.AcceptedAt,
            summary.Time,
            summary.Actor,
            summary.ReplayOf
        );

    public static Contract.DryRunResult ToContract(this DryRunResult result) =>
        new(
            result.Id,
            result.Outcome.ToContract(),
            [.. result.Sessions.Select(ToContract)],
            result.UnknownSessions,
            result.DuplicateOf
        )
        {
            CollidesWith = result.CollidesWith,
            Warnings = result.Warnings,
            Withheld = result.Withheld,
        };

    static Contract.DryRunInboxEntry ToContract(this DryRunInboxEntry entry) =>
        new(
            entry.Session,
            entry.Wakes,
            entry.Begins,
            entry.Watch,
            entry.Route,
            entry.Intent,
            entry.Prompt.ToContract(),
            entry.Words,
            entry.Text
        )
        {
            HeldBy = entry.HeldBy,
        };

    static Contract.FactAnswer ToContract(this FactAnswer answer) =>
        answer switch
        {
            FactAnswer.Holds => Contract.FactAnswer.Holds,
            FactAnswer.NoLonger => Contract.FactAnswer.NoLonger,
            FactAnswer.Unknown => Contract.FactAnswer.Unknown,
            _ => throw new InvalidOperationException($"Unknown {answer}."),
        };

    static Contract.IntakeOutcome ToContract(this IntakeOutcome outcome) =>
        outcome switch
        {
            IntakeOutcome.Routed => Contract.IntakeOutcome.Routed,
            IntakeOutcome.Unwatched => Contract.IntakeOutcome.Unwatched,
            IntakeOutcome.Duplicate => Contract.IntakeOutcome.Duplicate,
            _ => throw new InvalidOperationException($"Unknown {outcome}."),
        };

    static Contract.PromptForm ToContract(this PromptForm form) =>
        form switch
        {
            PromptForm.Full => Contract.PromptForm.Full,
            PromptForm.Delta => Contract.PromptForm.Delta,
            _ => throw new InvalidOperationException($"Unknown {form}."),
        };
}
