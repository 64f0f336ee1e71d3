using System.Text;
using System.Text.Json;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Notifier;

/// <summary>
/// A message in words. What sessions and strangers have written in it is text and nothing else: it cannot be seen as
/// anything that it is not, and what looks like a secret is taken out.
/// </summary>
static class NotificationText
{
    const int MaxHeadline = 100;

    /// <summary>One line.</summary>
    public static string Title(ClaimedNotification message)
    {
        if (message.Facts is [var only])
            return Headline(only);

        var sessions = message.Facts.Select(Session).OfType<string>().Distinct();
        return $"Wake: {message.Facts.Count} notifications, {Line(string.Join(", ", sessions))}";
    }

    /// <summary>What each of its facts says, in paragraphs.</summary>
    public static string Body(ClaimedNotification message) =>
        message.Facts is [var only]
            ? Paragraph(only)
            : string.Join(
                "\n\n",
                message.Facts.Select(x => $"{x.At.UtcDateTime:u} {Headline(x)}\n{Paragraph(x)}".TrimEnd())
            );

    /// <summary>The head of a text within so many bytes of UTF-8.</summary>
    public static string Cut(string text, int bytes)
    {
        const string More = " …";
        if (Encoding.UTF8.GetByteCount(text) <= bytes)
            return text;

        var head = new StringBuilder();
        var left = bytes - Encoding.UTF8.GetByteCount(More);
        foreach (var rune in text.EnumerateRunes())
        {
            left -= rune.Utf8SequenceLength;
            if (left < 0)
                break;
            head.Append(rune.ToString());
        }

        return head.Append(More).ToString();
    }

    static string Headline(StatedFact fact)
    {
        var who = Session(fact) is { } key ? Cut(Line(key), MaxHeadline) : "Wake";
        var wake = fact.Data.TryGetProperty("wake", out var number) ? $"wake {number}" : "a wake";
        return fact.Type switch
        {
            "turn.completed" => $"{who}: {wake} completed",
            "turn.failed" => $"{who}: {wake} ended, {Text(fact, "outcome")}",
            "turn.parked" => $"{who}: {wake} is parked",
            "question.asked" => $"{who} asks: {Cut(Line(Asked(fact)), MaxHeadline)}",
            "question.answered" => $"{who}: its question is answered",
            "question.expired" => $"{who}: nobody answered its question",
            "budget.reached" => $"{who}: a budget is used up",
            "session.fresh" => $"{who}: its memory is lost, it began anew",
            "session.closed" => $"{who} is closed",
            "breaker.opened" => $"{Cut(Line(Scope(fact)), MaxHeadline)}: a breaker has opened",
            "silence" => $"{who}: nothing came of {Cut(Line(Text(fact, "subject") ?? "?"), MaxHeadline)}",
            "wake.degraded" => IsOver(fact)
                ? $"Wake: what is sent to {Target(fact)} arrives again"
                : $"Wake: what is sent to {Target(fact)} does not arrive",
            NotificationFacts.Test => "Wake: this is a test",
            _ => $"{who}: {fact.Type}",
        };
    }

    static bool IsOver(StatedFact fact) =>
        fact.Data.TryGetProperty("over", out var over) && over.ValueKind is JsonValueKind.True;

    static string Target(StatedFact fact) => Cut(Line(Text(fact, "target") ?? "?"), MaxHeadline);

    static string Scope(StatedFact fact) => Text(fact, "name") is { } name ? $"{Text(fact, "scope")} {name}" : "Wake";

    static string Asked(StatedFact fact) =>
        NotificationJson.Questions(fact) is [var first, ..] ? first.Question
        : fact.Tool == QuestionItem.ToolName ? "a question"
        : $"may it use {fact.Tool}?";

    static string Paragraph(StatedFact fact)
    {
        List<string> lines = [];
        foreach (var question in NotificationJson.Questions(fact))
        {
            lines.Add(Line(question.Question));
            lines.AddRange(
                question.Options.Select(x =>
                    $"- {Line(x.Label)}{(x.Description is { Length: > 0 } more ? $": {Line(more)}" : "")}"
                )
            );
        }

        if (NotificationJson.Permission(fact) is { } permission)
            lines.Add(Line(permission.Input));
        if (Text(fact, "note") is { } note)
            lines.Add(Line(note));
        if (Text(fact, "reason") is { } reason)
            lines.Add(Line(reason));
        if (Text(fact, "intent") is { } intent)
            lines.Add(Line(intent));
        if (fact.Type == "silence" && Text(fact, "expectBy") is { } by)
            lines.Add($"Expected by {by}, since {Text(fact, "since")}.");
        if (fact.Type == "breaker.opened" && Text(fact, "pause") is { } pause)
            lines.Add($"wake unpause {pause}");
        if (Text(fact, "deadline") is { } deadline)
            lines.Add($"Without an answer it goes on at {deadline}.");
        if (fact.Type == "question.asked" && Text(fact, "question") is { } id)
            lines.Add($"wake questions show {id}");
        return string.Join('\n', lines);
    }

    static string? Session(StatedFact fact) => Text(fact, "session");

    public static string? Text(StatedFact fact, string name) =>
        fact.Data.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.String
            ? value.GetString()
            : null;

    static string Line(string text) =>
        VisibleText.ReplaceInvisible(NotificationJson.Bound(text), VisibleText.EscapeSequence);
}
