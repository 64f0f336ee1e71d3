namespace Wake.Runner;

/// <summary>
/// Ends what runs of the CLI have started. A tool that called setsid, or whose parents are gone, is beyond the reach of
/// a process group or of the tree below the CLI; the <see cref="RunTag"/> in its environment still tells whose it is.
/// </summary>
/// <remarks>
/// What cleans its environment and leaves its session too is found by its <see cref="RunCgroup">cgroup</see>, or by the
/// <see cref="RlimitTags"/>.
/// </remarks>
sealed class RunReaper(RlimitTags rlimitTags, TimeProvider time, ILogger<RunReaper> log)
{
    /// <summary>How long what is asked to end gets for it.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    // A process in the kernel's hands (a dead network drive) cannot be killed; that must not hold up the runner.
    static readonly TimeSpan KillTimeout = TimeSpan.FromSeconds(5);

    // Between two looks; each reads a small file per process on the machine.
    static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(20);

    /// <summary>Ends every process that carries a mark, and returns when none is left.</summary>
    /// <param name="run">The mark.</param>
    /// <param name="grace">How long they get between SIGTERM and SIGKILL; zero kills them at once.</param>
    public async Task EndRun(RunTag run, TimeSpan grace)
    {
        await EndRun(mark => mark == run, grace, run);
        RunCgroup.Delete(run);
        rlimitTags.Release(run);
    }

    /// <summary>The processes of a run that are alive.</summary>
    public IReadOnlyList<ProcessSnapshot> ProcessesOf(RunTag run) =>
        ProcessTable.Self is { } self
            ? ProcessSnapshot.OfRuns(
                rlimitTags.AttributeOrphans(ProcessTable.AllTagged(), ending: null),
                mark => mark == run,
                self
            )
            : [];

    /// <summary>
    /// Kills processes of a session on this machine, whichever runner started them, living, frozen or dead, and returns
    /// how many there were. Only where its turn is not theirs.
    /// </summary>
    /// <param name="session">The session.</param>
    /// <param name="which">Of which runs.</param>
    public Task<int> KillSession(Guid session, Predicate<RunTag> which) =>
        EndRun(mark => mark.BelongsTo(session) && which(mark), TimeSpan.Zero);

    /// <summary>
    /// Ends what runners left behind that were killed, and returns how many processes that were. What belongs to a
    /// living runner stays, and so does the run this very process is part of, should Wake itself be somebody's tool.
    /// </summary>
    public async Task<int> ReapOrphans()
    {
        var count = await EndRun(mark => mark != ProcessTable.Self?.Tag && !ProcessTable.IsRunnerAlive(mark), Grace);
        RunCgroup.DeleteStale();

        if (count > 0)
            log.LogWarning("Ended {Count} processes that a killed runner had left behind.", count);
        return count;
    }

    async Task<int> EndRun(Predicate<RunTag> marked, TimeSpan grace, RunTag? ending = null)
    {
        if (ProcessTable.Self is not { } self)
            return 0;

        var seen = new HashSet<(int, long)>();
        var began = time.GetTimestamp();

        // Again and again: what forks while it is being killed leaves a child that was not in the table yet.
        while (
            ProcessSnapshot.OfRuns(rlimitTags.AttributeOrphans(ProcessTable.AllTagged(), ending), marked, self)
                is not []
                    and var left
        )
        {
            var elapsed = time.GetElapsedTime(began);
            if (elapsed > grace + KillTimeout)
            {
                log.LogError(
                    "{Count} processes of a run cannot be killed: {Ids}.",
                    left.Count,
                    string.Join(", ", left.Select(x => x.Id))
                );
                break;
            }

            foreach (var process in left)
            {
                if (elapsed >= grace)
                    process.Kill();
                else if (!seen.Contains((process.Id, process.StartTicks)))
                    process.Terminate();

                seen.Add((process.Id, process.StartTicks));
            }

            await Task.Delay(PollInterval, time);
        }

        return seen.Count;
    }
}
