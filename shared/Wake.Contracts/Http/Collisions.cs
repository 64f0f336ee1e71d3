namespace Wake.Contracts.Http;

/// <summary>Events that came under the dedup key of another fact.</summary>
/// <param name="Count">How many of them are stored.</param>
/// <param name="Latest">The latest of them.</param>
public sealed record Collisions(long Count, IReadOnlyList<Collision> Latest);

/// <summary>An event that came under the dedup key of another fact and was taken in as what it is.</summary>
/// <param name="Event">Its id.</param>
/// <param name="DedupKey">The key.</param>
/// <param name="HeldBy">The id of the event that came with it first; null when that is no longer stored.</param>
/// <param name="At">When it was taken in.</param>
public sealed record Collision(string Event, string DedupKey, string? HeldBy, DateTimeOffset At);
