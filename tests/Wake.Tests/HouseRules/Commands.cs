using Wake.Cli;
using Wake.Tests.Support;

namespace Wake.Tests.HouseRules;

/// <summary>How the command finds what it is asked for.</summary>
public sealed class Commands
{
    // One that is not is made with all others, and starts late.
    [Fact]
    public void Are_found_by_their_words() =>
        Assert.All(
            CommandPage.Root.Subcommands,
            command => Assert.Equal([command.Name], CommandTree.MakeFor([command.Name]).Subcommands.Select(x => x.Name))
        );

    [Fact]
    public void Are_all_there_where_none_is_named() =>
        Assert.All(
            (string[][])
                [
                    [],
                    ["--help"],
                    ["pubish"],
                    ["--data", "publish"],
                ],
            arguments =>
                Assert.Equal(CommandPage.Root.Subcommands.Count, CommandTree.MakeFor(arguments).Subcommands.Count)
        );
}
