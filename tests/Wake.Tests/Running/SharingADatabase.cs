using Wake.Contracts;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>Two standalone Wakes on one database, each with a folder of its own. What one of them runs is none of the
/// other's business.</summary>
[Trait("Starts", "processes")]
public sealed class SharingADatabase : IAsyncLifetime
{
    readonly TemporaryFolder folders = new();
    WakeSystem wake = null!;

    public async Task InitializeAsync() => wake = await WakeSystem.Create(Transport.InMemory);

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        folders.Dispose();
    }

    [Fact]
    public async Task Who_starts_leaves_the_turns_of_others_alone()
    {
        await Start("one", lease: "00:10:00");
        using var hold = new HoldFile();
        var held = await Holding(hold);

        await Start("two");
        var other = await wake.Session("instant");
        await wake.Wake(other, "merged");
        await wake.WaitForTurnEnd(other, 1);

        Assert.Equal(
            (1, TurnState.Running),
            ((await wake.Show(held)).LastTurn!.Attempt, (await wake.Show(held)).LastTurn!.State)
        );
        hold.Release();
        var turn = await wake.WaitForTurnEnd(held, 1);
        Assert.Equal((TurnOutcome.Completed, 1), (turn.Outcome, turn.Attempt));
    }

    [Fact]
    public async Task Killed_and_started_again_it_takes_up_what_was_its_own_at_once()
    {
        var one = await Start("one", lease: "00:10:00");
        using HoldFile mine = new(),
            others = new();
        var my = await Holding(mine);
        await Start("two", lease: "00:10:00");

        // So that the other one gets the next.
        one.Freeze();
        var their = await Holding(others);
        await one.Kill();
        mine.Release();
        await Start("one", lease: "00:10:00");

        Assert.Equal(2, (await wake.WaitForTurnEnd(my, 1)).Attempt);
        others.Release();
        Assert.Equal(1, (await wake.WaitForTurnEnd(their, 1)).Attempt);
    }

    [Fact]
    public async Task Of_two_with_one_name_the_second_gets_a_name_of_its_own()
    {
        await Start("one", name: "same");
        await Start("two", name: "same");

        Assert.Equal(
            ["same", "same-2"],
            ((string[])["one", "two"]).Select(x => File.ReadAllText(folders.File($"{x}/runner")))
        );
        Assert.Contains("this one is called same-2", wake.Processes[^1].Log);

        // The connections that hold the names break, with the server for instance.
        await wake.Scalar<bool>($"select bool_and(pg_terminate_backend(pid)) {Holders}");
        await Eventually.Holds(() => Task.FromResult(wake.Processes.All(x => x.Log.Contains("it is held again"))));
        Assert.Equal(2, await wake.Scalar<long>($"select count(*) {Holders}"));

        // Who has gone leaves the name to the next, and the other one is still there.
        await wake.Processes[0].Kill();
        await Start("three", name: "same");
        Assert.Equal("same", File.ReadAllText(folders.File("three/runner")));
        Assert.Equal(2, await wake.Scalar<long>($"select count(*) {Holders}"));
    }

    const string Holders = """
        from pg_locks
        where locktype = 'advisory' and classid = 5427022 and database = (select oid from pg_database where datname = current_database())
        """;

    // A session whose turn has come to where it waits for the file.
    async Task<string> Holding(HoldFile hold)
    {
        var key = await wake.Session("instant");
        await wake.Wake(key, $"merged [[fake:hold {hold.Path}]]");
        await hold.Reached();
        return key;
    }

    Task<ServiceProcess> Start(string folder, string lease = "00:00:03", string name = "") =>
        wake.StartProcess(
            "Wake.Standalone",
            new Dictionary<string, string>
            {
                ["WAKE_DATA"] = folders.File(folder),
                ["Runner__Name"] = name.Length > 0 ? name : folder,
                ["Runner__Lease"] = lease,
            }
        );
}
