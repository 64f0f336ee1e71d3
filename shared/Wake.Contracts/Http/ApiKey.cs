using System.Text.Json.Serialization;

namespace Wake.Contracts.Http;

/// <summary>A key to make.</summary>
/// <param name="Name">What to call it, for instance after who will have it.</param>
/// <param name="Scopes">What it may do, for instance <c>events:write</c>.</param>
/// <param name="Sources">What the sources of its events may begin with: <c>ci</c>. Default: anything.</param>
/// <param name="Types">What their types may begin with: <c>build</c>. Default: anything.</param>
/// <param name="Subjects">What their subjects may begin with: <c>build:hello</c>. Default: anything.</param>
/// <param name="Namespace">
/// Namespace of the key's dedup keys. Events published with keys of one namespace deduplicate against each other and
/// against no other. Default: a namespace of its own.
/// </param>
public sealed record NewKey(
    string? Name,
    IReadOnlyList<string>? Scopes,
    IReadOnlyList<string>? Sources,
    IReadOnlyList<string>? Types,
    IReadOnlyList<string>? Subjects,
    string? Namespace
);

/// <summary>A key that was just made. The secret is shown this once.</summary>
/// <param name="Id">Names it from now on.</param>
/// <param name="Name">What its maker calls it.</param>
/// <param name="Scopes">What it may do.</param>
/// <param name="Key">The secret.</param>
public sealed record NewApiKey(Guid Id, string Name, IReadOnlyList<string> Scopes, string Key);

/// <summary>How to rotate a key.</summary>
/// <param name="OverlapSeconds">How long the old one stays valid, in seconds; 0 for not at all. Default: a day.</param>
public sealed record Rotation(long? OverlapSeconds);

/// <summary>A key of the API, as far as it may be shown.</summary>
/// <param name="Id">Names it. No secret.</param>
/// <param name="Name">What its maker calls it.</param>
/// <param name="Scopes">What it may do.</param>
/// <param name="Created">When it was made.</param>
/// <param name="LastUsedAt">When it was last used, to the minute; null for never.</param>
/// <param name="ExpiresAt">When it expires because another took its place; null for never.</param>
public sealed record ApiKey(
    Guid Id,
    string Name,
    IReadOnlyList<string> Scopes,
    DateTimeOffset Created,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? LastUsedAt,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? ExpiresAt
)
{
    /// <summary>What the sources of its events begin with; null for any.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Sources { get; init; }

    /// <summary>What their types begin with; null for any.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Types { get; init; }

    /// <summary>What their subjects begin with; null for any.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Subjects { get; init; }

    /// <summary>
    /// Namespace of the key's dedup keys: keys of one namespace deduplicate against each other. Null: its own id.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Namespace { get; init; }
}
