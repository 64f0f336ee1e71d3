using System.Text.Json;
using Npgsql;
using Wake.Contracts;
using Wake.Testing;
using Wake.Tests.Support;

namespace Wake.Tests.Running;

/// <summary>
/// The runner is killed with SIGKILL, frozen or told to stop at each point of a turn. The wake is run again under the
/// same number and the same message, and takes effect once.
/// </summary>
[Trait("Starts", "processes")]
[Trait("Takes", "minutes")]
public sealed class SurvivingADeadRunner : IAsyncLifetime
{
    WakeSystem wake = null!;
    TcpProxy broker = null!;
    TcpProxy database = null!;
    ServiceProcess runner = null!;

    public async Task InitializeAsync()
    {
        // A shorter one is over by itself on a starved machine, which costs an attempt.
        wake = await WakeSystem.Create(
            Transport.RabbitMq,
            new Dictionary<string, string> { ["Runner__Lease"] = "00:00:10" }
        );
        var postgres = new NpgsqlConnectionStringBuilder(wake.ConnectionString);
        broker = new(wake.Broker!.Port);
        database = new(postgres.Port);
        postgres.Port = database.Port;

        var started = await Task.WhenAll(
            wake.StartProcess("Wake.Gateway"),
            wake.StartProcess("Wake.Coordinator"),
            wake.StartProcess(
                "Wake.Runner",
                new Dictionary<string, string>
                {
                    ["MessageBus__Host"] = new UriBuilder(wake.Broker) { Port = broker.Port }.ToString(),
                    ["ConnectionStrings__Wake"] = postgres.ConnectionString,
                    ["Runner__Name"] = "first",
                }
            )
        );
        runner = started[2];
    }

    public async Task DisposeAsync()
    {
        await wake.DisposeAsync();
        await broker.DisposeAsync();
        await database.DisposeAsync();
    }

    [Fact]
    public async Task Killed_after_the_claim_and_before_the_cli_was_started()
    {
        var key = await wake.WatchingSession("instant");
        var claimed = database.HoldAnswersTo("set attempt = attempt + 1");

        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged"));
        await claimed;
        await Eventually.Holds(async () => (await wake.Show(key)).State is SessionState.Running);
        Assert.Empty(Starts());
        await KillAndReplace();

        await HasTakenOneTurn(key, attempts: 2);
    }

    // The answer to the claim comes when the lease is over and the turn another runner's.
    [Fact]
    public async Task Told_too_late_that_the_turn_is_its_own_it_does_not_begin_it()
    {
        var key = await wake.WatchingSession("instant");
        var claimed = database.HoldAnswersTo("set attempt = attempt + 1");
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged"));
        await claimed;

        await wake.StartProcess("Wake.Runner", new Dictionary<string, string> { ["Runner__Name"] = "second" });
        await HasTakenOneTurn(key, attempts: 2);
        database.Release();

        await Eventually.Holds(
            () =>
                Task.FromResult(
                    runner.Log.Contains("the turn was lost") || runner.Log.Contains("belongs to another runner")
                ),
            "the late runner learns whose the turn is"
        );
        Assert.Single(Starts());
    }

    [Fact]
    public async Task Killed_in_the_middle_of_a_turn()
    {
        using var hold = new HoldFile();
        var key = await Reaching(hold, $"[[fake:first hold {hold.Path}]]");

        await KillAndReplace();

        await HasTakenOneTurn(key, attempts: 2);
        await NothingIsLeftRunning();
    }

    [Fact]
    public async Task Killed_in_the_middle_of_a_tool_call_which_is_not_made_twice()
    {
        var key = await wake.WatchingSession("instant");
        using var hold = new HoldFile();
        using var folder = new TemporaryFolder();
        await wake.Publish(
            WakeSystem.Event(
                WakeSystem.Subject(key),
                "merged",
                reason: $"merged [[fake:tool-start {folder.File("effect")}]] [[fake:first hold {hold.Path}]]"
            )
        );
        await hold.Reached();

        await KillAndReplace();

        await HasTakenOneTurn(key, attempts: 2);
        Assert.Single(File.ReadAllLines(folder.File("effect")));
    }

