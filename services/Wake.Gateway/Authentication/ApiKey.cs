using Wake.Contracts;

namespace Wake.Gateway;

/// <summary>A key of the API, as far as it may be shown.</summary>
/// <param name="Id">Names it. No secret.</param>
/// <param name="Name">What its maker calls it.</param>
/// <param name="Scopes">What it may do.</param>
/// <param name="Created">When it was made.</param>
/// <param name="LastUsedAt">When it was last used, to the minute; null for never.</param>
/// <param name="ExpiresAt">When it expires because another took its place; null for not.</param>
sealed record ApiKey(
    Guid Id,
    string Name,
    IReadOnlyList<string> Scopes,
    DateTimeOffset Created,
    DateTimeOffset? LastUsedAt,
    DateTimeOffset? ExpiresAt
)
{
    /// <summary>What the sources of its events begin with; null for any.</summary>
    public IReadOnlyList<string>? Sources { get; init; }

    /// <summary>What their types begin with; null for any.</summary>
    public IReadOnlyList<string>? Types { get; init; }

    /// <summary>What their subjects begin with; null for any.</summary>
    public IReadOnlyList<string>? Subjects { get; init; }

    /// <summary>
    /// Namespace of the key's dedup keys: keys of one namespace deduplicate against each other. Null: its own id.
    /// </summary>
    public string? Namespace { get; init; }

    /// <summary>What its events may say.</summary>
    public PublishPermissions PublishPermissions =>
        new()
        {
            Sources = Sources ?? [],
            Types = Types ?? [],
            Subjects = Subjects ?? [],
        };
}

/// <summary>A key just made, which is the only time it is told.</summary>
/// <param name="Id">Names it from now on.</param>
/// <param name="Name">What its maker calls it.</param>
/// <param name="Scopes">What it may do.</param>
/// <param name="Key">The secret.</param>
sealed record NewApiKey(Guid Id, string Name, IReadOnlyList<string> Scopes, string Key);
