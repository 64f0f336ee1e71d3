using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Wake.Store;

/// <summary>Lists events, the newest first.</summary>
public sealed class EventList(NpgsqlDataSource database)
{
    const string Order = "events";

    // What one intake commits late is not passed over: numbers are given in the order of acceptance, or nearly so.
    static readonly TimeSpan Late = TimeSpan.FromMinutes(2);

    /// <summary>A page of those that match.</summary>
    /// <param name="query">Which.</param>
    /// <param name="limit">How many at most.</param>
    /// <param name="cursor">The cursor of the page before; null for the first.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="PageCursorException">The cursor is none of this list.</exception>
    public async Task<Page<EventSummary>> Read(EventQuery query, int limit, string? cursor, CancellationToken cancel)
    {
        await using var db = database.OpenReader();
        var events = Filter(db, query);
        if (PageCursor<long>.Parse(cursor, Order) is { Value: var before })
            events = events.Where(x => x.Seq < before);

        // One more says whether there are more.
        var rows = await events
            .OrderByDescending(x => x.Seq)
            .Take(limit + 1)
            .Select(x => new
            {
                x.Seq,
                Summary = new EventSummary(
                    x.Id,
                    x.Source,
                    x.Type,
                    x.Subject,
                    x.Reason,
                    x.Wakes,
                    x.Urgent,
                    x.Actor,
                    x.HappenedAt,
                    x.AcceptedAt,
                    x.ReplayOf,
                    x.Inbox.Count()
                ),
            })
            .ToListAsync(cancel);
        return new(
            [.. rows.Take(limit).Select(x => x.Summary)],
            rows.Count > limit ? $"{new PageCursor<long>(Order, rows[limit - 1].Seq, Guid.Empty)}" : null
        );
    }

    static IQueryable<EventRow> Filter(StoreContext db, EventQuery query)
    {
        var events = query.Subject is { } exact && !exact.Contains('*') ? OfSubject(db, exact) : db.Events;
        if (query.Subject is { } subject && subject.Contains('*'))
        {
            var pattern = Sql.LikePattern(subject);
            events = events.Where(x => EF.Functions.Like(x.Subject, pattern, "\\"));
        }

        if (query.Type is { } type)
        {
            var pattern = Sql.LikePattern(type);
            events = events.Where(x => EF.Functions.Like(x.Type, pattern, "\\"));
        }

        if (query.Source is { } source)
        {
            var pattern = Sql.LikePattern(source);
            events = events.Where(x => EF.Functions.Like(x.Source, pattern, "\\"));
        }

        if (query.Text is { } text)
        {
            var anywhere = Sql.Containing(text);
            events = events.Where(x =>
                EF.Functions.ILike(x.Reason, anywhere, "\\")
                || EF.Functions.ILike(x.Subject, anywhere, "\\")
                || EF.Functions.ILike(x.Id, anywhere, "\\")
            );
        }

        events = query.Routed switch
        {
            true => events.Where(x => x.Inbox.Any()),
            false => events.Where(x => !x.Inbox.Any()),
            null => events,
        };

        if (query.Session is { } session)
            events = events.Where(x => x.Inbox.Any(i => i.Session.Key == session));
        // The numbers bound what is read, the moments decide.
        if (query.Since?.ToUniversalTime() is { } since)
            events = events.Where(x => x.AcceptedAt >= since && x.Seq >= StoreContext.EventsBefore(since));
        if (query.Until?.ToUniversalTime() is { } until)
        {
            var late = until + Late;
            events = events.Where(x => x.AcceptedAt < until && x.Seq < StoreContext.EventsBefore(late));
        }

        return events;
    }

    // The index of subjects is begun anew every 32,768 events; LINQ has no word for that.
    static IQueryable<EventRow> OfSubject(StoreContext db, string subject) =>
        db.Events.FromSql(
            $"""
            select * from events
            where seq >> 15 = any (array(select generate_series((select min(seq) from events) >> 15, (select max(seq) from events) >> 15)))
              and subject = {subject}
            """
        );
}
