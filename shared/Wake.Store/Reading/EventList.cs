using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Wake.Store;

/// <summary>Lists events, the newest first.</summary>
public sealed class EventList(NpgsqlDataSource database)
{
    const string Order = "events";

    // What one intake commits late is not passed over: numbers are given in the order of acceptance, or nearly so.
    static readonly TimeSpan Late = TimeSpan.FromMinutes(2);

    /// <summary>How many events are looked through for a page, where few may match.</summary>
    public const int Window = 5_000;

    /// <summary>A page of those that match. Where few may match, it looks through <see cref="Window"/> alone, and may
    /// have fewer than its limit, or none, and a next page.</summary>
    /// <param name="query">Which.</param>
    /// <param name="limit">How many at most.</param>
    /// <param name="cursor">The cursor of the page before; null for the first.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="PageCursorException">The cursor is none of this list.</exception>
    public async Task<Page<EventSummary>> Read(EventQuery query, int limit, string? cursor, CancellationToken cancel)
    {
        await using var db = database.OpenReader();
        var events = Filter(db, query);
        var before = PageCursor<long>.Parse(cursor, Order)?.Value;
        if (before is { } last)
            events = events.Where(x => x.Seq < last);
        var end = IsSparse(query) ? await FindEnd(db, query, before, cancel) : null;
        if (end is { } oldest)
            events = events.Where(x => x.Seq >= oldest);

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
            rows.Count > limit ? Cursor(rows[limit - 1].Seq)
                : end is { } next ? Cursor(next)
                : null
        );

        static string Cursor(long seq) => $"{new PageCursor<long>(Order, seq, Guid.Empty)}";
    }

    // Without an index for it, what is looked for may be far away, or nowhere.
    static bool IsSparse(EventQuery query) =>
        query is { Session: null }
        && (
            (query.Type ?? query.Source ?? query.Text) is not null
            || query.Outcome is not null
            || query.Subject?.Contains('*') is true
        );

    // Where this page ends at the latest; null when there is nothing before that.
    static async Task<long?> FindEnd(StoreContext db, EventQuery query, long? before, CancellationToken cancel)
    {
        var events = db.Events.AsQueryable();
        if (query.Since?.ToUniversalTime() is { } since)
            events = events.Where(x => x.Seq >= StoreContext.EventsBefore(since));
        if (before is { } last)
            events = events.Where(x => x.Seq < last);
        else if (query.Until?.ToUniversalTime() is { } until)
        {
            var late = until + Late;
            events = events.Where(x => x.Seq < StoreContext.EventsBefore(late));
        }

        if (await events.MaxAsync(x => (long?)x.Seq, cancel) is not { } newest)
            return null;

        // Whether there is one before would be asked of the whole table; the first of them the index knows.
        var end = newest + 1 - Window;
        return await events.MinAsync(x => (long?)x.Seq, cancel) < end ? end : null;
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

        events = query.Outcome switch
        {
            null => events,
            EventOutcome.Routed => events.Where(x => x.Inbox.Any()),
            EventOutcome.Unwatched => events.Where(x => !x.Inbox.Any()),
            EventOutcome.Woke => events.Where(x =>
                x.Inbox.Any(i =>
                    i.Wakes
                    && i.WakeNumber != null
                    && !db.Inbox.Any(j =>
                        j.SessionId == i.SessionId && j.WakeNumber == i.WakeNumber && j.Wakes && j.Event < i.Event
                    )
                )
            ),
            EventOutcome.Coalesced => events.Where(x =>
                x.Inbox.Any(i =>
                    i.WakeNumber != null
                    && db.Inbox.Any(j =>
                        j.SessionId == i.SessionId
                        && j.WakeNumber == i.WakeNumber
                        && j.Wakes
                        && (j.Event < i.Event || !i.Wakes)
                    )
                )
            ),
            EventOutcome.Duplicate => events.Where(x => db.Duplicates.Any(y => y.Event == x.Seq)),
            EventOutcome.Stale => events.Where(x =>
                x.Inbox.Any(i =>
                    i.Turn!.Outcome == "stale"
                    || x.ExpiresAt <= x.AcceptedAt
                    || i.Turn!.StartedAt > x.ExpiresAt
                    || (i.WakeNumber == null && x.ExpiresAt <= DateTimeOffset.UtcNow)
                )
            ),
            var unknown => throw new InvalidOperationException($"Unknown {unknown}."),
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
