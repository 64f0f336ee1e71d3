using System.Globalization;
using System.Text.RegularExpressions;
using Wake.Contracts;
using Wake.Store;

namespace Wake.Notifier;

/// <summary>
/// A question as a chat shows it: the same for the same question, its choices so far and how it was settled.
/// </summary>
static partial class ChatQuestion
{
    // What is longer is answered where there is more room.
    const int MaxParts = 4;
    const int MaxItems = 8;
    const int MaxOptions = 10;
    const int MaxQuestion = 2000;
    const int MaxOption = 300;

    // Of the last part as much stays free as it takes to say who has answered what.
    const int Reserved = 1200;
    const int MaxAnswer = 150;

    /// <summary>Its messages, of which the last has the buttons and shows what becomes of it.</summary>
    public static (IReadOnlyList<ChatText> Parts, IReadOnlyList<IReadOnlyList<ChatButton>> Buttons) Render(
        Question question,
        QuestionDraft draft,
        int maxLength
    )
    {
        var parts = Body(question).Split(maxLength - Reserved);
        var fits = parts.Count <= MaxParts;
        List<ChatText> shown = [.. parts.Take(MaxParts)];
        var last = shown[^1];
        if (!fits)
            last.Add("\n…");
        last.Add("\n\n");

        if (question.Outcome is not null)
        {
            last.Add(Settled(question));
            return (shown, []);
        }

        for (var item = 0; item < question.Questions.Count; item++)
        {
            if (draft.Of(item) is { Count: > 0 } chosen)
                last.Add(question.Questions.Count > 1 ? $"Chosen for {item + 1}: " : "Chosen: ")
                    .AddForeign(string.Join(", ", chosen), MaxAnswer / 2)
                    .Add("\n");
        }

        var canAllow = fits && HasShowableCall(question);
        last.Add(Advice(question, canAllow));
        if (question.Deadline is { } deadline)
            last.Add("\nWithout an answer it goes on at ").AddMoment(deadline).Add(".");
        return (shown, Buttons(question, draft, canAllow));
    }

    /// <summary>Whether one choice is the whole answer.</summary>
    public static bool IsSimple(Question question) => question.Questions is [{ MultiSelect: false }];

    /// <summary>Whether it can be answered in a chat: all of it is shown there.</summary>
    public static bool CanAnswer(Question question) =>
        question.Permission is not null || question.Questions is { Count: > 0 and <= MaxItems };

    /// <summary>Whether a chat shows the whole call that it asks about, and has nothing in it that must not go
    /// there.</summary>
    public static bool CanAllow(Question question, int maxLength) =>
        HasShowableCall(question) && Body(question).Split(maxLength - Reserved).Count <= MaxParts;

    /// <summary>What is answered when these are chosen; null while something has no answer.</summary>
    public static IReadOnlyDictionary<string, string>? Answers(Question question, QuestionDraft draft)
    {
        Dictionary<string, string> answers = [];
        for (var item = 0; item < question.Questions.Count; item++)
        {
            if (draft.Of(item) is not { Count: > 0 } chosen)
                return null;
            answers[question.Questions[item].Question] = string.Join(", ", chosen);
        }

        return answers;
    }

    /// <summary>The choices after one of them was pressed.</summary>
    public static QuestionDraft Toggle(Question question, QuestionDraft draft, int item, string label)
    {
        var chosen = draft.Of(item);
        return draft.With(
            item,
            !question.Questions[item].MultiSelect ? [label]
                : chosen.Contains(label) ? [.. chosen.Where(x => x != label)]
                :
                [
                    .. question
                        .Questions[item]
                        .Options.Select(x => x.Label)
                        .Where(x => x == label || chosen.Contains(x)),
                ]
        );
    }

    /// <summary>What options of a question of which several may be chosen say; null when it has no such.</summary>
    public static IReadOnlyList<string>? Labels(Question question, int item, IReadOnlyList<int> options) =>
        item < question.Questions.Count
        && question.Questions[item] is { MultiSelect: true, Options: var offered }
        && options.All(x => x < offered.Count)
            ? [.. offered.Select(x => x.Label).Where((_, place) => options.Contains(place))]
            : null;

