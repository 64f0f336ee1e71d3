using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>
/// A webhook whose secret speaks for some repositories only. Environment: <c>GitHub__Webhooks__acme__Secrets__0</c>.
/// </summary>
public sealed class GitHubWebhookOptions
{
    /// <summary>The secrets that it may sign with: during a rotation the old and the new one.</summary>
    public IReadOnlyList<string> Secrets { get; init; } = [];

    /// <summary>The host that the repositories are on.</summary>
    public string Host { get; init; } = GitHubRepository.Public;

    /// <summary>The repositories that it may speak for: <c>octo-org/*</c>. A delivery about another is
    /// refused.</summary>
    public IReadOnlyList<string> Repositories { get; init; } = [];

    internal IEnumerable<ValidationResult> Problems(string name)
    {
        var at = $"{GitHubOptions.Section}:Webhooks:{name}";
        if (Secrets is [] || Secrets.Any(string.IsNullOrWhiteSpace))
            yield return new($"{at}: Secrets needs at least one, and none that is empty: anybody could sign with it.");
        if (Repositories is [] || Repositories.Any(string.IsNullOrWhiteSpace))
            yield return new(
                $"{at}: Repositories says whose events it may tell: octo-org/*. For all of them put the secret into "
                    + $"{GitHubOptions.Section}:WebhookSecrets."
            );
        if (string.IsNullOrWhiteSpace(Host))
            yield return new($"{at}: Host must not be empty.");
    }

    /// <summary>Why a delivery that one of the secrets proves is not its own to send; null when it is.</summary>
    internal string? Refusal(string name, WebhookRequest delivery)
    {
        JsonElement payload;
        try
        {
            payload = delivery.Payload();
        }
        catch (JsonException)
        {
            // Said where it is read.
            return null;
        }

        // A ping of an organization's webhook, say, is about none.
        return GitHubRepository.Parse(payload.At("repository")) is not { } repository || SpeaksFor(repository)
            ? null
            : $"The secret of {GitHubOptions.Section}:Webhooks:{name} speaks for {string.Join(", ", Repositories)} "
                + $"on {Host}, not for {repository.FullName} on {repository.Host}.";
    }

    // Hosts are told apart as subjects tell them.
    internal bool SpeaksFor(GitHubRepository repository) =>
        new GitHubRepository(Host, repository.FullName, null).Subject == repository.Subject
        && GitHubAccount.MatchesAny(Repositories, repository);
}
