using System.Diagnostics;

namespace Wake.ServiceDefaults;

/// <summary>
/// Wake's own spans, and how a trace survives the database: a wake is decided by a timer, minutes after the request
/// that its event came with is over, so the event's row and the turn's keep the context to go on from.
/// </summary>
/// <remarks>Attributes name things: sessions, events, numbers, outcomes. What an event says is never among
/// them.</remarks>
public static class Tracing
{
    /// <summary>Events named or linked to by one span. OpenTelemetry drops links beyond this by default.</summary>
    public const int MaxEvents = 128;

    /// <summary>A webhook delivery continues the trace that its payload names, not that of its request.</summary>
    public const string WebhookDelivery = "wake.webhook.delivery";

    /// <summary>An event leaves a producer for the broker.</summary>
    public const string Publish = "publish wake.events";

    /// <summary>Events are taken in.</summary>
    public const string Intake = "wake.intake";

    /// <summary>A session's timer is due: from the look at it until its command is sent.</summary>
    public const string Due = "wake.due";

    /// <summary>The saga wakes a session, or sends a wake again.</summary>
    public const string Decide = "wake.decide";

    /// <summary>One attempt at a turn, from its claim to its ending.</summary>
    public const string Turn = "wake.turn";

    /// <summary>One run of the CLI. Its own spans hang below.</summary>
    public const string Cli = "claude";

    /// <summary>Attribute: the session's key.</summary>
    public const string Session = "wake.session";

    /// <summary>Attribute: the Claude session's id.</summary>
    public const string ClaudeSession = "wake.claude_session";

    /// <summary>Attribute: whether the CLI ran already.</summary>
    public const string Warm = "wake.warm";

    /// <summary>Attribute: the class of what a run of the CLI came to.</summary>
    public const string Result = "wake.result";

    /// <summary>Attribute: which of the session's wakes.</summary>
    public const string WakeNumber = "wake.wake_number";

    /// <summary>Attribute: counts the claims of a turn.</summary>
    public const string Attempt = "wake.attempt";

    /// <summary>Attribute: the ids of the events, at most <see cref="MaxEvents"/>.</summary>
    public const string Events = "wake.event.ids";

    /// <summary>Attribute: what was decided, or what it came to.</summary>
    public const string Outcome = "wake.outcome";

    /// <summary>Where they come from.</summary>
    public static readonly ActivitySource Source = new(Telemetry.SourceName);

    /// <summary>
    /// Begins a span under a context that was kept, with links to others. Without one it hangs under whatever runs now.
    /// Null when nobody traces.
    /// </summary>
    /// <param name="name">One of the names here.</param>
    /// <param name="kind">Its side of a conversation.</param>
    /// <param name="parent">The context it goes on from, as it was kept.</param>
    /// <param name="others">Contexts that led to it as well.</param>
    public static Activity? Start(
        string name,
        ActivityKind kind,
        TraceContext parent,
        IEnumerable<TraceContext>? others = null
    )
    {
        if (!Source.HasListeners())
            return null;

        var context = parent.Context ?? default;
        var linked =
            others
                ?.Distinct()
                .Select(x => x.Context)
                .OfType<ActivityContext>()
                .Where(x => x != context)
                .Take(MaxEvents)
                .ToList()
            ?? [];
        var activity = Source.StartActivity(name, kind, context, links: linked.Select(x => new ActivityLink(x)));

        // Messages of MassTransit carry the trace on without its state.
        if (activity is { TraceStateString: null })
            activity.TraceStateString = linked.Find(x => x.TraceId == activity.TraceId).TraceState;
        return activity;
    }
}

/// <summary>A W3C trace context as it travels in headers and is kept in rows.</summary>
/// <param name="TraceParent">The <c>traceparent</c>; null: none.</param>
/// <param name="TraceState">The <c>tracestate</c>, if there is one.</param>
public readonly record struct TraceContext(string? TraceParent, string? TraceState)
{
    // In characters. The recommendation asks for no more to be passed on.
    const int MaxState = 512;

    /// <summary>The one that this code runs in.</summary>
    public static TraceContext Current =>
        Activity.Current is { IdFormat: ActivityIdFormat.W3C } here ? Parse(here.Id, here.TraceStateString) : default;

    /// <summary>Whether this code runs in the same trace.</summary>
    public bool IsOfCurrentTrace => Context is { } context && Activity.Current?.TraceId == context.TraceId;

    /// <summary>What a foreign program sent, if it is a context at all. A state that cannot be kept is
    /// dropped.</summary>
    public static TraceContext Parse(string? parent, string? state) =>
        parent is null || !ActivityContext.TryParse(parent, null, out _)
            ? default
            : new(
                parent,
                state is { Length: > 0 and <= MaxState } && !state.AsSpan().ContainsAnyExceptInRange(' ', '~')
                    ? state
                    : null
            );

    internal ActivityContext? Context =>
        ActivityContext.TryParse(TraceParent, TraceState, isRemote: true, out var context) ? context : null;
}
