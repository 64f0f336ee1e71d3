namespace Wake.Store;

/// <summary>Another observation of a fact that was known.</summary>
/// <param name="Id">Its own id.</param>
/// <param name="Source">Who observed it.</param>
/// <param name="At">When it was taken in.</param>
public sealed record Duplicate(string Id, string Source, DateTimeOffset At);
