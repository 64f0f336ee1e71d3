namespace Wake.Producers.GitHub;

/// <summary>What one request and its answer have that Octokit has no place for. It flows with the call, to the handlers
/// below Octokit's connection.</summary>
/// <param name="cancel">Ends the wait; Octokit's clients do not take one.</param>
sealed class GitHubCall(CancellationToken cancel)
{
    static readonly AsyncLocal<GitHubCall?> Flowing = new();

    public static GitHubCall? Current
    {
        get => Flowing.Value;
        set => Flowing.Value = value;
    }

    public CancellationToken Cancel => cancel;

    /// <summary>What the last answer had as its ETag; null to have the whole answer.</summary>
    public string? ETag { get; init; }

    /// <summary>Where the answer was found in the end; null before that.</summary>
    public Uri? Address { get; set; }

    /// <summary>The next page.</summary>
    public Uri? Next { get; set; }

    /// <summary>The time at GitHub.</summary>
    public DateTimeOffset? Date { get; set; }
}
