using System.Text.Json;
using System.Text.RegularExpressions;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>
/// The issues a pull request says it closes, in the nine words GitHub knows: what happens to it concerns whoever works
/// on them.
/// </summary>
static partial class ClosingKeywords
{
    /// <summary>
    /// Their subjects, in the order the description names them. Those of other repositories only where the author
    /// belongs to this one: a stranger's word shall not reach the sessions of all others.
    /// </summary>
    public static IEnumerable<string> FindIssues(GitHubRepository repository, JsonElement pull) =>
        from Match match in Word().Matches(pull.Text("body") ?? "")
        let other = match.Groups["repository"]
        where !other.Success || pull.Text("author_association") is "OWNER" or "MEMBER" or "COLLABORATOR"
        let home = other.Success ? new GitHubRepository(repository.Host, other.Value, Id: null) : repository
        select home.Item(long.Parse(match.Groups["number"].Value, System.Globalization.CultureInfo.InvariantCulture));

    // Does not backtrack: the text is anybody's, and may be megabytes.
    [GeneratedRegex(
        @"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?[ \t]+(?:(?<repository>[\w.-]{1,100}/[\w.-]{1,100}))?#(?<number>[1-9][0-9]{0,9})\b",
        RegexOptions.IgnoreCase
            | RegexOptions.CultureInvariant
            | RegexOptions.NonBacktracking
            | RegexOptions.ExplicitCapture
    )]
    private static partial Regex Word();
}
