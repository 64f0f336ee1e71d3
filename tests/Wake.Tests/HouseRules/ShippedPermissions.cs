using System.Text.RegularExpressions;

namespace Wake.Tests.HouseRules;

/// <summary>What the examples allow an agent is what they say it is for, and not any program.</summary>
public sealed partial class ShippedPermissions
{
    // Programs that run others when told to by an option, an alias or a file; of them a rule names the subcommand.
    static readonly string[] Free =
    [
        "git",
        "gh",
        "npm",
        "npx",
        "make",
        "docker",
        "sh",
        "bash",
        "python",
        "python3",
        "node",
        "dotnet",
        "env",
        "xargs",
        "find",
    ];

    static readonly string[] OfWake = ["watch", "unwatch", "watches", "schedule", "explain"];

    [Fact]
    public void No_example_allows_a_program_that_runs_any_other()
    {
        var rules = Repository
            .Sources("deploy", "*")
            .Concat(Repository.Sources("docs", "*.md"))
            .Append(Path.Combine(Repository.Root, "README.md"))
            .SelectMany(file => Rule().Matches(File.ReadAllText(file)).Select(x => x.Groups[1].Value))
            .Distinct()
            .ToList();

        Assert.NotEmpty(rules);
        Assert.All(rules, rule => Assert.False(Widens(rule), rule));
        Assert.All(
            ["git:*", "git *", "*", "", "gh:*", "wake:*", "git -c:*", "wake keys:*", "gh alias set:*", "npm run:*"],
            rule => Assert.True(Widens(rule), rule)
        );
    }

    [Theory]
    [InlineData("\"AllowedTools\": [\"Bash(git push)\"]")]
    [InlineData("Profiles__implementer__AllowedTools__0=Bash(git push)")]
    public void Rules_are_found_in_JSON_and_in_settings(string text) =>
        Assert.Equal("git push", Rule().Match(text).Groups[1].Value);

    static bool Widens(string rule)
    {
        var words = rule.Replace(":*", " *").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return words switch
        {
            [] or ["*"] or [_, "*"] => true,
            ["wake", var command, ..] => !OfWake.Contains(command),
            ["git", var command, ..] => command.StartsWith('-')
                || command is "config" or "submodule" or "bisect" or "rebase" or "filter-branch",
            ["gh", "alias" or "extension" or "api" or "auth" or "config", ..] => true,
            ["gh", _, "*"] => true,
            [var program, .. { Length: > 0 } rest] => Free.Except(["git", "gh"]).Contains(program) && rest[^1] == "*",
            _ => Free.Contains(words[0]),
        };
    }

    // In JSON, or in the environment.
    [GeneratedRegex(@"(?:""|AllowedTools__\d+=)Bash\(([^)""\r\n]*)\)")]
    private static partial Regex Rule();
}
