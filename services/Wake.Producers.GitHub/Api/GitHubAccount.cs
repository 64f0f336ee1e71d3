using System.ComponentModel.DataAnnotations;
using System.Security.Cryptography;
using System.Text;

namespace Wake.Producers.GitHub;

/// <summary>
/// One way to ask a host of GitHub: a personal token, or an App. Environment: <c>GitHub__Accounts__main__Token</c>.
/// </summary>
public sealed class GitHubAccount
{
    /// <summary>The host it belongs to.</summary>
    public string Host { get; init; } = GitHubRepository.Public;

    /// <summary>Where its API is; null for the usual place of the host.</summary>
    public Uri? Api { get; init; }

    /// <summary>A personal token; <c>gh auth token</c> prints one. Null for an App.</summary>
    public string? Token { get; init; }

    /// <summary>The id of a GitHub App. Null for a personal token.</summary>
    public string? AppId { get; init; }

    /// <summary>The App's private key, as PEM; line ends may be written as <c>\n</c>.</summary>
    public string? PrivateKey { get; init; }

    /// <summary>The repositories it is used for (<c>octo-org/*</c>); all of the host by default.</summary>
    public IReadOnlyList<string> Repositories { get; init; } = [];

    /// <summary>
    /// Webhooks whose failed deliveries are asked for again after a downtime, by their path in the API:
    /// <c>repos/octo-org/hello/hooks/123</c>, <c>orgs/octo-org/hooks/5</c>, <c>app/hook</c>.
    /// </summary>
    public IReadOnlyList<string> Hooks { get; init; } = [];

    /// <summary>The API's address, ending in a slash.</summary>
    internal Uri ApiBaseAddress =>
        Api is not null ? new(Api.AbsoluteUri.TrimEnd('/') + "/")
        : Host.Equals(GitHubRepository.Public, StringComparison.OrdinalIgnoreCase) ? new("https://api.github.com/")
        : Host.EndsWith(".ghe.com", StringComparison.OrdinalIgnoreCase) ? new($"https://api.{Host}/")
        : new($"https://{Host}/api/v3/");

    /// <summary>
    /// Tells it from every other account that shares the database, also one that another configuration calls the same:
    /// its name, its host, and a fingerprint of what it proves itself with.
    /// </summary>
    internal string Identity(string name) =>
        $"{name}@{Host.ToLowerInvariant()}#"
        + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"wake account {AppId ?? Token}")))[..8];

    /// <summary>The subjects of pull requests, issues and commits that it can be asked about, with <c>*</c> for
    /// anything.</summary>
    internal IEnumerable<string> CheckableSubjects =>
        from name in Repositories.Count == 0 ? (IEnumerable<string>)["*"] : Repositories
        let home = new GitHubRepository(Host, name.Replace('?', '*'), null).Subject
        from kind in (char[])['#', '@']
        select $"{home}{kind}*";

    internal bool CanRead(GitHubRepository repository) =>
        Host.Equals(repository.Host, StringComparison.OrdinalIgnoreCase) && MatchesAny(Repositories, repository);

    /// <summary>Whether a repository is among these; none are all.</summary>
    internal static bool MatchesAny(IReadOnlyList<string> patterns, GitHubRepository repository) =>
        patterns.Count == 0
        || patterns.Any(x =>
            System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(x, repository.FullName, ignoreCase: true)
        );

    internal IEnumerable<ValidationResult> Problems(string name)
    {
        var at = $"{GitHubOptions.Section}:Accounts:{name}";
        if (string.IsNullOrWhiteSpace(Token) == string.IsNullOrWhiteSpace(AppId))
            yield return new($"{at}: set either Token or AppId.");
        if (AppId is not null && string.IsNullOrWhiteSpace(PrivateKey))
            yield return new($"{at}: PrivateKey is not set.");
        if (Api is not null && (!Api.IsAbsoluteUri || Api.Scheme is not ("http" or "https")))
            yield return new($"{at}: Api must be an http or https address.");
        if (string.IsNullOrWhiteSpace(Host))
            yield return new($"{at}: Host must not be empty.");
        else if (AppId is not null && PrivateKey is not null && !AppCredentials.IsPrivateKey(PrivateKey))
            yield return new($"{at}: PrivateKey is not an RSA key in PEM.");
    }
}
