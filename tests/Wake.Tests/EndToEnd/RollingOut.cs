using System.Text.RegularExpressions;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>
/// While a version is rolled out the one before works beside it, on one database and one broker. tests/rolling-update builds the
/// one before from another commit; otherwise both are this one.
/// </summary>
public sealed partial class RollingOut
{
    static readonly string Before = Environment.GetEnvironmentVariable("WAKE_TEST_BEFORE") is { Length: > 0 } folder ? folder : AppContext.BaseDirectory;

    [Fact]
    public async Task Coordinators_of_two_versions_lose_nothing_between_them()
    {
        await using var wake = await WakeSystem.Create(Transport.RabbitMq);
        var old = await wake.StartProcess("Wake.Coordinator", folder: Before);
        await Task.WhenAll(wake.StartProcess("Wake.Gateway"), wake.StartProcess("Wake.Runner"));
        var keys = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => wake.WatchingSession()));

        await Everybody("before");
        await Told("before");

        // The new one migrates, with all that the old one does under way.
        var starting = wake.StartProcess("Wake.Coordinator");
        foreach (var fact in (string[])["between 1", "between 2", "between 3"])
            await Everybody(fact);
        var next = await starting;
        await Everybody("together");
        await Told("together");

        Assert.Equal(0, await old.Stop());
        await Everybody("after");
        await Told("after");
        await wake.Quiet();

        foreach (var key in keys)
        {
            Assert.Equal(
                ["after", "before", "between 1", "between 2", "between 3", "together"], (await wake.Turns(key)).SelectMany(x => x.Reasons).Order());
        }

        Assert.DoesNotMatch(Failure(), old.Log);
        Assert.DoesNotMatch(Failure(), next.Log);

        Task Everybody(string fact) => wake.Publish([.. keys.Select(key => WakeSystem.Event(WakeSystem.Subject(key), fact))]);

        async Task Told(string fact)
        {
            foreach (var key in keys)
                await Wake.Testing.Eventually.Holds(async () => (await wake.Turns(key)).Any(x => x.State is Store.TurnState.Ended && x.Reasons.Contains(fact)), $"{key} was told {fact}");
        }
    }

    // As the console says it.
    [GeneratedRegex(@"^(fail|crit): ", RegexOptions.Multiline)]
    private static partial Regex Failure();
}
