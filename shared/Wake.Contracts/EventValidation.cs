namespace Wake.Contracts;

/// <summary>Says in words what is wrong with an event. Every door asks it before the intake sees anything.</summary>
public static class EventValidation
{
    /// <summary>The problems found, each as (field, sentence); empty when the event can be accepted.</summary>
    public static IReadOnlyList<(string Field, string Problem)> Problems(ExternalEventObserved observed)
    {
        List<(string, string)> problems = [];

        Required("id", observed.Id, EventLimits.Name);
        Required("source", observed.Source, EventLimits.Name);
        Required("type", observed.Type, EventLimits.Name);
        Required("subject", observed.Subject, EventLimits.Key);
        Required("reason", observed.Reason, EventLimits.Reason);
        Optional("dedupKey", observed.DedupKey, EventLimits.Key);
        Optional("actor", observed.Actor, EventLimits.Key);
        Optional("replayOf", observed.ReplayOf, EventLimits.Name);
        Each("related", observed.Related);
        Each("sessions", observed.Sessions);

        if (!Enum.IsDefined(observed.Delivery))
            problems.Add(("delivery", "must be \"wake\" or \"ambient\"."));

        return problems;

        void Required(string field, string? text, int limit)
        {
            if (string.IsNullOrWhiteSpace(text))
                problems.Add((field, "is required and must not be blank."));
            else
                Text(field, text, limit);
        }

        void Optional(string field, string? text, int limit)
        {
            if (text is not null)
                Required(field, text, limit);
        }

        void Each(string field, IReadOnlyList<string>? entries)
        {
            if (entries is null)
                return;

            if (entries.Count > EventLimits.Listed)
                problems.Add((field, $"has {entries.Count} entries; {EventLimits.Listed} are allowed."));

            for (var i = 0; i < Math.Min(entries.Count, EventLimits.Listed); i++)
                Required($"{field}[{i}]", entries[i], EventLimits.Key);
        }

        void Text(string field, string text, int limit)
        {
            if (TextProblem(text, limit) is { } problem)
                problems.Add((field, problem));
        }
    }

    /// <summary>What keeps this text from being stored, or null: too long, or a character PostgreSQL cannot hold.</summary>
    public static string? TextProblem(string text, int limit)
    {
        if (text.Length > limit)
            return $"has {text.Length} characters; {limit} are allowed.";

        if (text.Contains('\0'))
            return "contains the character U+0000, which cannot be stored.";

        return HasLoneSurrogate(text) ? "contains half of a surrogate pair, which is not valid Unicode." : null;
    }

    static bool HasLoneSurrogate(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i]))
                continue;

            if (i + 1 == text.Length || !char.IsSurrogatePair(text[i], text[i + 1]))
                return true;

            i++;
        }

        return false;
    }
}
