using System.Text;
using Wake.Runner;

namespace Wake.Tests.Running;

/// <summary>From what the kernel shows of processes to those that belong to a run.</summary>
public sealed class TellingWhoseProcessItIs
{
    static readonly RunTag Run = new("4026531836", 100, 998877, Guid.Parse("b18d1bc9-0000-4000-8000-000000000001"));
    static readonly RunTag Other = Run with { RunId = Guid.Parse("b18d1bc9-0000-4000-8000-000000000002") };
    static readonly ProcessSnapshot Self = new(100, 'S', ParentId: 1, KernelSession: 90, StartTicks: 998877);

    [Theory]
    [InlineData("42 (sleep) S 7 40 41 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 998877 2 3", 42, 'S', 7, 41)]
    [InlineData("42 (a) Z 1 (b c) Z 7 40 41 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 998877 2 3", 42, 'Z', 7, 41)]
    [InlineData("42 () S 1) R 7 40 41 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 998877\n", 42, 'R', 7, 41)]
    public void A_process_is_read_whatever_it_calls_itself(string stat, int id, char state, int parent, int session) =>
        Assert.Equal(new(id, state, parent, session, 998877), ProcessSnapshot.Parse(stat));

    [Theory]
    [InlineData("")]
    [InlineData("42")]
    [InlineData("42 (sleep) S 7 40 41")]
    [InlineData(") 42 (sleep S 7 40 41 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 998877")]
    public void What_is_no_process_is_none(string stat) => Assert.Null(ProcessSnapshot.Parse(stat));

    [Theory]
    [InlineData("PATH=/bin\0{0}\0HOME=/root\0")]
    [InlineData("{0}\0")]
    [InlineData("{0}")]
    [InlineData("\0\0WAKE=1\0{0}\0")]
    public void A_mark_is_found_in_an_environment(string environment) =>
        Assert.Equal(
            Run,
            RunTag.FindIn(Encoding.UTF8.GetBytes(string.Format(null, environment, $"{RunTag.Variable}={Run}")))
        );

    [Theory]
    [InlineData("")]
    [InlineData("\0")]
    [InlineData("PATH=/bin\0")]
    [InlineData("XWAKE_RUN=1.2.3.b18d1bc9000040008000000000000001\0")]
    [InlineData("WAKE_RUN=\0")]
    [InlineData("WAKE_RUN=1.2.3\0")]
    [InlineData("WAKE_RUN=1.-2.3.b18d1bc9000040008000000000000001\0")]
    [InlineData("WAKE_RUN=1.2.3.somebody else's\0")]
    public void What_is_no_mark_is_none(string environment) =>
        Assert.Null(RunTag.FindIn(Encoding.UTF8.GetBytes(environment)));

    [Theory]
    [InlineData("0::/system.slice/wake.service/wake-run-{0}\n", true)]
    [InlineData("8:pids:/\n0::/wake-run-1.2.3.b18d1bc9000040008000000000000009/wake-run-{0}/below\n", true)]
    [InlineData("0::/wake-run-trial-7\n", false)]
    [InlineData("0::/\n", false)]
    public void A_mark_is_found_in_the_name_of_a_group(string groups, bool found) =>
        Assert.Equal(found ? Run : null, RunCgroup.FindTag(string.Format(null, groups, Run)));

    [Fact]
    public void A_run_has_its_marked_processes_and_those_below_them_and_in_their_sessions()
    {
        ProcessSnapshot[] all =
        [
            Self,
            new(201, 'S', ParentId: 100, KernelSession: 201, 1, Run), // the CLI
            new(202, 'S', ParentId: 1, KernelSession: 202, 1, Run), // its tool, an orphan in a session of its own
            new(203, 'S', ParentId: 1, KernelSession: 202, 1), // another such orphan, with a cleaned environment
            new(204, 'S', ParentId: 203, KernelSession: 204, 1), // and what that one started
            new(205, 'Z', ParentId: 100, KernelSession: 202, 1), // ended
            new(300, 'S', ParentId: 100, KernelSession: 300, 1, Other), // another run of this runner
            new(400, 'S', ParentId: 1, KernelSession: 400, 1), // somebody else's
        ];

        Assert.Equal(
            [201, 202, 203, 204],
            ProcessSnapshot.OfRuns(all, mark => mark == Run, Self).Select(x => x.Id).Order()
        );
    }

