using System.Text.Json;

namespace Wake.Store;

/// <summary>What is done about failures of CI before and while a session tries to mend them. It speaks of
/// <c>github.ci.completed</c>.</summary>
public sealed record CiPolicy
{
    const int MaxAttempts = 100;

    static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    /// <summary>Failed jobs of GitHub Actions are run again before anybody is told of them, once on each commit. The
    /// account needs <c>Actions: write</c>.</summary>
    public bool RerunFirst { get; init; } = true;

    /// <summary>How often a session tries to mend one check. A failure with the same first error as before is the same
    /// attempt.</summary>
    public int AttemptsPerCheck { get; init; } = 3;

    /// <summary>How often a session tries to mend CI of one pull request, whatever the check.</summary>
    public int AttemptsPerPullRequest { get; init; } = 6;

    /// <summary>Whether the session is parked for a person when its attempts are spent, or CI goes in a circle. If not,
    /// it is only told the count.</summary>
    public bool Escalate { get; init; } = true;

    /// <summary>Whether this holds for everybody's pull requests. If not, for those whose author is in
    /// <c>GitHub__OwnLogins</c>.</summary>
    public bool AllPullRequests { get; init; }

    internal string ToJson() => JsonSerializer.Serialize(this, Json);

    internal static CiPolicy? FromJson(string? json) =>
        json is null ? null : JsonSerializer.Deserialize<CiPolicy>(json, Json);

    /// <summary>What is wrong with it, each as (field, sentence).</summary>
    public IEnumerable<(string Field, string Problem)> Problems()
    {
        foreach (
            var (field, attempts) in ((string, int)[])
                [("attemptsPerCheck", AttemptsPerCheck), ("attemptsPerPullRequest", AttemptsPerPullRequest)]
        )
        {
            if (attempts is < 1 or > MaxAttempts)
                yield return ($"ci.{field}", $"must be from 1 to {MaxAttempts}.");
        }
    }
}
