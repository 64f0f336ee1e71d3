using System.Globalization;
using System.Text.Json;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>A repository, and what things in it are called as subjects.</summary>
/// <param name="Host"><c>github.com</c>, or the host of an Enterprise Server.</param>
/// <param name="FullName">Owner and name, as GitHub writes them.</param>
/// <param name="Id">Its id, which survives a rename; null when unknown.</param>
public sealed record GitHubRepository(string Host, string FullName, long? Id)
{
    /// <summary>GitHub's own host, which subjects leave out.</summary>
    public const string Public = "github.com";

    /// <summary>The prefix of every subject in it. Names are case-insensitive on GitHub, so they are lower case
    /// here.</summary>
    public string Subject =>
        (IsPublic ? "github:" : $"github@{Host.ToLowerInvariant()}:") + FullName.ToLowerInvariant();

    bool IsPublic =>
        Host.Equals(Public, StringComparison.OrdinalIgnoreCase)
        || Host.Equals("api.github.com", StringComparison.OrdinalIgnoreCase)
        || Host.Equals("www.github.com", StringComparison.OrdinalIgnoreCase);

    /// <summary>An issue, a pull request or a discussion: one number space.</summary>
    public string Item(long number) => $"{Subject}#{number.ToString(CultureInfo.InvariantCulture)}";

    public string Commit(string sha) => $"{Subject}@{sha}";

    /// <summary>A branch or a tag, by its full name, which keeps its case.</summary>
    public string Ref(string name) => $"{Subject}:{name}";

    /// <summary>The repository that the object <c>repository</c> of a payload, or one of the API's, names; null when it
    /// names none.</summary>
    public static GitHubRepository? Parse(JsonElement repository) =>
        repository.Text("full_name") is { } name && IsName(name)
            ? new(
                HostOf(repository.Text("html_url")) ?? HostOf(repository.Text("url")) ?? Public,
                name,
                repository.Number("id")
            )
            : null;

    /// <summary>The repository that a subject is in; null when it is in none.</summary>
    public static GitHubRepository? FromSubject(string subject)
    {
        var (colon, host) = (subject.IndexOf(':'), Public);
        if (
            colon < 0
            || !subject.StartsWith("github", StringComparison.Ordinal)
            || (colon > "github".Length && subject["github".Length] != '@')
        )
            return null;
        if (colon > "github@".Length)
            host = subject["github@".Length..colon];

        // A host may have a port, and then a name has none of these.
        var name = subject[(colon + 1)..];
        if (int.TryParse(name.Split(':')[0], out _) && name.IndexOf(':') is > 0 and var port)
            (host, name) = ($"{host}:{name[..port]}", name[(port + 1)..]);
        return name.Split('#', '@', ':')[0] is var full && IsName(full) ? new(host, full, null) : null;
    }

    // Of its web page, or of its place in the API: https://api.example.ghe.com/..., https://ghe.example.com/api/v3/...
    static string? HostOf(string? address) =>
        !Uri.TryCreate(address, UriKind.Absolute, out var page) || page.Authority.Length == 0 ? null
        : page.Authority.StartsWith("api.", StringComparison.OrdinalIgnoreCase)
        && page.Host.EndsWith(".ghe.com", StringComparison.OrdinalIgnoreCase)
            ? page.Authority["api.".Length..]
        : page.Authority;

    static bool IsName(string name) =>
        name.Count(x => x == '/') == 1
        && name is not (['/', ..] or [.., '/'])
        && name.All(x => char.IsAsciiLetterOrDigit(x) || x is '-' or '_' or '.' or '/');
}