    [Fact]
    public async Task Killed_after_the_result_and_before_it_was_written_down()
    {
        using var hold = new HoldFile();
        var key = await Reaching(hold, $"[[fake:hold {hold.Path}]]");

        database.HoldUpstream();
        hold.Release();
        await Eventually.Holds(() => Task.FromResult(Log().Any(x => x.GetProperty("event").GetString() == "result")));
        await KillAndReplace();

        await HasTakenOneTurn(key, attempts: 2);
        Assert.Equal("an earlier attempt had finished it", (await wake.Turns(key))[0].Note);
        Assert.Equal(
            ["run", "duplicate"],
            Log()
                .Where(x => x.GetProperty("event").GetString() == "turn")
                .Select(x => x.GetProperty("kind").GetString())
        );
    }

    [Fact]
    public async Task Killed_after_the_ending_was_written_down_and_before_it_was_said()
    {
        using var hold = new HoldFile();
        var key = await Reaching(hold, $"[[fake:hold {hold.Path}]]");

        broker.HoldUpstream();
        hold.Release();
        await wake.WaitForTurnEnd(key, 1);
        await KillAndReplace();

        await HasTakenOneTurn(key, attempts: 1);
        Assert.Equal("Idle", await SagaState(key));
    }

    [Fact]
    public async Task Frozen_beyond_its_lease_it_comes_back_to_a_turn_that_is_not_its_own_any_more()
    {
        await wake.StartProcess("Wake.Runner", new Dictionary<string, string> { ["Runner__Name"] = "second" });
        using var hold = new HoldFile();
        var key = await Reaching(hold, $"[[fake:first hold {hold.Path}]]");
        var holder = (await wake.Show(key)).LastTurn!.Runner == "first" ? runner : wake.Processes[^1];

        holder.Freeze();
        await Eventually.Holds(async () => (await wake.Show(key)).LastTurn!.Attempt == 2, "the turn is taken over");
        holder.Thaw();

        await Eventually.Holds(
            () => Task.FromResult(holder.Log.Contains("its process killed")),
            "the child of the zombie is killed"
        );
        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal(2, turn.Attempt);
        Assert.Contains((await wake.Explain(key)).Ledger, x => x.What == "ended" && x.Wake == 1);
    }

    // Nobody else is there to take the turn up, and the runner itself can do nothing.
    [Fact]
    public async Task Frozen_it_runs_nothing_beyond_its_lease()
    {
        using var hold = new HoldFile();
        var key = await Reaching(hold, $"[[fake:first hold {hold.Path}]]");
        var cli = Starts().Single();

        runner.Freeze();
        await Eventually.Holds(
            () => Task.FromResult(!MachineProcess.Runs(cli)),
            "what the frozen runner runs is killed"
        );
        Assert.True(
            await wake.Scalar<bool>(
                "select clock_timestamp() between lease_until and lease_until + interval '6 seconds' from turns"
            ),
            "it is killed when the lease is over, not before and not long after"
        );

        runner.Thaw();
        await HasTakenOneTurn(key, attempts: 2);
    }

    [Fact]
    public async Task What_a_frozen_runner_runs_is_killed_by_whoever_takes_the_turn_up()
    {
        using var hold = new HoldFile();
        var key = await Reaching(hold, $"[[fake:first hold {hold.Path}]]");
        var cli = Starts().Single();
        var guard = 0;
        await Eventually.Holds(
            () =>
                Task.FromResult(
                    (
                        guard = MachineProcess
                            .WithArgument("lease-watchdog")
                            .SingleOrDefault(x => MachineProcess.Parent(x) == runner.Id)
                    ) > 0
                ),
            "a guard runs"
        );
        MachineProcess.Kill(guard);

        runner.Freeze();
        await wake.StartProcess("Wake.Runner", new Dictionary<string, string> { ["Runner__Name"] = "second" });
        await wake.WaitForTurnEnd(key, 1);

        Assert.False(MachineProcess.Runs(cli));
        Assert.Contains("processesKilled", (await wake.Explain(key)).Ledger.Select(x => x.What));
        runner.Thaw();
        await HasTakenOneTurn(key, attempts: 2);
    }

    [Fact]
    public async Task Cut_off_from_the_database_beyond_its_lease_it_gives_the_turn_up()
    {
        using var hold = new HoldFile();
        var key = await Reaching(hold, $"[[fake:first hold {hold.Path}]]");

        database.HoldUpstream();
        await Eventually.Holds(
            () => Task.FromResult(runner.Log.Contains("its process killed")),
            "the runner gives up by itself"
        );
        database.Release();

        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
        await HasTakenOneTurn(key, attempts: 2);
    }

