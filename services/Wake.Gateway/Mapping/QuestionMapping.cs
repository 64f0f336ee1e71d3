using Wake.Store;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary>Questions, from the store's records to those of the HTTP contract.</summary>
static class QuestionMapping
{
    public static Contract.Question ToContract(this Question question) =>
        new(
            question.Id,
            question.Session,
            question.Wake,
            [.. question.Questions.Select(ToContract)],
            question.Permission?.ToContract(),
            question.AskedAt,
            question.Deadline,
            question.Outcome?.ToContract(),
            question.SettledAt,
            question.Answers,
            question.Decision is { } decision
                ? new(decision.Allow, decision.Message) { Shown = decision.Shown, ForSession = decision.ForSession }
                : null
        )
        {
            AnsweredBy = question.AnsweredBy,
        };

    /// <summary>A call that a session may make without asking.</summary>
    public static Contract.AllowedCall ToContract(this AllowedCall permission) =>
        new(permission.Question, permission.Tool, permission.Call, permission.AllowedAt, permission.AllowedBy);

    static Contract.QuestionItem ToContract(this QuestionItem item) =>
        new(
            item.Question,
            item.Header,
            item.MultiSelect,
            [.. item.Options.Select(x => new Contract.QuestionOption(x.Label, x.Description))]
        );

    static Contract.PermissionRequest ToContract(this PermissionRequest permission) =>
        new(permission.Tool, permission.Input, permission.Why)
        {
            Whole = permission.Whole,
            Call = permission.Call,
            Hash = permission.Hash,
            FitsSession = permission.FitsSession,
        };

    static Contract.QuestionOutcome ToContract(this QuestionOutcome outcome) =>
        outcome switch
        {
            QuestionOutcome.Answered => Contract.QuestionOutcome.Answered,
            QuestionOutcome.NoAnswer => Contract.QuestionOutcome.NoAnswer,
            QuestionOutcome.Superseded => Contract.QuestionOutcome.Superseded,
            _ => throw new InvalidOperationException($"Unknown {outcome}."),
        };
}