    /// <summary>Which question of a call a text answers, and what of the text is the answer.</summary>
    public static (int Item, string Text) Addressed(Question question, QuestionDraft draft, string text)
    {
        if (
            NumberedAnswer().Match(text) is { Success: true } match
            && int.TryParse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture, out var number)
            && number >= 1
            && number <= question.Questions.Count
        )
            return (number - 1, match.Groups[2].Value.Trim());

        var open = Enumerable.Range(0, question.Questions.Count).FirstOrDefault(x => draft.Of(x) is []);
        return (open, text);
    }

    /// <summary>Whether it was settled by somebody with these words.</summary>
    public static bool IsSettledBy(Question question, string by, string text) =>
        question.AnsweredBy == by
        && (
            question.Permission is not null
                ? question.Decision is { Allow: false, Message: var message } && message == text
                : question.Answers is { Count: 1 } answers && answers.Values.First() == text
        );

    /// <summary>How a question was settled, in a sentence.</summary>
    public static ChatText Settled(Question question)
    {
        var text = new ChatText();
        var at = ChatText.Moment(question.SettledAt!.Value);
        switch (question)
        {
            case { Outcome: QuestionOutcome.NoAnswer }:
                return text.Add($"Nobody answered. The session went on at {at}.");

            case { Outcome: QuestionOutcome.Superseded }:
                return text.Add($"The session was closed at {at}.");

            case { Decision: { } decision }:
                text.Add(
                        !decision.Allow ? "Denied"
                        : decision.ForSession ? "Allowed in this session"
                        : "Allowed once"
                    )
                    .Add(By(question))
                    .Add($", {at}.");
                return decision.Message is { } message ? text.Add("\n").AddForeign(message, MaxAnswer) : text;

            default:
                text.Add("Answered").Add(By(question)).Add($", {at}:");
                foreach (var (number, item) in question.Questions.Take(MaxItems).Index())
                {
                    text.Add(question.Questions.Count > 1 ? $"\n{number + 1}: " : "\n")
                        .AddForeign(question.Answers?.GetValueOrDefault(item.Question) ?? "", MaxAnswer / 2);
                }

                return text;
        }
    }

    static ChatText Body(Question question)
    {
        var text = new ChatText().AddForeign(question.Session, EventLimits.MaxKeyLength);
        if (question.Permission is { } permission)
        {
            text.Add(" asks to be allowed ").AddForeign(permission.Tool, MaxOption).Add(":\n");
            if (permission.Why is { } why)
                text.AddForeign(why, MaxOption).Add("\n");
            // Without the whole, or with a secret in it, it is for information alone.
            return permission.Call is { } call && !HasSecret(call)
                ? text.AddWhole(call)
                : text.AddForeign($"{permission.Input}", MaxQuestion);
        }

        text.Add(" asks:");
        if (question.Questions is [])
            return text.Add(" something that cannot be shown here.");

        foreach (var (number, item) in question.Questions.Take(MaxItems).Index())
        {
            text.Add(question.Questions.Count > 1 ? $"\n\n{number + 1}. " : "\n")
                .AddForeign(item.Question, MaxQuestion);
            foreach (var option in item.Options.Take(MaxOptions))
            {
                text.Add("\n– ").AddForeign(option.Label, MaxOption);
                if (option.Description is { Length: > 0 } more)
                    text.Add(": ").AddForeign(more, MaxOption);
            }

            if (item.MultiSelect)
                text.Add("\nSeveral may be chosen.");
        }

        return text;
    }

    static string Advice(Question question, bool canAllow) =>
        question.Permission is not null
            ? canAllow
                ? "Reply to deny it with your words."
                : $"Not all of it is shown here, so it is allowed with: wake answer {question.Id}\n"
                    + "Reply to deny it with your words."
            : !CanAnswer(question)
                ? $"Answer with: wake answer {question.Id}"
                : question.Questions.Count > 1
                    ? "Reply to answer in your own words; begin with the number of the question."
                    : "Reply to answer in your own words.";

    static List<IReadOnlyList<ChatButton>> Buttons(Question question, QuestionDraft draft, bool canAllow)
    {
        string Data(string what) => $"q|{question.Id:N}|{draft.Revision}|{what}";

        if (question.Permission is not null)
        {
            var deny = new ChatButton("Deny", Data(ChatPress.Deny));
            return canAllow
                ?
                [
                    [new("Allow once", Data(ChatPress.Allow)), deny],
                    .. question.Permission.FitsSession
                        ?
                        [
                            [new ChatButton("Allow in this session", Data(ChatPress.AllowForSession))],
                        ]
                        : (IReadOnlyList<ChatButton>[])[],
                ]
                :
                [
                    [deny],
                ];
        }

        if (!CanAnswer(question))
            return [];

        var several = question.Questions.Count > 1;
        List<IReadOnlyList<ChatButton>> rows = [];
        foreach (var (item, asked) in question.Questions.Index())
        {
            foreach (var (option, offered) in asked.Options.Take(MaxOptions).Index())
            {
                var label = $"{new ChatText().AddForeign(offered.Label, MaxOption)}";
                // No chat takes a button with nothing on it.
                if (string.IsNullOrWhiteSpace(label))
                    label = "(blank)";
                var isChosen = draft.Of(item).Contains(offered.Label);
                var shown = $"{(isChosen ? "✓ " : "")}{(several ? $"{item + 1}: " : "")}{label}";
                var menu = asked.MultiSelect ? new ChatMenu(Data($"m{item}."), option, isChosen) : null;
                rows.Add([new(shown, Data($"c{item}.{option}")) { Menu = menu }]);
            }
        }

        if (!IsSimple(question))
            rows.Add([new("Send", Data(ChatPress.Send))]);
        return rows;
    }

    static string By(Question question) =>
        question.AnsweredBy is { } who ? $" by {new ChatText().AddForeign(who, MaxAnswer)}" : "";

    // Its call can be named, is there as a whole, and has nothing in it that must not go to a chat.
    static bool HasShowableCall(Question question) =>
        question.Permission is { Hash: not null, Call: { } call } && !HasSecret(call);

    static bool HasSecret(string call) => ServiceDefaults.Redaction.Redact(call) != call;

    [GeneratedRegex(@"\A\s*([0-9]{1,2})\s*[:.)]\s*(\S[\s\S]*)\z")]
    private static partial Regex NumberedAnswer();
}

