namespace Wake.Contracts.Http;

/// <summary>How a browser comes in.</summary>
/// <param name="Path">What to open, on the address that this was asked at.</param>
/// <param name="ExpiresAt">Until when.</param>
public sealed record Invitation(string Path, DateTimeOffset ExpiresAt);
