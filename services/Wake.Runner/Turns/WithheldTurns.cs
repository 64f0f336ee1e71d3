using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.ServiceDefaults;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// Claims turns. Watches those that are withheld because another process on this machine has their Claude session
/// open: renews the hold, and starts the turn as soon as that process has ended or has left the session. The transcript
/// of what was said there lies on this machine, so this runner is the one to go on with it.
/// </summary>
sealed class WithheldTurns(
    TurnClaims claims,
    TurnHolds holds,
    RunnerSlots slots,
    TurnRunner runner,
    WarmSessions warm,
    RunnerName name,
    IOptions<RunnerOptions> options,
    TimeProvider time,
    ILogger<WithheldTurns> log
) : BackgroundService
{
    static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(500);

    // The store is asked on every so many polls.
    const int TicksPerStorePoll = 2;

    // How long a turn that could run waits for a slot here before any runner may have it.
    static readonly TimeSpan SlotWait = TimeSpan.FromSeconds(10);

    readonly Lock changing = new();
    readonly Dictionary<(Guid SessionId, int WakeNumber), Hold> withheld = [];

    /// <summary>Claims the turn of a wake on this machine. One that is withheld is watched from now on.</summary>
    public async Task<TurnClaim> Claim(ResumeSession wake, CancellationToken cancel, bool endsHold = false)
    {
        var open = claims.FindOpenSessions();
        var claim = await claims.Claim(wake, open, endsHold, cancel);
        if (claim is not TurnClaim.Withheld { Why: var why, ClaudeSessionId: var claudeSession })
            return claim;

        log.LogInformation("{SessionKey} wake {Wake} waits: {Why}.", wake.SessionKey, wake.WakeNumber, why);
        lock (changing)
            withheld[(wake.SessionId, wake.WakeNumber)] = new(
                wake,
                claudeSession,
                open.Any(x => x.ClaudeSessionId == claudeSession)
            )
            {
                RenewedAt = time.GetTimestamp(),
            };

        // A warm process would not see what is said there.
        await warm.Evict(wake.SessionId);
        return claim;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var count = 0;

        // Holds expire by themselves; the next claim, by any runner, decides afresh.
        await BackgroundLoop.Run(log, "Checking withheld turns", Poll, PollInterval, time, stoppingToken);

        async Task<TimeSpan> Poll(CancellationToken cancel)
        {
            await PollHolds(askStore: count++ % TicksPerStorePoll == 0, cancel);
            return PollInterval;
        }
    }

    async Task PollHolds(bool askStore, CancellationToken cancel)
    {
        List<Hold> all;
        lock (changing)
            all = [.. withheld.Values];
        if (all is [])
            return;

        if (askStore)
        {
            var known = (await holds.GetStates(name.Value, [.. all.Select(x => x.Key)], cancel)).ToDictionary(x =>
                (x.SessionId, x.WakeNumber)
            );
            foreach (var gone in all.Where(x => !known.ContainsKey(x.Key)))
                Remove(gone);

            all.RemoveAll(x => !known.ContainsKey(x.Key));
            all.ForEach(x => x.State = known[x.Key]);
        }

        var open = claims.FindOpenSessions();
        foreach (var hold in all)
        {
            var inTheWay =
                open.Any(x => x.ClaudeSessionId == hold.ClaudeSessionId)
                || hold.State?.SessionAtWork != false && !hold.IsLocalProcess
                || hold.State is { SessionAtWork: true };
            if (!inTheWay || hold.State is { Takeover: true, SessionAtWork: false })
                await ClaimAndStart(hold, cancel);
            else if (time.GetElapsedTime(hold.RenewedAt) > options.Value.Lease / 3)
                await Renew(hold, cancel);
        }
    }

    async Task ClaimAndStart(Hold hold, CancellationToken cancel)
    {
        if (!slots.TryAcquire(hold.Wake.Urgent, out var slot))
        {
            hold.UnblockedSince ??= time.GetTimestamp();
            if (time.GetElapsedTime(hold.UnblockedSince.Value) < SlotWait)
            {
                await Renew(hold, cancel);
                return;
            }

            await holds.Release(hold.Wake.SessionId, hold.Wake.WakeNumber, name.Value, cancel);
            Remove(hold);
            return;
        }

        using (slot)
        {
            var claimedAt = time.GetTimestamp();
            switch (await Claim(hold.Wake, cancel, endsHold: true))
            {
                case TurnClaim.Granted { Turn: var turn }:
                    Remove(hold);
                    slot.StartTurn(turn, running => runner.RunTurn(running, claimedAt));
                    break;

                // Somebody else has opened it.
                case TurnClaim.Withheld:
                    break;

                default:
                    Remove(hold);
                    break;
            }
        }
    }

    async Task Renew(Hold hold, CancellationToken cancel)
    {
        var sentAt = time.GetTimestamp();
        if (await holds.Renew(hold.Wake.SessionId, hold.Wake.WakeNumber, name.Value, options.Value.Lease, cancel))
            hold.RenewedAt = sentAt;
        else
            Remove(hold);
    }

    void Remove(Hold hold)
    {
        lock (changing)
        {
            if (withheld.GetValueOrDefault(hold.Key) == hold)
                withheld.Remove(hold.Key);
        }
    }

    sealed class Hold(ResumeSession wake, Guid claudeSessionId, bool isProcess)
    {
        public ResumeSession Wake => wake;

        public (Guid SessionId, int WakeNumber) Key => (wake.SessionId, wake.WakeNumber);

        public Guid ClaudeSessionId => claudeSessionId;

        /// <summary>Whether it is a process of this machine that is in the way, which shows without the
        /// store.</summary>
        public bool IsLocalProcess => isProcess;

        /// <summary>What the store said last; null before it was asked.</summary>
        public HoldState? State { get; set; }

        public long RenewedAt { get; set; }

        /// <summary>Since when nothing is in the way any more.</summary>
        public long? UnblockedSince { get; set; }
    }
}
