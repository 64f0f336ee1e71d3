using System.Diagnostics;
using System.Text.RegularExpressions;
using Wake.Testing;
using Wake.Tests.HouseRules;
using Wake.Tests.Support;

namespace Wake.Tests.EndToEnd;

/// <summary>
/// A deployment is updated service by service, so the commit before this one and this one run side by side: on one
/// database, which the old services have made and the new ones migrate under them, and on one broker.
/// </summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed partial class RollingOver
{
    [Fact]
    public async Task Old_and_new_services_are_one_Wake()
    {
        var previous = await Previous();
        await using var wake = await WakeSystem.Create(Transport.RabbitMq, like: Servers.Empty);

        var old = await Task.WhenAll(
            wake.StartProcess("Wake.Gateway", folder: previous),
            wake.StartProcess("Wake.Coordinator", folder: previous),
            wake.StartProcess("Wake.Runner", folder: previous)
        );
        var keys = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => wake.WatchingSession()));
        await Happens("with the old ones alone");

        var coordinator = await wake.StartProcess("Wake.Coordinator");
        await Happens("with both coordinators");

        await Task.WhenAll(wake.StartProcess("Wake.Gateway"), wake.StartProcess("Wake.Runner"));
        await Happens("with all of both");

        await Task.WhenAll(
            Happens("while the old ones leave"),
            Task.WhenAll(old.Select(async x => Assert.Equal(0, await x.Stop())))
        );
        await Happens("with the new ones alone");

        // And back again: who finds a fault in the new version puts the old one beside it.
        await wake.StartProcess("Wake.Coordinator", folder: previous);
        await coordinator.Stop();
        await Happens("with the old coordinator once more");
        await wake.WaitUntilIdle();

        foreach (var key in keys)
        {
            Assert.Equal(
                [
                    "with the old ones alone",
                    "with both coordinators",
                    "with all of both",
                    "while the old ones leave",
                    "with the new ones alone",
                    "with the old coordinator once more",
                ],
                (await wake.Turns(key)).SelectMany(x => x.Reasons)
            );
        }

        // A service that is asked before it is ready says so as an error of its health checks.
        Assert.Empty(wake.Processes.SelectMany(x => Errors().Matches(x.Log)).Select(x => x.Value));

        async Task Happens(string what)
        {
            await wake.Publish([.. keys.Select(key => WakeSystem.Event(WakeSystem.Subject(key), what))]);
            await Task.WhenAll(
                keys.Select(key =>
                    Eventually.Holds(
                        async () =>
                            (await wake.Turns(key)).Any(x => x.State is TurnState.Ended && x.Reasons.Contains(what)),
                        what
                    )
                )
            );
        }
    }

    static async Task<string> Previous()
    {
        var start = new ProcessStartInfo(Path.Combine(Repository.Root, "tests", "previous"))
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var build = Process.Start(start)!;
        var (output, errors) = (build.StandardOutput.ReadToEndAsync(), build.StandardError.ReadToEndAsync());
        await build.WaitForExitAsync();
        return build.ExitCode == 0
            ? (await output).Trim()
            : throw new InvalidOperationException($"tests/previous: {await errors}");
    }

    [GeneratedRegex(
        @"^(fail|crit): (?!Microsoft\.Extensions\.Diagnostics\.HealthChecks).*\n.*\n.*",
        RegexOptions.Multiline
    )]
    private static partial Regex Errors();
}
