using Wake.Coordinator;

namespace Wake.Tests.Waking;

/// <summary>While events pour in, wakes wait a moment; at any other time they do not.</summary>
public sealed class BurstBackpressure
{
    readonly Clock clock = new();

    [Fact]
    public void A_burst_is_over_a_moment_after_its_last_events()
    {
        using var signal = new SweepSignal(clock);
        Assert.False(signal.IsBurst);

        signal.BeginBurst();
        signal.EndBurst();
        Assert.True(signal.IsBurst);

        clock.Pass(TimeSpan.FromMilliseconds(90));
        Assert.True(signal.IsBurst);
        clock.Pass(TimeSpan.FromMilliseconds(20));
        Assert.False(signal.IsBurst);
    }

    // A slow database would end it in the middle, and what is then begun makes it slower still.
    [Fact]
    public void A_burst_lasts_as_long_as_it_takes_to_take_it_in()
    {
        using var signal = new SweepSignal(clock);

        signal.BeginBurst();
        clock.Pass(TimeSpan.FromSeconds(3));
        Assert.True(signal.IsBurst);

        signal.EndBurst();
        Assert.True(signal.IsBurst);
        clock.Pass(TimeSpan.FromMilliseconds(110));
        Assert.False(signal.IsBurst);
    }

    sealed class Clock : TimeProvider
    {
        // As on a machine that has just been started.
        long now = 1;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => now;

        public void Pass(TimeSpan time) => now += time.Ticks;
    }
}
