using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// Interrupts the turns whose session was paused, or reset, to stop them. They run again, as the same wakes, when the
/// pause is over, or at once and afresh.
/// </summary>
sealed class PausedTurns(
    Pauses pauses,
    Sessions sessions,
    RunnerSlots slots,
    TimeProvider time,
    ILogger<PausedTurns> log
) : BackgroundService
{
    static readonly TimeSpan PollInterval = TimeSpan.FromSeconds(1);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        BackgroundLoop.Run(log, "Looking for turns to interrupt", Poll, PollInterval, time, stoppingToken);

    async Task<TimeSpan> Poll(CancellationToken cancel)
    {
        var running = slots.ListTurns();
        if (running is [])
            return PollInterval;

        var paused = await pauses.FindInterrupted([.. running.Select(x => x.Turn.SessionId)], cancel);
        foreach (
            var (turn, why) in from turn in running
            join pause in paused on turn.Turn.SessionId equals pause.SessionId
            select (turn, pause.Why)
        )
        {
            log.LogInformation(
                "{SessionKey} wake {Wake}: interrupted by a pause of {Pause}.",
                turn.Turn.SessionKey,
                turn.Turn.WakeNumber,
                why
            );
            await turn.Interrupt($"interrupted by a pause of {why}");
        }

        var reset = await sessions.FindInterruptedByReset([.. running.Select(x => x.Turn)], cancel);
        foreach (var turn in running.Where(x => reset.Contains(x.Turn.Epoch)))
        {
            log.LogInformation(
                "{SessionKey} wake {Wake}: interrupted by a reset.",
                turn.Turn.SessionKey,
                turn.Turn.WakeNumber
            );
            await turn.Interrupt("interrupted by a reset");
        }

        return PollInterval;
    }
}
