using System.Text.Json;
using System.Text.Json.Serialization;

namespace Wake.Contracts;

/// <summary>
/// Something happened outside. Published by any producer, in any language, as plain JSON (camel case, no envelope) to the
/// topic exchange <c>wake.events</c>, or posted to <c>POST /v1/events</c>; consumed by the intake alone.
/// </summary>
/// <remarks>
/// <see cref="Id"/> with <see cref="Source"/> identify the observation; <see cref="DedupKey"/> identifies the fact. Two
/// messages with the same dedup key are one fact, whoever observed it and however often, for at least 30 days.
/// All text is carried as data and never interpreted. Limits stand in <see cref="EventLimits"/>.
/// </remarks>
public sealed record ExternalEventObserved
{
    /// <summary>Names this observation within its source, for instance a webhook delivery id.</summary>
    public required string Id { get; init; }

    /// <summary>Who observed it, as a URI reference: <c>github:webhook</c>, <c>cron:nightly</c>.</summary>
    public required string Source { get; init; }

    /// <summary>What kind of fact, dotted from the general to the particular: <c>github.pull_request.merged</c>.</summary>
    public required string Type { get; init; }

    /// <summary>What it is about, an opaque string that watches match: <c>github:octo-org/hello#972</c>.</summary>
    public required string Subject { get; init; }

    /// <summary>Further subjects it concerns; a watch on any of them matches as well.</summary>
    public IReadOnlyList<string>? Related { get; init; }

    /// <summary>The fact's identity. Left out, every observation is a fact of its own, known by its source and id.</summary>
    public string? DedupKey { get; init; }

    /// <summary>One sentence for the session that wakes: <c>PR #972 merged</c>. Shown to it as untrusted text.</summary>
    public required string Reason { get; init; }

    /// <summary>Whether it starts a turn or waits for the next one.</summary>
    public Delivery Delivery { get; init; } = Delivery.Wake;

    /// <summary>A person is waiting: skips the quiet window and ends a session's park.</summary>
    public bool Urgent { get; init; }

    /// <summary>Keys of sessions that shall hear of it whether or not they watch its subject.</summary>
    public IReadOnlyList<string>? Sessions { get; init; }

    /// <summary>Who caused it, for instance a login. Null when unknown.</summary>
    public string? Actor { get; init; }

    /// <summary>When it happened by the clock of whoever saw it; only shown, never used to decide.</summary>
    public DateTimeOffset? Time { get; init; }

    /// <summary>After this moment it is no longer worth a turn and is not handed over any more.</summary>
    public DateTimeOffset? Expires { get; init; }

    /// <summary>
    /// Anything else a reader might want, as JSON; kept as it came. An https address in its <c>link</c>, <c>html_url</c> or
    /// <c>url</c> is shown to the session beside the reason, and so is the text of its <c>excerpt</c>: a few lines of a log, say.
    /// </summary>
    public JsonElement? Data { get; init; }

    /// <summary>The id of the event that this one repeats on somebody's wish; null for what was observed.</summary>
    public string? ReplayOf { get; init; }

    /// <summary>The fact's identity: <see cref="DedupKey"/>, or what stands for it.</summary>
    [JsonIgnore]
    public string FactKey => DedupKey ?? $"{Source}#{Id}";
}

/// <summary>What an event asks of the sessions it belongs to.</summary>
[JsonConverter(typeof(CamelCaseConverter<Delivery>))]
public enum Delivery
{
    /// <summary>Actionable: starts a turn.</summary>
    Wake,

    /// <summary>Never starts a turn; handed over with the next one.</summary>
    Ambient,
}
