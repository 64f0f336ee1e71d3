using Wake.Contracts;
using Wake.Producing;
using Wake.Store;

namespace Wake.Producers.GitHub;

/// <summary>
/// Passes over the comments with which Wake reports, whichever way they are seen: a session that heard of its own
/// result would answer it. Of what only looks like one, because somebody else has copied it, everybody is told.
/// </summary>
sealed class OwnComments(Reports reports)
{
    public async Task<EventMapping> Drop(EventMapping mapped, CancellationToken cancel)
    {
        List<ExternalEventObserved> others = [];
        foreach (var observed in mapped.Events)
        {
            if (!await IsOwn(observed, cancel))
                others.Add(observed);
        }

        return others.Count == mapped.Events.Count ? mapped
            : others is [] ? EventMapping.Ignore("a comment with which Wake reports a result")
            : mapped with { Events = others };
    }

    async Task<bool> IsOwn(ExternalEventObserved observed, CancellationToken cancel) =>
        observed.Type.EndsWith(".comment_created", StringComparison.Ordinal)
        && observed.Data is { } data
        && ReportText.FindId(data.Text("body")) is { } id
        && data.Text("author") is { } author
        && data.Number("commentId") is { } comment
        && await reports.IsOwnComment(id, observed.Subject, author, comment, observed.Source, cancel);
}
