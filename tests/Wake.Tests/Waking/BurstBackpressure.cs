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

        signal.NoteBurst();
        Assert.True(signal.IsBurst);

        clock.Pass(TimeSpan.FromMilliseconds(90));
        Assert.True(signal.IsBurst);
        clock.Pass(TimeSpan.FromMilliseconds(20));
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