    [Theory]
    [InlineData(1000UL, 500, 0)] // as high as the runner's: its own
    [InlineData(1001UL, 500, 0)]
    [InlineData(901UL, 500, 1)] // a run's, whichever is ending
    [InlineData(902UL, 10, 2)]
    [InlineData(7UL, 150, 1)] // shed while the other had not begun
    [InlineData(7UL, 250, 0)] // shed when it may be either's
    [InlineData(7UL, 50, 0)] // older than both
    public void An_orphan_is_told_by_the_number_it_inherited(ulong tag, long started, int run)
    {
        var running = new Dictionary<ulong, TaggedRun> { [901] = new(Run, 100), [902] = new(Other, 200) };

        Assert.Equal(
            run switch
            {
                1 => Run,
                2 => Other,
                _ => null,
            },
            RlimitTags.RunOfOrphan(started, tag, own: 1000, running, ending: Run)
        );
    }

    // Though a single run is under way, which what has shed its number would be counted to.
    [Theory]
    [InlineData(null)] // it cannot be looked at
    [InlineData(1000UL)] // the runner's number: its own
    [InlineData(1001UL)]
    public void An_orphan_that_may_be_the_runners_own_stays(ulong? tag) =>
        Assert.Null(
            RlimitTags.RunOfOrphan(
                150,
                tag,
                own: 1000,
                new Dictionary<ulong, TaggedRun> { [901] = new(Run, 100) },
                ending: Run
            )
        );

    [Theory]
    [InlineData(100, 300, 'S', true)]
    [InlineData(100, 90, 'S', false)] // in the runner's session: started by it
    [InlineData(201, 300, 'S', false)] // somebody's child
    [InlineData(100, 300, 'Z', false)]
    public void An_orphan_is_a_child_of_the_runner_outside_its_session(
        int parent,
        int session,
        char state,
        bool orphan
    ) => Assert.Equal(orphan, RlimitTags.IsOrphan(new(300, state, parent, session, 1), Self));

    [Fact]
    public void The_runner_and_its_session_belong_to_no_run()
    {
        ProcessSnapshot[] all =
        [
            Self with
            {
                ParentId = 201,
                Tag = Run,
            },
            new(201, 'S', ParentId: 1, KernelSession: Self.KernelSession, 1, Run),
            new(202, 'S', ParentId: 90, KernelSession: Self.KernelSession, 1),
            new(203, 'S', ParentId: Self.Id, KernelSession: 203, 1),
        ];

        Assert.Equal([201], ProcessSnapshot.OfRuns(all, mark => mark == Run, Self).Select(x => x.Id));
    }

    [Theory]
    [InlineData(0, 0, true)]
    [InlineData(1, 0, false)]
    [InlineData(0, 1, false)]
    public void A_runner_lives_under_its_number_and_its_start(int number, int start, bool lives)
    {
        var mark = ProcessTable.NewTag();

        // Of the two neither alone is it: numbers come again.
        Assert.Equal(
            lives,
            ProcessTable.IsRunnerAlive(
                mark with
                {
                    RunnerPid = number == 0 ? mark.RunnerPid : int.MaxValue,
                    RunnerStartTicks = mark.RunnerStartTicks + start,
                }
            )
        );
    }

    [Fact]
    public void A_runner_in_another_container_cannot_be_judged() =>
        Assert.True(
            ProcessTable.IsRunnerAlive(ProcessTable.NewTag() with { PidNamespace = "1", RunnerPid = int.MaxValue })
        );
}