    [Fact]
    public async Task Without_the_database_for_a_moment_as_a_turn_ends_it_writes_the_ending_down_as_soon_as_it_can()
    {
        using var hold = new HoldFile();
        var key = await Reaching(hold, $"[[fake:cost 5]] [[fake:hold {hold.Path}]]");

        await Refuse("before update of ended_at on turns");
        hold.Release();
        await Eventually.Holds(() => Task.FromResult(runner.Log.Contains("could not be written down")));
        await RefuseNoMore("turns");

        await HasTakenOneTurn(key, attempts: 1);
        Assert.Equal(5, (await wake.Turns(key))[0].CostUsd);
    }

    [Fact]
    public async Task Not_told_that_the_ending_was_written_down_it_finds_out()
    {
        using var hold = new HoldFile();
        var key = await Reaching(hold, $"[[fake:cost 5]] [[fake:hold {hold.Path}]]");

        var ended = database.HoldAnswersTo("set ended_at = clock_timestamp()");
        hold.Release();
        await ended;
        await wake.WaitForTurnEnd(key, 1);
        database.Cut();

        await Eventually.Holds(
            () => Task.FromResult(runner.Log.Contains("wake 1: Completed")),
            "it knows that the turn has ended"
        );
        await HasTakenOneTurn(key, attempts: 1);
        Assert.Equal(5, (await wake.Turns(key))[0].CostUsd);
    }

