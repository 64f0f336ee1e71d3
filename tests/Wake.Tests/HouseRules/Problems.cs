namespace Wake.Tests.HouseRules;

/// <summary>What a rule finds wrong, each thing on a line of its own.</summary>
static class Problems
{
    public static void None(IEnumerable<string> problems)
    {
        var all = problems.Distinct().Order(StringComparer.Ordinal).ToList();
        Assert.True(all is [], string.Join('\n', all));
    }
}
