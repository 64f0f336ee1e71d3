using System.Text.RegularExpressions;

namespace Wake.Tests.HouseRules;

/// <summary>Which tests <c>tests/run --fast</c> leaves out.</summary>
public sealed partial class Lanes
{
    [Fact]
    public void Every_class_that_starts_processes_says_so()
    {
        var unmarked = Repository
            .Sources("tests/Wake.Tests")
            .Where(x => !x.Contains("/Support/") && !x.EndsWith("/Lanes.cs"))
            .Where(x =>
                File.ReadAllText(x) is var text && Starts().IsMatch(text) && !text.Contains("[Trait(\"Starts\"")
            )
            .Select(Path.GetFileName);

        Assert.Empty(unmarked);
    }

    [Theory]
    [InlineData("await WakeSystem.Start(Transport.InMemory)", true)]
    [InlineData("await ServiceProcess.Start(name, settings)", true)]
    [InlineData("await store.Accept(observed)", false)]
    [InlineData("await store.Accept(WakeSystem.Event(key, fact))", false)]
    public void What_starts_one_is_told_by_its_name(string code, bool starts) =>
        Assert.Equal(starts, Starts().IsMatch(code));

    [GeneratedRegex(
        @"\b(WakeSystem(?!\.Event\()|ServiceProcess|WakeCommandLine|RealTerminal|MachineProcess"
            + @"|(Standalone|\w*RabbitMq)System)\b"
            + @"|Process\.Start\("
    )]
    private static partial Regex Starts();
}
