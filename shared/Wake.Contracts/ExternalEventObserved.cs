using System.Text.Json;
using System.Text.Json.Serialization;

namespace Wake.Contracts;

/// <summary>
/// Something happened outside. Published by any producer, in any language, as plain JSON (camel case, no envelope) to
/// the topic exchange <c>wake.events</c>, or posted to <c>POST /v1/events</c>; consumed by the intake alone.
/// </summary>
/// <remarks>
/// <see cref="Id"/> with <see cref="Source"/> identify the observation; <see cref="DedupKey"/> identifies the fact. Two
/// messages with the same dedup key, type and subject are one fact, whoever observed it and however often, for at least
/// 30 days. All text is carried as data and never interpreted. Limits stand in <see cref="EventLimits"/>. A number
/// where a name is asked for is taken for its digits. What is only shown never costs the event: a reason that is too
/// long is cut, a time that cannot be read is left out, and <see cref="Warnings"/> say so.
/// </remarks>
public sealed record ExternalEventObserved
{
    /// <summary>Names this observation within its source, for instance a webhook delivery id.</summary>
    public required string Id { get; init; }

    /// <summary>Who observed it, as a URI reference: <c>github:webhook</c>, <c>cron:nightly</c>. Those of <c>wake:</c>
    /// are Wake's own.</summary>
    public required string Source { get; init; }

    /// <summary>
    /// What kind of fact, dotted from the general to the particular: <c>github.pull_request.merged</c>. Those of
    /// <c>wake.</c> are Wake's own.
    /// </summary>
    public required string Type { get; init; }

    /// <summary>What it is about, an opaque string that watches match: <c>github:octo-org/hello#972</c>.</summary>
    public required string Subject { get; init; }

    /// <summary>Further subjects it concerns; a watch on any of them matches as well.</summary>
    public IReadOnlyList<string>? Related { get; init; }

    /// <summary>
    /// The fact's identity among those of its type and subject. Left out, every observation is a fact of its own, known
    /// by its source and id. What comes under the key of another type or subject is taken in as the other fact that it
    /// is, and told as a collision.
    /// </summary>
    public string? DedupKey { get; init; }

    /// <summary>One sentence for the session that wakes: <c>PR #972 merged</c>. Shown to it as untrusted
    /// text.</summary>
    public required string Reason { get; init; }

    /// <summary>Whether it starts a turn or waits for the next one.</summary>
    public Delivery Delivery { get; init; } = Delivery.Wake;

    /// <summary>
    /// A person is waiting: skips the quiet window and ends a session's park. Over HTTP it needs a key that may wake
    /// sessions, over the broker a publisher that is trusted.
    /// </summary>
    public bool Urgent { get; init; }

    /// <summary>
    /// Keys of sessions that shall hear of it whether or not they watch its subject. Over the broker it needs a
    /// publisher that is trusted.
    /// </summary>
    public IReadOnlyList<string>? Sessions { get; init; }

    /// <summary>Who caused it, for instance a login. Null when unknown.</summary>
    public string? Actor { get; init; }

    /// <summary>
    /// When it happened by the clock of whoever saw it; only shown, never used to decide. ISO 8601 is best; Unix time
    /// and what people write are read as well.
    /// </summary>
    public DateTimeOffset? Time { get; init; }

    /// <summary>After this moment, written like a time, it is no longer worth a turn and is not handed over any
    /// more.</summary>
    public DateTimeOffset? Expires { get; init; }

    /// <summary>
    /// Anything else a reader might want, as JSON; kept as it came. An https address in its <c>link</c>,
    /// <c>html_url</c> or <c>url</c> is shown to the session beside the reason, and so are the text of its
    /// <c>excerpt</c>, a few lines of a log, say, and the beginning of everything else in it.
    /// </summary>
    public JsonElement? Data { get; init; }

    /// <summary>The id of the event that this one repeats on somebody's wish; null for what was observed.</summary>
    public string? ReplayOf { get; init; }

    /// <summary>What of it was not taken as it came, in sentences; null when nothing was. Made by whoever reads it,
    /// never sent.</summary>
    [JsonIgnore]
    public IReadOnlyList<string>? Warnings { get; init; }

    /// <summary>
    /// Whose own reading of genuine deliveries it comes from: <c>github</c>; <see cref="WakeRequested.VerifiedByWake"/>
    /// for what Wake says itself. Null for what is only somebody's word. Never read from the JSON of an event: who may
    /// publish must not be able to say it.
    /// </summary>
    [JsonIgnore]
    public string? VerifiedBy { get; init; }

    /// <summary>
    /// In whose name it is only somebody's word: <c>hook:deploys</c>, <c>key:ID</c>. A dedup key counts among those of
    /// the same name, so that nobody hides what another has to tell. Null for those who share one. Never read from the
    /// JSON either.
    /// </summary>
    [JsonIgnore]
    public string? Namespace { get; init; }

    /// <summary>What the store keeps of the two: the forge's name, the namespace with its colon, or nothing.</summary>
    [JsonIgnore]
    public string DedupScope => VerifiedBy ?? Namespace ?? "";

    /// <summary>The fact's identity: <see cref="DedupKey"/>, or what stands for it.</summary>
    [JsonIgnore]
    public string EffectiveDedupKey => DedupKey ?? $"{Source}#{Id}";
}

/// <summary>What an event asks of the sessions it belongs to.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<Delivery>))]
public enum Delivery
{
    /// <summary>Actionable: starts a turn.</summary>
    Wake,

    /// <summary>Never starts a turn; handed over with the next one.</summary>
    Ambient,
}
