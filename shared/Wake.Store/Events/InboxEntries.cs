using System.Linq.Expressions;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Wake.Store;

/// <summary>To whom events went, and the turns they were handed over in.</summary>
public sealed class InboxEntries(NpgsqlDataSource database)
{
    // More than a batch has, unless each of its events goes to many.
    const int Limit = 10_000;

    /// <summary>
    /// Where events went, by their rows. Over is what needs no more waiting for: a turn that ended or stands still, an
    /// event that starts none or came too late, a session that takes none.
    /// </summary>
    public async Task<IReadOnlyList<(long Event, InboxEntry Entry, bool Over)>> FindByEvents(
        IEnumerable<long> events,
        CancellationToken cancel
    )
    {
        var rows = events.ToArray();
        await using var db = database.OpenReader();
        var first = db
            .Inbox.Where(x => rows.Contains(x.Event))
            .OrderBy(x => x.Event)
            .ThenBy(x => x.Session.Key)
            .Take(Limit);
        var entries = await InboxEntryView.Select(db, first).ToListAsync(cancel);
        return entries.ConvertAll(x => (x.Event, x.ToEntry(), x.Over));
    }
}

/// <summary>What a query asks of an event in an inbox.</summary>
sealed record InboxEntryView(
    long Event,
    bool Over,
    string Session,
    Guid? WatchId,
    string? Route,
    string? Intent,
    DateTimeOffset RoutedAt,
    int? WakeNumber,
    FactCheckView? Fact,
    TurnView? Turn
)
{
    static readonly Expression<Func<StoreContext, InboxRow, InboxEntryView>> Of = (db, i) =>
        new InboxEntryView(
            i.Event,
            !i.Wakes
                || i.Session.ClosedAt != null
                || (
                    i.Turn == null
                        ? i.Observed.ExpiresAt != null && i.Observed.ExpiresAt <= DateTimeOffset.UtcNow
                        : i.Turn.EndedAt != null || i.Turn.Parked
                ),
            i.Session.Key,
            i.WatchId,
            i.Route!.Name,
            i.Intent,
            i.RoutedAt,
            i.WakeNumber,
            db.FactChecks.Where(x =>
                    x.Event == i.Event && x.SessionId == i.SessionId && x.WakeNumber == i.WakeNumber && x.Answer != null
                )
                .Select(x => new FactCheckView(x.Answer!, x.Reason, x.AnsweredAt!.Value))
                .FirstOrDefault(),
            i.Turn == null ? null : QueryParts.Apply(TurnView.Of, db, i.Turn)
        );

    public static IQueryable<InboxEntryView> Select(StoreContext db, IQueryable<InboxRow> entries) =>
        entries.Select(QueryParts.Expand<Func<InboxRow, InboxEntryView>>(i => QueryParts.Apply(Of, db, i)));

    public InboxEntry ToEntry() =>
        new(Session, WatchId, Route, Intent, RoutedAt, WakeNumber, Turn?.ToTurn())
        {
            Fact = Fact is null
                ? null
                : new(Enum.Parse<FactAnswer>(Fact.Answer, ignoreCase: true), Fact.Reason, Fact.At),
        };
}

/// <summary>The columns of a fact check that a query reads.</summary>
sealed record FactCheckView(string Answer, string? Reason, DateTimeOffset At);
