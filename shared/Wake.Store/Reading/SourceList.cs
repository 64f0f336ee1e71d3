using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Wake.Store;

/// <summary>Lists who observes events.</summary>
public sealed class SourceList(NpgsqlDataSource database)
{
    /// <summary>How far it looks back.</summary>
    public static readonly TimeSpan Period = TimeSpan.FromHours(1);

    // A flood is not counted to its end.
    const int MaxEvents = 20_000;

    /// <summary>The sources of the last hour's events, the busiest first.</summary>
    public async Task<IReadOnlyList<EventSource>> Read(DateTimeOffset now, CancellationToken cancel)
    {
        var since = now.ToUniversalTime() - Period;
        await using var db = database.OpenReader();
        var sources = await db
            .Events.Where(x => x.Seq >= StoreContext.EventsBefore(since))
            .OrderByDescending(x => x.Seq)
            .Take(MaxEvents)
            .Where(x => x.AcceptedAt >= since)
            .GroupBy(x => x.Source)
            .Select(x => new
            {
                Source = x.Key,
                Events = x.Count(),
                Last = x.Max(y => y.Seq),
            })
            .ToListAsync(cancel);
        var numbers = sources.Select(x => x.Last).ToArray();
        var last = await db.Events.Where(x => numbers.Contains(x.Seq)).ToDictionaryAsync(x => x.Seq, cancel);
        return
        [
            .. from source in sources
            where last.ContainsKey(source.Last)
            let newest = last[source.Last]
            orderby source.Events descending, source.Source
            select new EventSource(source.Source, source.Events, newest.Id, newest.Type, newest.AcceptedAt),
        ];
    }
}

/// <summary>Who observes events.</summary>
/// <param name="Source">The source, as its events name it.</param>
/// <param name="Events">How many were accepted within the last hour.</param>
/// <param name="LastEvent">The id of the last.</param>
/// <param name="LastType">Its type.</param>
/// <param name="LastAt">When it was accepted.</param>
public sealed record EventSource(string Source, int Events, string LastEvent, string LastType, DateTimeOffset LastAt);