/// <summary>What a button of a question tells when it is pressed.</summary>
/// <param name="Question">The question.</param>
/// <param name="Revision">The choices that the button stood beside.</param>
/// <param name="What">What was pressed.</param>
sealed partial record ChatPress(Guid Question, int Revision, string What)
{
    public const string Allow = "a";
    public const string AllowForSession = "l";
    public const string Deny = "d";
    public const string Send = "s";

    /// <summary>The option that was pressed, by the places of its question and itself; null when it was none.</summary>
    public (int Item, int Option)? Choice =>
        ChoiceName().Match(What) is { Success: true } match
            ? (
                int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture),
                int.Parse(match.Groups[2].ValueSpan, CultureInfo.InvariantCulture)
            )
            : null;

    /// <summary>The options that were chosen at once, by the places of their question and themselves; null when it was
    /// no menu.</summary>
    public (int Item, IReadOnlyList<int> Options)? Selection =>
        MenuChoice().Match(What) is { Success: true } match
            ? (
                int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture),
                [.. match.Groups[2].Captures.Select(x => int.Parse(x.ValueSpan, CultureInfo.InvariantCulture))]
            )
            : null;

    /// <summary>What a button tells; null when it is none of Wake's.</summary>
    public static ChatPress? Parse(string data) =>
        data.Split('|') is ["q", var id, var revision, var what]
        && Guid.TryParseExact(id, "N", out var question)
        && int.TryParse(revision, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? new(question, number, what)
            : null;

    [GeneratedRegex(@"\Ac([0-9]{1,2})\.([0-9]{1,2})\z")]
    private static partial Regex ChoiceName();

    [GeneratedRegex(@"\Am([0-9]{1,2})\.(?:([0-9]{1,2})(?:,(?=[0-9])|\z)){0,25}\z")]
    private static partial Regex MenuChoice();
}
