namespace Wake.Store;

/// <summary>What would become of an observation.</summary>
/// <param name="Id">The observation's id, as its producer named it.</param>
/// <param name="Outcome">What would be decided.</param>
/// <param name="Sessions">Who would receive it, and why.</param>
/// <param name="UnknownSessions">Keys it names that no open session has.</param>
/// <param name="DuplicateOf">The id of the observation that brought the fact first; null unless it is a
/// duplicate.</param>
public sealed record DryRunResult(
    string Id,
    IntakeOutcome Outcome,
    IReadOnlyList<DryRunInboxEntry> Sessions,
    IReadOnlyList<string>? UnknownSessions,
    string? DuplicateOf
)
{
    /// <summary>Sessions whose prompt is shown: a person reads a few, and an event may reach thousands.</summary>
    internal const int MaxTexts = 100;

    /// <inheritdoc cref="IntakeResult.CollidesWith" />
    public string? CollidesWith { get; init; }

    /// <inheritdoc cref="IntakeResult.Warnings" />
    public IReadOnlyList<string>? Warnings { get; init; }

    /// <summary>
    /// How many sessions would receive it that are not named here, because the caller may not read of sessions; null
    /// when it may.
    /// </summary>
    public int? Withheld { get; init; }

    /// <summary>The same for who may publish and not read: nothing of sessions, nor of what others have
    /// published.</summary>
    public DryRunResult WithoutSessions() =>
        this with
        {
            Sessions = [],
            UnknownSessions = null,
            CollidesWith = null,
            Withheld = Sessions.Count,
        };

    /// <summary>What there is to say about each observation.</summary>
    internal static IReadOnlyList<DryRunResult> Create(
        IReadOnlyList<Observation> observations,
        IReadOnlyList<IntakeResult> decisions,
        IReadOnlyList<DryRunRow> rows,
        Func<IReadOnlyList<TurnEvent>, PromptForm, string> render
    )
    {
        // A session reads of all its events in one turn, so what it reads is said once.
        var texts = (
            from entries in rows.GroupBy(x => x.Session)
            let first = entries.FirstOrDefault(x => x.Event.Wakes)
            let events = entries.Where(x => !x.Expired).Select(x => x.Event).ToList()
            where first is not null && events is not []
            select (first, events)
        )
            .Take(MaxTexts)
            .ToDictionary(x => (x.first.DedupKey, x.first.Session), x => render(x.events, x.first.Form));

        var deliveries = rows.ToLookup(
            x => x.DedupKey,
            x => x.ToInboxEntry(texts.GetValueOrDefault((x.DedupKey, x.Session)))
        );
        return
        [
            .. observations.Zip(
                decisions,
                (observed, decision) =>
                    new DryRunResult(
                        decision.Id,
                        decision.Outcome,
                        decision.Outcome is IntakeOutcome.Routed
                            ?
                            [
                                .. deliveries[
                                    decision.CollidesWith is null
                                        ? observed.Event.EffectiveDedupKey
                                        : observed.ScopedKey
                                ],
                            ]
                            : [],
                        decision.UnknownSessions,
                        decision.DuplicateOf
                    )
                    {
                        CollidesWith = decision.CollidesWith,
                        Warnings = decision.Warnings,
                    }
            ),
        ];
    }
}

/// <summary>A session that would receive it.</summary>
/// <param name="Session">Its key.</param>
/// <param name="Wakes">Whether it would be woken, rather than given it with its next turn.</param>
/// <param name="Begins">Whether the session would only begin with this.</param>
/// <param name="Watch">The watch that matches; null when none does.</param>
/// <param name="Route">The route that matches; null when none does. Neither: the event names the session.</param>
/// <param name="Intent">The watch's note.</param>
/// <param name="Prompt">In which form it would receive it.</param>
/// <param name="Words">What the route says to it; null when it says nothing.</param>
/// <param name="Text">
/// What it would read, about all the events asked about together: with the first that wakes it, null with the others,
/// and beyond a hundred sessions. What waits for it already comes on top of that.
/// </param>
public sealed record DryRunInboxEntry(
    string Session,
    bool Wakes,
    bool Begins,
    Guid? Watch,
    string? Route,
    string? Intent,
    PromptForm Prompt,
    string? Words,
    string? Text
)
{
    /// <summary>The pauses that would hold it, in words; null when none would.</summary>
    public string? HeldBy { get; init; }
}

/// <summary>How much a session has to be told.</summary>
public enum PromptForm
{
    /// <summary>Everything: it has no memory yet.</summary>
    Full,

    /// <summary>What is new: it remembers.</summary>
    Delta,
}
