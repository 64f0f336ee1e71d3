using System.Threading.Channels;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>What a webhook says has moved, for the poller to look at now instead of at its next look.</summary>
sealed class Doorbell
{
    // A ring that is lost costs a minute: the next look sees the same.
    readonly Channel<string> rings = Channel.CreateBounded<string>(
        new BoundedChannelOptions(1000) { FullMode = BoundedChannelFullMode.DropOldest }
    );

    public void Ring(Mapped delivery)
    {
        if (delivery.Ring is { } commit)
            rings.Writer.TryWrite(commit);
        foreach (
            var observed in delivery.Events.Where(x =>
                x.Type.StartsWith("github.pull_request.", StringComparison.Ordinal)
            )
        )
            rings.Writer.TryWrite(observed.Subject);
    }

    /// <summary>Those since the last call, each once.</summary>
    public IReadOnlyCollection<string> Heard()
    {
        HashSet<string> heard = [];
        while (rings.Reader.TryRead(out var subject))
            heard.Add(subject);
        return heard;
    }
}
