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

    /// <summary>The prefix of every subject in it. Names are case-insensitive on GitHub, so they are lower case here.</summary>
    public string Subject => (IsPublic ? "github:" : $"github@{Host.ToLowerInvariant()}:") + FullName.ToLowerInvariant();

    bool IsPublic => Host.Equals(Public, StringComparison.OrdinalIgnoreCase) || Host.Equals("api.github.com", StringComparison.OrdinalIgnoreCase)
        || Host.Equals("www.github.com", StringComparison.OrdinalIgnoreCase);

    /// <summary>An issue, a pull request or a discussion: one number space.</summary>
    public string Item(long number) => $"{Subject}#{number.ToString(CultureInfo.InvariantCulture)}";

    /// <summary>A commit.</summary>
    public string Commit(string sha) => $"{Subject}@{sha}";

    /// <summary>A branch or a tag, by its full name, which keeps its case.</summary>
    public string Ref(string name) => $"{Subject}:{name}";

    /// <summary>The repository a payload or an API's object names; null when it names none.</summary>
    /// <param name="repository">The object <c>repository</c>.</param>
    /// <param name="host">The host, where the request named it; null to take the one of its web page.</param>
    public static GitHubRepository? Of(JsonElement repository, string? host = null)
    {
        if (repository.Text("full_name") is not { } name || !IsName(name))
            return null;

        host ??= Uri.TryCreate(repository.Text("html_url"), UriKind.Absolute, out var page) && page.Authority.Length > 0 ? page.Authority : Public;
        return new(host, name, repository.Number("id"));
    }

    static bool IsName(string name) => name.Count(x => x == '/') == 1 && name is not (['/', ..] or [.., '/'])
        && name.All(x => char.IsAsciiLetterOrDigit(x) || x is '-' or '_' or '.' or '/');
}
