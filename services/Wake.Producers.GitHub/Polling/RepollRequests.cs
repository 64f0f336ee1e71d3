using System.Threading.Channels;
using Wake.Producing;

namespace Wake.Producers.GitHub;

/// <summary>Subjects that are known to have changed, to be polled now instead of at the next interval.</summary>
sealed class RepollRequests
{
    // A lost request costs at most a minute: the next poll sees the same.
    readonly Channel<string> requests = Channel.CreateBounded<string>(
        new BoundedChannelOptions(1000) { FullMode = BoundedChannelFullMode.DropOldest }
    );

    public void Request(string subject) => requests.Writer.TryWrite(subject);

    public void Request(EventMapping delivery)
    {
        if (delivery.RepollSubject is { } moved)
            Request(moved);
        foreach (
            var observed in delivery.Events.Where(x =>
                // What is merged into a branch may conflict with it once it has moved.
                x.Type
                    is "github.push"
                || x.Type.StartsWith("github.pull_request.", StringComparison.Ordinal)
            )
        )
            Request(observed.Subject);
    }

    /// <summary>Those since the last call, each once.</summary>
    public IReadOnlyCollection<string> Drain()
    {
        HashSet<string> heard = [];
        while (requests.Reader.TryRead(out var subject))
            heard.Add(subject);
        return heard;
    }
}
