namespace Wake.Producing;

/// <summary>What a sender proves itself with, and what it may speak of with that.</summary>
/// <param name="Secrets">Those that are good now: during a rotation the old and the new one.</param>
/// <param name="Refusal">Why a delivery that is proven by them is not theirs to send, in a sentence; null where all
/// are.</param>
/// <param name="MayConcern">Whether an event of theirs may concern a subject besides its own; null where it may
/// any.</param>
public sealed record HookCredentials(
    IReadOnlyList<string> Secrets,
    Func<HookRequest, string?>? Refusal = null,
    Func<string, bool>? MayConcern = null
);
