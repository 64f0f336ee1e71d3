namespace Wake.Contracts.Http;

/// <summary>A wake that a person asks for.</summary>
/// <param name="Reason">What the session is told.</param>
/// <param name="DedupKey">
/// Idempotency key of the request among those to this session: the same again is a duplicate and wakes nobody, for as
/// long as events are kept. Default: every request is a new one.
/// </param>
/// <param name="Takeover">
/// Run beside a process that has the session open on the runner's machine, such as a terminal, instead of waiting until
/// it is closed. Neither then knows what the other is told. Default: false.
/// </param>
public sealed record WakeRequest(string? Reason, string? DedupKey, bool Takeover = false);
