using System.Text.RegularExpressions;
using Wake.Runner;
using Wake.Tests.Support;

namespace Wake.Tests.HouseRules;

/// <summary>The table of outcomes in docs/concepts.md is the one in the code.</summary>
public sealed partial class OutcomeTable
{
    // One of each; what is in it does not change its reaction.
    static readonly ClaudeResult[] OneOfEach =
    [
        new ClaudeResult.Completed(0),
        new ClaudeResult.LimitReached("x"),
        new ClaudeResult.Refused("x"),
        new ClaudeResult.Deferred("x"),
        new ClaudeResult.SessionLost(),
        new ClaudeResult.Poisoned("x"),
        new ClaudeResult.AlreadyBegun(),
        new ClaudeResult.ApiUnavailable(529),
        new ClaudeResult.ApiRefuses("x"),
        new ClaudeResult.AccountProblem("x"),
        new ClaudeResult.UsageLimited(DateTimeOffset.UnixEpoch.AddHours(1)),
        new ClaudeResult.Misconfigured("x"),
        new ClaudeResult.CannotRun("x"),
        new ClaudeResult.FilesFail("x"),
        new ClaudeResult.Interrupted(),
        new ClaudeResult.Hung("x"),
        new ClaudeResult.Crashed("x"),
    ];

    [Fact]
    public void Says_what_the_code_does()
    {
        var rows = Rows().Matches(File.ReadAllText(Path.Combine(Repository.Root, "docs", "concepts.md")));

        Assert.Equal(
            OneOfEach.Select(x => (x.GetType().Name, ReactionWords.Of(x))),
            rows.Select(x => (x.Groups[1].Value, x.Groups[2].Value))
        );
    }

    [Fact]
    public void Knows_every_class() =>
        Assert.Equal(
            typeof(ClaudeResult)
                .GetNestedTypes()
                .Where(x => x.IsSubclassOf(typeof(ClaudeResult)))
                .Select(x => x.Name)
                .Order(),
            OneOfEach.Select(x => x.GetType().Name).Order()
        );

    [GeneratedRegex(@"^\| `(\w+)` \| [^|]+ \| ([^|]+?) \|$", RegexOptions.Multiline)]
    private static partial Regex Rows();
}
