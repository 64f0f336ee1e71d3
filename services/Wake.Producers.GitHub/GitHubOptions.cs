using System.ComponentModel.DataAnnotations;

namespace Wake.Producers.GitHub;

/// <summary>How Wake hears from GitHub. Environment: <c>GitHub__WebhookSecrets__0</c>.</summary>
public sealed class GitHubOptions : IValidatableObject
{
    /// <summary>The configuration section.</summary>
    public const string Section = "GitHub";

    /// <summary>The secrets that deliveries may be signed with: during a rotation the old and the new one. None: no webhooks.</summary>
    public IReadOnlyList<string> WebhookSecrets { get; init; } = [];

    /// <summary>The ways to ask GitHub itself, by names of one's own. None: no polling.</summary>
    public IReadOnlyDictionary<string, GitHubAccount> Accounts { get; init; } = new Dictionary<string, GitHubAccount>();

    /// <summary>
    /// The logins the sessions work as. What they write themselves (comments, reviews) is handed over with the next turn and
    /// starts none. Empty by default: on one's own machine the sessions and their owner often share a login.
    /// </summary>
    public IReadOnlyList<string> OwnLogins { get; init; } = [];

    /// <summary>How often a repository is looked at: half of it while CI runs, five times it after an hour without a change.</summary>
    public TimeSpan PollEvery { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How often to see who watches what, and so how late the first look at a new watch may be.</summary>
    public TimeSpan LookEvery { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long all checks must have been over before CI counts as finished: GitHub adds late runs.</summary>
    public TimeSpan Settle { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>The share of the hourly requests that is left to the people and sessions with the same login.</summary>
    [Range(0, 0.95)]
    public double Reserve { get; init; } = 0.4;

    /// <summary>How long one request may take; GitHub itself gives up after ten seconds.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Before the first repetition of a failed request; four and nine times it before the next two.</summary>
    public TimeSpan RetryAfter { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The version of the API that is asked for. An older Enterprise Server may know only an older one.</summary>
    [Required]
    public string ApiVersion { get; init; } = "2022-11-28";

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (WebhookSecrets.Any(string.IsNullOrWhiteSpace))
            yield return new("GitHub:WebhookSecrets must not hold an empty one: anybody could sign with it.", [nameof(WebhookSecrets)]);

        foreach (var (name, value) in ((string, TimeSpan)[])
            [(nameof(PollEvery), PollEvery), (nameof(LookEvery), LookEvery), (nameof(RequestTimeout), RequestTimeout), (nameof(RetryAfter), RetryAfter)])
        {
            if (value <= TimeSpan.Zero || value > TimeSpan.FromDays(1))
                yield return new($"GitHub:{name} must be positive and at most a day.", [name]);
        }

        if (Settle < TimeSpan.Zero)
            yield return new("GitHub:Settle must not be negative.", [nameof(Settle)]);

        foreach (var problem in Accounts.SelectMany(x => x.Value.Problems(x.Key)))
            yield return problem;
    }
}