    [Fact]
    public async Task A_memory_that_cannot_be_saved_as_a_turn_ends_is_saved_a_moment_later_or_the_turn_says_so()
    {
        var key = await wake.WatchingSession("instant");
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "opened"));
        await wake.WaitForTurnEnd(key, 1);

        Assert.Null((await EndUnsaved(2, untilTheEnd: false)).Note);
        Assert.Equal(Written(), await Saved());

        var turn = await EndUnsaved(3, untilTheEnd: true);
        Assert.Equal(TurnOutcome.Completed, turn.Outcome);
        Assert.Contains("its memory is incomplete in the store: ", turn.Note);
        Assert.Contains("no room", turn.Note);
        Assert.True(
            await wake.Scalar<bool>("select near_until > now() + interval '50 minutes' from wake_timers"),
            "it goes to this runner next"
        );
        await RefuseNoMore("transcript_segments");

        // The audit would find it, until the next turn has saved what this one could not.
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "deployed"));
        Assert.Null((await wake.WaitForTurnEnd(key, 4)).Note);

        async Task<Turn> EndUnsaved(int number, bool untilTheEnd)
        {
            using var hold = new HoldFile();
            await wake.Publish(
                WakeSystem.Event(WakeSystem.Subject(key), $"{number}", reason: $"merged [[fake:hold {hold.Path}]]")
            );
            await hold.Reached();
            await Refuse("before insert on transcript_segments");
            var failed = Failures();
            hold.Release();
            if (!untilTheEnd)
            {
                await Eventually.Holds(() =>
                    Task.FromResult(Log().Count(x => x.GetProperty("event").GetString() == "result") == number)
                );
                await Eventually.Holds(() => Task.FromResult(Failures() >= failed + 2));
                await RefuseNoMore("transcript_segments");
            }

            return await wake.WaitForTurnEnd(key, number);
        }

        int Failures() => runner.Log.Split("the transcript could not be saved").Length;
        int Written() =>
            File.ReadAllLines(
                Directory.EnumerateFiles(wake.ClaudeConfig, "*.jsonl", SearchOption.AllDirectories).Single()
            ).Length;
        Task<int> Saved() =>
            wake.Scalar<int>("select rows from transcript_files where path = '' and replaced_at is null");
    }

    [Fact]
    public async Task Told_to_stop_it_interrupts_the_turn_and_gives_it_back_at_once()
    {
        using var hold = new HoldFile();
        var key = await Reaching(hold, $"[[fake:hold {hold.Path}]]");

        Assert.Equal(0, await runner.Stop());
        Assert.Equal(TurnState.Dispatched, (await wake.Show(key)).LastTurn!.State);
        hold.Release();
        await wake.StartProcess("Wake.Runner");

        var turn = await wake.WaitForTurnEnd(key, 1);
        Assert.Equal((TurnOutcome.Completed, 2), (turn.Outcome, turn.Attempt));
        var said = FakeTranscript.Of(wake, await wake.Show(key)).UserMessages;
        Assert.Contains("merged", said[0]);
        Assert.Contains("You were told of this before, and that turn was cut short", said[^1]);
        Assert.Contains((await wake.Explain(key)).Ledger, x => x.What == "released");
    }

    [Fact]
    public async Task What_will_not_stop_is_killed_with_everything_it_started()
    {
        var key = await wake.WatchingSession("instant");
        using var folder = new TemporaryFolder();
        await wake.Publish(
            WakeSystem.Event(
                WakeSystem.Subject(key),
                "merged",
                reason: $"merged [[fake:first grandchild {folder.File("pid")} inherit]] [[fake:ignore-term]] "
                    + "[[fake:first hang]]"
            )
        );
        await Eventually.Holds(() =>
            Task.FromResult(File.Exists(folder.File("pid")) && File.ReadAllText(folder.File("pid")).Length > 0)
        );

        Assert.Equal(0, await runner.Stop());

        var grandchild = File.ReadAllText(folder.File("pid")).Trim();
        Assert.False(
            Directory.Exists($"/proc/{grandchild}") && !File.ReadAllText($"/proc/{grandchild}/stat").Contains(") Z ")
        );
        await NothingIsLeftRunning();
        await wake.StartProcess("Wake.Runner");
        Assert.Equal(TurnOutcome.Completed, (await wake.WaitForTurnEnd(key, 1)).Outcome);
    }

    async Task KillAndReplace()
    {
        await runner.Kill();
        database.Cut();
        broker.Cut();
        await wake.StartProcess("Wake.Runner");
    }

    Task Refuse(string what) =>
        wake.Execute(
            $"""
            create or replace function refuse() returns trigger language plpgsql as
            $$ begin raise exception 'no room' using errcode = '53100'; end $$;
            create trigger refuse {what} for each row execute function refuse()
            """
        );

    Task RefuseNoMore(string table) => wake.Execute($"drop trigger refuse on {table}");

    // A session whose turn has come to where it waits for the file.
    async Task<string> Reaching(HoldFile hold, string reason)
    {
        var key = await wake.WatchingSession("instant");
        await wake.Publish(WakeSystem.Event(WakeSystem.Subject(key), "merged", reason: $"merged {reason}"));
        await hold.Reached();
        return key;
    }

    async Task HasTakenOneTurn(string key, int attempts)
    {
        var turn = await wake.WaitForTurnEnd(key, 1);
        await wake.WaitUntilIdle();

        Assert.Equal((TurnOutcome.Completed, attempts), (turn.Outcome, turn.Attempt));
        Assert.Single(await wake.Turns(key));
        var session = await wake.Show(key);
        Assert.Single(session.ClaudeSessionIds);
        Assert.Single(FakeTranscript.Of(wake, session).UserMessages);
    }

    // The CLI is told to end as soon as the runner that started it is gone, however it went.
    Task NothingIsLeftRunning() =>
        Eventually.Holds(
            () =>
                Task.FromResult(
                    !Starts()
                        .Any(id =>
                            Directory.Exists($"/proc/{id}")
                            && File.ReadAllText($"/proc/{id}/cmdline").Contains("fake-claude")
                        )
                ),
            "no process of the CLI is left"
        );

    async Task<string> SagaState(string key)
    {
        var number = 0;
        await Eventually.Holds(async () =>
            (
                number = await wake.Scalar<int>(
                    "select current_state from session_wakes w join sessions s on s.id = w.session_id where s.key = $1",
                    key
                )
            ) == 3
        );
        return number == 3 ? "Idle" : $"{number}";
    }

    IEnumerable<int> Starts() =>
        Log().Where(x => x.GetProperty("event").GetString() == "start").Select(x => x.GetProperty("pid").GetInt32());

    List<JsonElement> Log()
    {
        var path = Path.Combine(wake.ClaudeConfig, "fake-claude.log");
        return File.Exists(path)
            ? [.. File.ReadAllLines(path).Where(x => x.Length > 0).Select(x => JsonElement.Parse(x))]
            : [];
    }
}
