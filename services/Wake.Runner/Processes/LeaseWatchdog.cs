using System.Collections.Concurrent;
using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Threading.Channels;

namespace Wake.Runner;

/// <summary>
/// Starts the watchdog process and sends it every lease. The watchdog kills a session's processes when the turn's lease
/// expires and the runner itself cannot, because it is stopped (SIGSTOP, a debugger, Ctrl-Z) or starved.
/// </summary>
/// <remarks>
/// Where it cannot be started, and on systems other than Linux, everything else holds: the runner kills by itself as
/// soon as it goes on, and whoever takes the turn up on this machine kills first.
/// </remarks>
sealed class LeaseWatchdog(ProcessLauncher launcher, TimeProvider time, ILogger<LeaseWatchdog> log) : IAsyncDisposable
{
    // One that ended right away would do so again.
    static readonly TimeSpan RestartDelay = TimeSpan.FromSeconds(30);

    readonly ConcurrentDictionary<Guid, (long Epoch, long Until)> leases = new();
    readonly Channel<Guid> changes = Channel.CreateUnbounded<Guid>(new() { SingleReader = true });
    readonly Lock starting = new();
    Task? sending;
    Process? watchdog;
    long startedAt;

    /// <summary>The turn of a session is this runner's for so long, counted from now.</summary>
    /// <param name="session">The session.</param>
    /// <param name="epoch">Of the lease.</param>
    /// <param name="left">How long.</param>
    public void SetLease(Guid session, long epoch, TimeSpan left)
    {
        if (ProcessTable.Self is null)
            return;

        leases[session] = (epoch, time.GetTimestamp() + (long)(left.TotalSeconds * time.TimestampFrequency));
        EnqueueLease(session);
    }

    /// <summary>The turn is over, and what stays of it may.</summary>
    public void ClearLease(Guid session, long epoch)
    {
        if (
            leases.TryGetValue(session, out var lease)
            && lease.Epoch == epoch
            && leases.TryRemove(KeyValuePair.Create(session, lease))
        )
            EnqueueLease(session);
    }

    void EnqueueLease(Guid session)
    {
        changes.Writer.TryWrite(session);
        lock (starting)
            sending ??= Task.Run(SendLeases);
    }

    async Task SendLeases()
    {
        await foreach (var session in changes.Reader.ReadAllAsync())
        {
            try
            {
                if (watchdog is { HasExited: false })
                    await WriteLeases([session]);
                else if (await StartWatchdog())
                    await WriteLeases(leases.Keys);
            }
            catch (Exception failed) when (failed is Win32Exception or IOException or InvalidOperationException)
            {
                log.LogWarning(
                    "Should this runner be frozen, nobody ends what it runs: the process beside it is not there "
                        + "({Reason}).",
                    failed.Message
                );
            }
        }
    }

    async Task<bool> StartWatchdog()
    {
        if (watchdog is not null && time.GetElapsedTime(startedAt) < RestartDelay)
            return false;

        watchdog?.Dispose();
        var (program, arguments) = WatchdogProcess.StartCommand(ProcessTable.NewTag());
        startedAt = time.GetTimestamp();
        watchdog = await launcher.Start(program, arguments, "/", WatchdogProcess.BuildEnvironment());
        return true;
    }

    async Task WriteLeases(IEnumerable<Guid> sessions)
    {
        var lines = string.Concat(
            sessions.Select(session =>
                leases.TryGetValue(session, out var lease)
                    ? string.Create(
                        CultureInfo.InvariantCulture,
                        $"{session:N} {(long)time.GetElapsedTime(time.GetTimestamp(), lease.Until).TotalMilliseconds}\n"
                    )
                    : $"{session:N}\n"
            )
        );
        await watchdog!.StandardInput.WriteAsync(lines);
        await watchdog.StandardInput.FlushAsync();
    }

    public async ValueTask DisposeAsync()
    {
        changes.Writer.TryComplete();
        if (sending is not null)
            await sending;
        if (watchdog is null)
            return;

        try
        {
            watchdog.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended already.
        }

        watchdog.Dispose();
    }
}
