using Wake.Contracts.Http;
using Wake.WebConsole;

namespace Wake.Tests.Browsing;

/// <summary>What changes is told to browsers, and a storm of it makes none of them look more often.</summary>
public sealed class TellingBrowsers
{
    readonly Clock clock = new();
    readonly CircuitMarks marks;
    readonly List<LiveMarks> told = [];

    public TellingBrowsers()
    {
        marks = new(feed: null!, clock);
        marks.Changed += told.Add;
    }

    [Fact]
    public void The_first_change_is_told_at_once_and_a_storm_every_two_seconds()
    {
        Happens("e0", "s0");
        Assert.True(Assert.Single(told).Session("s0"));

        for (var i = 1; i <= 100; i++)
        {
            Happens($"e{i}", $"s{i}");
            clock.Advance(TimeSpan.FromMilliseconds(100));
        }

        Assert.InRange(told.Count, 5, 6);
        clock.Advance(CircuitMarks.Interval);
        Assert.All(
            Enumerable.Range(1, 100),
            x => Assert.Contains(told, one => one.Session($"s{x}") && one.Event($"e{x}"))
        );
        Assert.DoesNotContain(told, x => x.All);
    }

    [Fact]
    public void A_hidden_tab_is_told_all_at_once_when_it_is_seen()
    {
        marks.SetVisible(false);
        Happens("e1", "s1");
        clock.Advance(CircuitMarks.Interval * 2);
        Happens("e2", "s2");
        Assert.Empty(told);

        marks.SetVisible(true);

        var all = Assert.Single(told);
        Assert.True(all.Session("s1") && all.Session("s2"));
        Assert.False(all.Session("s3") || all.Event("e3"));
    }

    [Fact]
    public void More_names_than_a_page_has_count_as_everything()
    {
        marks.SetVisible(false);
        for (var i = 0; i < 600; i++)
            Happens($"e{i}", null);
        marks.SetVisible(true);

        Assert.True(Assert.Single(told).Session("of another page"));
    }

    void Happens(string id, string? session)
    {
        var change = new LiveMarks();
        change.Add(new LedgerLine(clock.GetUtcNow(), "routed", id, session, null, null));
        marks.Tell(change);
    }

    sealed class Clock : TimeProvider
    {
        readonly List<Alarm> alarms = [];
        TimeSpan since;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => since.Ticks;

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch + since;

        public void Advance(TimeSpan by)
        {
            since += by;
            foreach (var alarm in alarms.Where(x => x.At <= since))
                alarm.Ring();
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var alarm = new Alarm(this, () => callback(state));
            alarm.Change(dueTime, period);
            alarms.Add(alarm);
            return alarm;
        }

        sealed class Alarm(Clock clock, Action callback) : ITimer
        {
            public TimeSpan At { get; private set; } = TimeSpan.MaxValue;

            public void Ring()
            {
                At = TimeSpan.MaxValue;
                callback();
            }

            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                At = dueTime == Timeout.InfiniteTimeSpan ? TimeSpan.MaxValue : clock.since + dueTime;
                return true;
            }

            public void Dispose() => At = TimeSpan.MaxValue;

            public ValueTask DisposeAsync() => default;
        }
    }
}
