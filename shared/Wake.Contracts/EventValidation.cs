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

        Foreign("source", observed.Source);
        Foreign("type", observed.Type);

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

        void Foreign(string field, string? text)
        {
            if (IsWakes(text))
                problems.Add(
                    (field, "begins with wake, which is Wake's own: nobody else says what Wake says. Choose another.")
                );
        }

        void Text(string field, string text, int limit)
        {
            if (TextProblem(text, limit) is { } problem)
                problems.Add((field, problem));
        }
    }

    /// <summary>
    /// Whether a source or a type is one of Wake's own: <c>wake:request</c>, <c>wake.requested</c>. Those are made
    /// behind the doors alone.
    /// </summary>
    public static bool IsWakes(string? text) =>
        text is not null
        && text.AsSpan().TrimStart() is var name
        && name.StartsWith("wake", StringComparison.OrdinalIgnoreCase)
        && (name.Length == "wake".Length || name["wake".Length] is '.' or ':' or '/');

    /// <summary>What keeps this text from being stored, or null: too long, or a character PostgreSQL cannot
    /// hold.</summary>
    public static string? TextProblem(string text, int limit) =>
        text.Length > limit ? $"has {text.Length} characters; {limit} are allowed." : StorableText.Problem(text);
}
