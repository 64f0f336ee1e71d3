using System.ComponentModel.DataAnnotations;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>How Wake hears from GitHub. Environment: <c>GitHub__WebhookSecrets__0</c>.</summary>
public sealed class GitHubOptions : IValidatableObject
{
    /// <summary>The configuration section.</summary>
    public const string Section = "GitHub";

    /// <summary>
    /// The secrets that deliveries about any repository may be signed with: during a rotation the old and the new one.
    /// Without these and without <see cref="Webhooks"/>: no webhooks.
    /// </summary>
    public IReadOnlyList<string> WebhookSecrets { get; init; } = [];

    /// <summary>
    /// Secrets that speak for some repositories only, by names of one's own: whoever else knows such a secret, as the
    /// owner of an organization's webhook does, cannot tell of other repositories. All deliver to <c>/github</c>.
    /// </summary>
    public IReadOnlyDictionary<string, GitHubWebhookOptions> Webhooks { get; init; } =
        new Dictionary<string, GitHubWebhookOptions>();

    /// <summary>The ways to ask GitHub itself, by names of one's own. None: no polling.</summary>
    public IReadOnlyDictionary<string, GitHubAccount> Accounts { get; init; } = new Dictionary<string, GitHubAccount>();

    /// <summary>
    /// The logins the sessions work as. What they write themselves (comments, reviews) is handed over with the next
    /// turn and starts none. Empty by default: on one's own machine the sessions and their owner often share a login.
    /// </summary>
    public IReadOnlyList<string> OwnLogins { get; init; } = [];

    /// <summary>
    /// Which words of bots wake, by names of bots: <c>coderabbit</c>, <c>codex</c>, <c>copilot</c>, <c>dependabot</c>,
    /// <c>gemini</c>, <c>greptile</c>, <c>renovate</c> and <c>sourcery</c> are known. What is said of one of them
    /// counts instead of what Wake knows of it.
    /// </summary>
    public IReadOnlyDictionary<string, BotOptions> Bots { get; init; } = new Dictionary<string, BotOptions>();

    /// <summary>How often a repository is looked at: half of it while CI runs, five times it after an hour without a
    /// change.</summary>
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// How often the watched subjects are read from the store. Also the longest delay before a new watch is first
    /// polled.
    /// </summary>
    public TimeSpan WatchRefreshInterval { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long all checks must have been over before CI counts as finished: GitHub adds late runs.</summary>
    public TimeSpan Settle { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long a pull request must have been in conflict, behind, blocked or ready before that is told: what
    /// flickers is not.</summary>
    public TimeSpan MergeStateSettle { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Which checks must pass and which do not count, for all repositories or some.</summary>
    public IReadOnlyList<GitHubCheckOptions> Checks { get; init; } = [];

    /// <summary>
    /// How long the checks of a commit must be unchanged before the pending ones are reported. Some bots leave a check
    /// pending forever. Also how long a rerun may take to begin before the failure is reported.
    /// </summary>
    public TimeSpan PendingAfter { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>The share of the hourly requests that is left to the people and sessions with the same login.</summary>
    [Range(0, 0.95)]
    public double Reserve { get; init; } = 0.4;

    /// <summary>How long one request may take; GitHub itself gives up after ten seconds.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Before the first repetition of a failed request; four and nine times it before the next two.</summary>
    public TimeSpan RetryAfter { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The version of the API that is asked for. An older Enterprise Server may know only an older
    /// one.</summary>
    [Required]
    public string ApiVersion { get; init; } = "2022-11-28";

    /// <summary>The bots, as they are known and described.</summary>
    internal ReviewBots ReviewBots => field ??= new(Bots);

    /// <summary>What deliveries prove themselves with.</summary>
    internal IReadOnlyList<WebhookCredentials> Credentials =>
        [
            .. WebhookSecrets is [] ? [] : (WebhookCredentials[])[new(WebhookSecrets)],
            .. Webhooks
                .OrderBy(x => x.Key, StringComparer.Ordinal)
                .Select(x => new WebhookCredentials(
                    x.Value.Secrets,
                    delivery => x.Value.Refusal(x.Key, delivery),
                    subject => GitHubRepository.FromSubject(subject) is { } its && x.Value.SpeaksFor(its)
                )),
        ];

    /// <summary>Whether sessions work as this login.</summary>
    internal bool IsOwn(string? login) =>
        login is not null && OwnLogins.Contains(login, StringComparer.OrdinalIgnoreCase);

    /// <summary>What is said of the checks of a repository, by its subject.</summary>
    internal CiRules Rules(string repository) =>
        GitHubRepository.FromSubject(repository) is { } home ? Rules(home) : CiRules.None;

    /// <summary>What is said of the checks of a repository.</summary>
    internal CiRules Rules(GitHubRepository repository)
    {
        var said = Checks.Where(x => GitHubAccount.MatchesAny(x.Repositories, repository)).ToList();
        return new([.. said.SelectMany(x => x.Required)], [.. said.SelectMany(x => x.Ignored)]);
    }

    /// <inheritdoc />
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (WebhookSecrets.Any(string.IsNullOrWhiteSpace))
            yield return new(
                "GitHub:WebhookSecrets must not hold an empty one: anybody could sign with it.",
                [nameof(WebhookSecrets)]
            );

        foreach (var (name, bot) in Bots)
        {
            if (bot.Problem(name) is { } wrong)
                yield return new($"GitHub:Bots:{name} {wrong}", [nameof(Bots)]);
        }

        foreach (var problem in Webhooks.SelectMany(x => x.Value.Problems(x.Key)))
            yield return problem;

        foreach (
            var (name, value) in ((string, TimeSpan)[])
                [
                    (nameof(PollInterval), PollInterval),
                    (nameof(WatchRefreshInterval), WatchRefreshInterval),
                    (nameof(RequestTimeout), RequestTimeout),
                    (nameof(RetryAfter), RetryAfter),
                    (nameof(PendingAfter), PendingAfter),
                ]
        )
        {
            if (value <= TimeSpan.Zero || value > TimeSpan.FromDays(1))
                yield return new($"GitHub:{name} must be positive and at most a day.", [name]);
        }

        if (Settle < TimeSpan.Zero)
            yield return new("GitHub:Settle must not be negative.", [nameof(Settle)]);
        if (MergeStateSettle < TimeSpan.Zero || MergeStateSettle > TimeSpan.FromDays(1))
            yield return new("GitHub:MergeStateSettle must be from nothing to a day.", [nameof(MergeStateSettle)]);

        foreach (var problem in Accounts.SelectMany(x => x.Value.Problems(x.Key)))
            yield return problem;
    }
}
