using System.Globalization;
using Microsoft.Extensions.Options;
using Wake.Store;

namespace Wake.Runner;

/// <summary>
/// Holds a turn back whose session, or whose profile for the day, has spent its budget. A person who wakes the session
/// then allows that one turn whatever it costs; the next is held back again.
/// </summary>
sealed class Budgets(Costs costs, IOptions<Profiles> profiles)
{
    /// <summary>Why and until when a turn must wait; null when it need not. By how the sentence begins people are told
    /// of a budget (state_turn_fact in the store).</summary>
    public async Task<TurnRelease.Park?> Exceeded(ClaimedTurn turn, CancellationToken cancel)
    {
        var profile = profiles.Value.GetOrDefault(turn.Profile);
        if (turn.BudgetOverride || profile is { SessionBudgetUsd: null, DayBudgetUsd: null })
            return null;

        var spent = await costs.GetSpent(turn.SessionId, turn.Profile, cancel);

        if (profile.SessionBudgetUsd is { } ever && spent.Session >= ever)
        {
            return new(
                null,
                $"the session's budget of {Usd(ever)} is used up ({Usd(spent.Session)}). Wake the session again to "
                    + "allow this turn."
            );
        }

        if (profile.DayBudgetUsd is { } daily && spent.Today >= daily)
        {
            return new(
                spent.UntilTomorrow,
                $"today's budget of {Usd(daily)} for profile {turn.Profile} is used up ({Usd(spent.Today)}); it goes "
                    + "on at 00:00 UTC"
            );
        }

        return null;
    }

    static string Usd(decimal amount) => string.Create(CultureInfo.InvariantCulture, $"${amount:0.00##}");
}
