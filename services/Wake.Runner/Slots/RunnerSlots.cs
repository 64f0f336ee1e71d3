using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Options;
using Wake.Store;

namespace Wake.Runner;

/// <summary>The turns this runner can run at the same time, and those that run.</summary>
sealed class RunnerSlots(
    RunnerPause pause,
    RunnerDrain drain,
    IOptions<RunnerOptions> options,
    TimeProvider time,
    ILogger<RunnerSlots> log
) : IDisposable
{
    readonly Lock taking = new();
    readonly Dictionary<Task, RunningTurn> running = [];
    readonly SemaphoreSlim changed = new(0);
    readonly CancellationTokenSource stop = new();
    int taken,
        staggered;
    long nextStart;
    bool stopping;

    /// <summary>How many slots are taken.</summary>
    public int Taken => Volatile.Read(ref taken);

    /// <summary>Takes a slot; false when all are taken, or the runner stops or takes no work.</summary>
    /// <param name="urgent">Whether one may be taken that is kept for wakes that a person waits for.</param>
    /// <param name="slot">The slot.</param>
    public bool TryAcquire(bool urgent, [NotNullWhen(true)] out Slot? slot)
    {
        lock (taking)
        {
            slot =
                stopping
                || taken >= options.Value.Slots + (urgent ? options.Value.UrgentSlots : 0)
                || pause.Reason is not null
                || drain.IsDrained
                    ? null
                    : new(this);
            if (slot is null)
                return false;

            taken++;
        }

        NotifyChanged();
        return true;
    }

    /// <summary>Delays the first turns after the start, each a little longer than the one before.</summary>
    public async Task StaggerStart(CancellationToken cancel)
    {
        TimeSpan wait;
        lock (taking)
        {
            if (staggered++ >= options.Value.Slots)
                return;

            var now = time.GetTimestamp();
            var at = Math.Max(now, nextStart);
            nextStart = at + (long)(options.Value.StaggerStart.TotalSeconds * time.TimestampFrequency);
            wait = time.GetElapsedTime(now, at);
        }

        await Task.Delay(wait, time, cancel);
    }

    /// <summary>Waits until a slot was taken or has become free, or <see cref="NotifyChanged"/> was called.</summary>
    public Task WaitForChange(TimeSpan atMost, CancellationToken cancel) => changed.WaitAsync(atMost, cancel);

    /// <summary>Ends a <see cref="WaitForChange"/>.</summary>
    public void NotifyChanged() => changed.Release();

    /// <summary>The turns that run now.</summary>
    public IReadOnlyList<RunningTurn> ListTurns()
    {
        lock (taking)
            return [.. running.Values];
    }

    /// <summary>Gives out no slot from now on, and interrupts the turns that run.</summary>
    public Task Interrupt()
    {
        int left;
        lock (taking)
        {
            stopping = true;
            left = running.Count;
        }

        if (left > 0)
            log.LogInformation("Stopping: interrupting {Count} turns.", left);

        return stop.CancelAsync();
    }

    /// <summary>Completes when the turns that run now have ended.</summary>
    public Task WhenEnded()
    {
        lock (taking)
            return Task.WhenAll(running.Keys);
    }

    public void Dispose()
    {
        changed.Dispose();
        stop.Dispose();
    }

    void StartTurn(Slot slot, ClaimedTurn turn, Func<RunningTurn, Task> run)
    {
        var begun = new RunningTurn(turn, stop.Token);
        var task = Task.Run(
            async () =>
            {
                try
                {
                    await run(begun);
                }
                catch (Exception failed)
                {
                    // The top of this turn's own task. Its lease runs out and the wake is sent again.
                    log.LogError(
                        failed,
                        "{SessionKey} wake {Wake}: the turn could not be run.",
                        turn.SessionKey,
                        turn.WakeNumber
                    );
                }
                finally
                {
                    slot.Release();
                }
            },
            CancellationToken.None
        );

        lock (taking)
            running.Add(task, begun);
        _ = task.ContinueWith(Forget, TaskScheduler.Default);

        void Forget(Task ended)
        {
            lock (taking)
                running.Remove(ended);
            begun.Dispose();
        }
    }

    /// <summary>One slot: either a turn runs in it, or it is free again when disposed.</summary>
    public sealed class Slot(RunnerSlots slots) : IDisposable
    {
        bool used;

        /// <summary>Runs a turn in this slot, and frees it after.</summary>
        /// <param name="turn">The turn.</param>
        /// <param name="run">Runs it; is told to stop when the runner stops.</param>
        public void StartTurn(ClaimedTurn turn, Func<RunningTurn, Task> run)
        {
            used = true;
            slots.StartTurn(this, turn, run);
        }

        internal void Release()
        {
            lock (slots.taking)
                slots.taken--;
            slots.NotifyChanged();
        }

        public void Dispose()
        {
            if (!used)
                Release();
        }
    }
}
