using System.Text.RegularExpressions;

namespace Wake.Cli;

/// <summary>A pull request or issue of GitHub as people name it: <c>owner/repo#972</c>, or its page.</summary>
static partial class PullRequestSubject
{
    /// <summary>What is watched of it unless something else is said. Of CI the sum alone: single workflows and checks
    /// would each wake once more.</summary>
    public static readonly string[] DefaultTypes =
    [
        "github.pull_request.*",
        "github.issue.*",
        "github.discussion.*",
        "github.ci.*",
    ];

    /// <summary>The types that are waited for by who waits for CI: in a conflict it may never begin.</summary>
    public static readonly string[] CiTypes = ["github.ci.*", "github.pull_request.conflicted"];

    /// <summary>Its subject; null when it is none. GitHub does not care about the case of names; subjects do, and are
    /// written in lower case.</summary>
    public static string? Parse(string named)
    {
        var (name, page) = (Name().Match(named), Page().Match(named));
        if (name.Success)
            return $"github:{named.ToLowerInvariant()}";
        if (!page.Success)
            return null;

        var host = page.Groups["host"].Value.ToLowerInvariant();
        return $"github{(host is "github.com" or "www.github.com" ? "" : $"@{host}")}:"
            + $"{page.Groups["repository"].Value.ToLowerInvariant()}#{page.Groups["number"].Value}";
    }

    [GeneratedRegex(@"\A[\w.-]+/[\w.-]+#[0-9]+\z")]
    private static partial Regex Name();

    [GeneratedRegex(
        @"\Ahttps?://(?<host>[\w.-]+(?::[0-9]+)?)/(?<repository>[\w.-]+/[\w.-]+)/(?:pull|issues|discussions)/(?<number>[0-9]+)(?:[/?#].*)?\z",
        RegexOptions.ExplicitCapture
    )]
    private static partial Regex Page();
}
