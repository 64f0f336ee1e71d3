namespace Wake.Contracts.Http;

/// <summary>Whoever calls the API.</summary>
/// <param name="Id">Tells callers apart, and stands in the ledger for what they did: the id of a key; <c>owner</c> and
/// <c>browser</c> on the machine of a <c>wake up</c>. No secret.</param>
/// <param name="Scopes">What they may do.</param>
public sealed record Caller(string Id, IReadOnlyList<string> Scopes);
