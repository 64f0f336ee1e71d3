using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Wake.Producers.GitHub;

namespace Wake.Tests.Producing;

/// <summary>When the merge state of a pull request counts, and what of it is told.</summary>
public sealed class SettlingMergeStates
{
    static readonly DateTimeOffset Start = DateTimeOffset.UnixEpoch;
    static readonly TimeSpan Settle = TimeSpan.FromSeconds(30);

    /// <summary>What a look sees at a moment, after so many seconds.</summary>
    sealed record Look(int After, int Head, MergeState State, bool Twice, bool Restart);

    // Often the same, often unknown, and often shorter than what counts.
    static readonly Gen<Look[]> Looks = (
        from after in Gen.Elements(1, 5, 10, 10, 20, 40)
        from head in Gen.Frequency((9, Gen.Constant(0)), (1, Gen.Constant(1)))
        from state in Gen.Elements(Enum.GetValues<MergeState>())
        from twice in Gen.Elements(true, false)
        from restart in Gen.Elements(true, false)
        from times in Gen.Choose(1, 5)
        select Enumerable.Repeat(new Look(after, head, state, twice, restart), times)
    )
        .ListOf()
        .Select(x => x.SelectMany(y => y).ToArray());

    [Fact]
    public void However_it_flickers_each_state_that_stands_is_told_once() =>
        Prop.ForAll(Looks.ToArbitrary(), x => Expected(x).SequenceEqual(Told(x)))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(1000));

    [Fact]
    public void No_two_events_have_one_key() =>
        Prop.ForAll(
                Looks.ToArbitrary(),
                x =>
                    Changes(x).Distinct().Select(y => (y.Type, y.Head, y.Times)) is var keys
                    && keys.Distinct().Count() == keys.Count()
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(1000));

    static IEnumerable<string> Told(IEnumerable<Look> looks) =>
        Changes(looks).Distinct().Select(x => $"{x.Type} {x.Head}");

    static List<MergeStateChange> Changes(IEnumerable<Look> looks)
    {
        var (history, at, head, told) = (new MergeStateHistory(), Start, 0, new List<MergeStateChange>());
        foreach (var look in looks)
        {
            (at, head) = (at.AddSeconds(look.After), head + look.Head);

            // Seen by a webhook and a poll at once.
            for (var times = look.Twice ? 2 : 1; times > 0; times--)
                history = history.Observe(look.State, $"{head}", at);
            if (history.HasSettled(Settle, at))
                history = history.Count();
            if (history.ToTell is { } change)
            {
                told.Add(change);

                // A process that is killed before it has kept that it told.
                if (look.Restart)
                    history = MergeStateHistory.FromJson(history.ToJson());
                else
                    history = history with { ToTell = null };
            }
        }

        return told;
    }

    // The same from the whole at once: of each commit, without what nobody knew, the stretches of one state that are
    // long enough; then what is different from the one before.
    static IEnumerable<string> Expected(IReadOnlyList<Look> looks)
    {
        var (at, head) = (Start, 0);
        List<(int Head, MergeState State, DateTimeOffset At)> known = [];
        foreach (var look in looks)
        {
            (at, head) = (at.AddSeconds(look.After), head + look.Head);
            if (look.State is not MergeState.Unknown)
                known.Add((head, look.State, at));
        }

        List<(int Head, MergeState State)> stood = [];
        for (var first = 0; first < known.Count; )
        {
            var last = first;
            while (
                last + 1 < known.Count
                && known[last + 1].Head == known[first].Head
                && known[last + 1].State == known[first].State
            )
                last++;
            if (known[last].At - known[first].At >= Settle)
                stood.Add((known[first].Head, known[first].State));
            first = last + 1;
        }

        for (var one = 1; one < stood.Count; one++)
        {
            var ((headBefore, before), (headNow, now)) = (stood[one - 1], stood[one]);
            var hindered = before is MergeState.Conflicted or MergeState.Behind or MergeState.Blocked;
            switch (now)
            {
                case MergeState.Conflicted or MergeState.Ready when now != before || headNow != headBefore:
                    yield return $"{(now is MergeState.Ready ? "ready" : "conflicted")} {headNow}";
                    break;
                case MergeState.Behind or MergeState.Blocked when now != before:
                    yield return $"{(now is MergeState.Behind ? "behind" : "blocked")} {headNow}";
                    break;
                case MergeState.Mergeable when hindered:
                    yield return $"unblocked {headNow}";
                    break;
            }
        }
    }

    [Fact]
    public void What_github_does_not_know_is_asked_again_later_and_later_and_not_for_ever()
    {
        var (history, at, waits) = (new MergeStateHistory(), Start, new List<double>());
        do
        {
            history = history.Observe(MergeState.Unknown, "head", at);
            if (history.AskAt is { } next)
                waits.Add((next - at).TotalSeconds);
            at = history.AskAt ?? at;
        } while (history.AskAt is not null);

        Assert.Equal([5, 10, 20, 40, 80, 160], waits);
        Assert.Null(history.Observe(MergeState.Unknown, "head", at).AskAt);
        Assert.NotNull(history.Observe(MergeState.Unknown, "another", at).AskAt);
    }

    [Fact]
    public void A_state_that_is_unknown_at_its_time_waits_until_it_is_known_again()
    {
        var history = new MergeStateHistory()
            .Begin(baseline: false)
            .Observe(MergeState.Conflicted, "head", Start)
            .Observe(MergeState.Unknown, "head", Start.AddSeconds(25));

        Assert.False(history.HasSettled(Settle, Start.AddHours(1)));
        Assert.True(
            history
                .Observe(MergeState.Conflicted, "head", Start.AddSeconds(31))
                .HasSettled(Settle, Start.AddSeconds(31))
        );
    }

    [Theory]
    [InlineData("null", "unknown", MergeState.Unknown)]
    [InlineData("null", "dirty", MergeState.Unknown)]
    [InlineData("true", "unknown", MergeState.Unknown)]
    [InlineData("true", "dirty", MergeState.Unknown)]
    [InlineData("true", "something new", MergeState.Unknown)]
    [InlineData("false", "unknown", MergeState.Unknown)]
    [InlineData("false", "dirty", MergeState.Conflicted)]
    [InlineData("true", "behind", MergeState.Behind)]
    [InlineData("true", "blocked", MergeState.Blocked)]
    [InlineData("true", "unstable", MergeState.Mergeable)]
    [InlineData("true", "draft", MergeState.Mergeable)]
    [InlineData("true", "clean", MergeState.Ready)]
    [InlineData("true", "has_hooks", MergeState.Ready)]
    internal void Only_what_github_is_sure_of_is_believed(string mergeable, string state, MergeState expected) =>
        Assert.Equal(
            expected,
            MergeStates.Of(JsonElement.Parse($$"""{"mergeable":{{mergeable}},"mergeable_state":"{{state}}"}"""))
        );
}
