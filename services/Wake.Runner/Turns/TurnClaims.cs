using Microsoft.Extensions.Options;
using Wake.Contracts;
using Wake.Store;

namespace Wake.Runner;

/// <summary>Claims turns for this runner, and tells the store which Claude sessions are open on this machine.</summary>
sealed class TurnClaims(
    Turns turns,
    ClaudeCli claude,
    RunnerName name,
    IOptions<RunnerOptions> options,
    IOptions<Profiles> profiles
)
{
    /// <summary>The processes on this machine that have Claude sessions open and that no runner has started.</summary>
    public IReadOnlyList<OpenSessionProcess> FindOpenSessions() => OpenSessions.List(claude.ConfigFolder);

    /// <summary>Claims the turn of a wake.</summary>
    /// <param name="wake">The wake.</param>
    /// <param name="open">What <see cref="FindOpenSessions"/> has found.</param>
    /// <param name="endsHold">Whether it was withheld for this runner, which now takes it up.</param>
    /// <param name="cancel">Ends the waiting.</param>
    public Task<TurnClaim> Claim(
        ResumeSession wake,
        IReadOnlyList<OpenSessionProcess> open,
        bool endsHold,
        CancellationToken cancel
    )
    {
        var all = profiles.Value;
        string[] configured = [.. all.Keys];
        var here = new OpenClaudeSessions(
            [.. open.Select(x => (x.ClaudeSessionId, x.Describe(name.Value)))],
            configured,
            // A session that begins afresh with every wake forks nothing.
            [.. configured.Where(x => all[x] is { WhenOpen: WhenOpen.Takeover } or { Resume: ResumePolicy.Never })]
        )
        {
            EndsHold = endsHold,
        };

        return turns.Claim(wake.SessionId, wake.WakeNumber, name.Value, options.Value.Lease, cancel, here);
    }
}
