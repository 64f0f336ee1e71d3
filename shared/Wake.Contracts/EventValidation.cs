namespace Wake.Contracts;

/// <summary>Says in words what is wrong with an event. Every door asks it before the intake sees anything.</summary>
public static class EventValidation
{
    /// <summary>The problems found, each as (field, sentence); empty when the event can be accepted.</summary>
    public static IReadOnlyList<(string Field, string Problem)> Problems(ExternalEventObserved observed)
    {
        List<(string, string)> problems = [];

        Required("id", observed.Id, EventLimits.MaxNameLength);
        Required("source", observed.Source, EventLimits.MaxNameLength);
        Required("type", observed.Type, EventLimits.MaxNameLength);
        Required("subject", observed.Subject, EventLimits.MaxKeyLength);
        Required("reason", observed.Reason, EventLimits.MaxReasonLength);
        Optional("dedupKey", observed.DedupKey, EventLimits.MaxKeyLength);
        Optional("actor", observed.Actor, EventLimits.MaxKeyLength);
        Optional("replayOf", observed.ReplayOf, EventLimits.MaxNameLength);
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

            if (entries.Count > EventLimits.MaxListEntries)
                problems.Add((field, $"has {entries.Count} entries; {EventLimits.MaxListEntries} are allowed."));

            for (var i = 0; i < Math.Min(entries.Count, EventLimits.MaxListEntries); i++)
                Required($"{field}[{i}]", entries[i], EventLimits.MaxKeyLength);
        }

        void Foreign(string field, string? text)
        {
            if (IsReserved(text))
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
    public static bool IsReserved(string? text) =>
        text is not null
        && text.AsSpan().TrimStart() is var name
        && name.StartsWith("wake", StringComparison.OrdinalIgnoreCase)
        && (name.Length == "wake".Length || name["wake".Length] is '.' or ':' or '/');

    /// <summary>What keeps this text from being stored, or null: too long, or a character PostgreSQL cannot
    /// hold.</summary>
    public static string? TextProblem(string text, int limit) =>
        text.Length > limit ? $"has {text.Length} characters; {limit} are allowed." : StorableText.Problem(text);
}
