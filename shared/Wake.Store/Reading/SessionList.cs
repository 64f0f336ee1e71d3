using Microsoft.EntityFrameworkCore;

namespace Wake.Store;

/// <summary>Finds sessions and puts them in order.</summary>
static class SessionList
{
    // Before anything that a store can hold.
    static readonly DateTimeOffset NoTurn = DateTimeOffset.UnixEpoch;

    public static Task<Page<Session>> Read(
        StoreContext db,
        SessionQuery query,
        int limit,
        string? cursor,
        CancellationToken cancel
    )
    {
        var (found, closed) = (Filter(db, query), IsOfClosed(query));
        // An index of the totals leads to the page, as long as all that it is ordered by is theirs.
        var inTotals = found.Where(x => x.Totals.Closed == closed);
        return query.Order.By switch
        {
            SessionSort.Key => InOrder(
                found.Select(x => new Sorted<string>
                {
                    Session = x,
                    Value = x.Key,
                    Id = x.Id,
                }),
                x => x.Key
            ),
            SessionSort.Created => InOrder(
                found.Select(x => new Sorted<DateTimeOffset>
                {
                    Session = x,
                    Value = x.CreatedAt,
                    Id = x.Id,
                }),
                x => x.Created
            ),
            SessionSort.LastTurn => InOrder(
                inTotals.Select(x => new Sorted<DateTimeOffset>
                {
                    Session = x,
                    Value = x.Totals.LastTurnAt,
                    Id = x.Totals.SessionId,
                }),
                x => x.LastTurn is { } turn ? turn.EndedAt ?? turn.StartedAt ?? turn.DispatchedAt : NoTurn
            ),
            SessionSort.Cost => InOrder(
                inTotals.Select(x => new Sorted<decimal>
                {
                    Session = x,
                    Value = x.Totals.CostUsd,
                    Id = x.Totals.SessionId,
                }),
                x => x.CostUsd
            ),
            SessionSort.Inbox => InOrder(
                found.Select(x => new Sorted<int>
                {
                    Session = x,
                    Value = x.Inbox.Count(y => y.WakeNumber == null),
                    Id = x.Id,
                }),
                x => x.Inbox
            ),
            var unknown => throw new InvalidOperationException($"Unknown {unknown}."),
        };

        async Task<Page<Session>> InOrder<T>(IQueryable<Sorted<T>> sorted, Func<Session, T> by)
        {
            var order = $"{query.Order}";
            if (PageCursor<T>.Parse(cursor, order) is { Value: var value, Id: var id })
            {
                sorted = query.Order.Descending
                    ? sorted.Where(x =>
                        EF.Functions.LessThan(ValueTuple.Create(x.Value, x.Id), ValueTuple.Create(value, id))
                    )
                    : sorted.Where(x =>
                        EF.Functions.GreaterThan(ValueTuple.Create(x.Value, x.Id), ValueTuple.Create(value, id))
                    );
            }

            sorted = query.Order.Descending
                ? sorted.OrderByDescending(x => x.Value).ThenByDescending(x => x.Id)
                : sorted.OrderBy(x => x.Value).ThenBy(x => x.Id);

            // One more says whether there are more.
            var rows = sorted.Select(x => x.Session).Take(limit + 1);
            var views = await SessionView.Select(db, rows).ToListAsync(cancel);
            var page = views.Take(limit).Select(x => x.ToSession()).ToList();
            return new(page, views.Count > limit ? $"{new PageCursor<T>(order, by(page[^1]), page[^1].Id)}" : null);
        }
    }

    /// <summary>The keys of those that match, in their order, and nothing else of them.</summary>
    public static Task<List<string>> ReadKeys(
        StoreContext db,
        SessionQuery query,
        int limit,
        CancellationToken cancel
    ) => Filter(db, query).Select(x => x.Key).OrderBy(x => x).Take(limit).ToListAsync(cancel);

    static bool IsOfClosed(SessionQuery query) => query.Closed || query.State is SessionState.Closed;

    static IQueryable<SessionRow> Filter(StoreContext db, SessionQuery query)
    {
        var turnOf = QueryParts.Expand<Func<TurnRow, TurnView>>(x => QueryParts.Apply(TurnView.Of, db, x));
        var found = IsOfClosed(query)
            ? db.Sessions.Where(x => x.ClosedAt != null)
            : db.Sessions.Where(x => x.ClosedAt == null);

        found = query.State switch
        {
            null or SessionState.Closed => found,
            // Only an open turn is not over, and a session has one at most.
            SessionState.Idle => found.Where(x => !x.Turns.Any(t => t.EndedAt == null)),
            SessionState.Dispatched => WithTurn(TurnState.Dispatched),
            SessionState.Waiting => WithTurn(TurnState.Waiting),
            SessionState.Running => WithTurn(TurnState.Running),
            SessionState.Parked => WithTurn(TurnState.Parked).Where(x => !x.Questions.Any(q => q.Outcome == null)),
            SessionState.WaitingForAnswer => WithTurn(TurnState.Parked)
                .Where(x => x.Questions.Any(q => q.Outcome == null)),
            var unknown => throw new InvalidOperationException($"Unknown {unknown}."),
        };

        if (query.Keys is { } keys)
            found = found.Where(x => keys.Contains(x.Key));
        if (query.AfterKey is { } after)
            found = found.Where(x => string.Compare(x.Key, after) > 0);
        if (query.Profile is { } profile)
            found = found.Where(x => x.Profile == profile);
        if (query.Workspace is { } workspace)
        {
            var folder = Path.TrimEndingDirectorySeparator(workspace);
            var above = folder.EndsWith('/') ? folder : $"{folder}/";
            found = found.Where(x => x.Workspace == folder || x.Workspace.StartsWith(above));
        }

        if (query.Subject is { } subject)
        {
            found = found.Where(x =>
                x.Watches.Any(w =>
                    (w.Subject == subject || EF.Functions.Like(subject, w.Pattern!, "\\"))
                    && (w.ExpiresAt == null || w.ExpiresAt > DateTimeOffset.UtcNow)
                )
            );
        }

        if (query.Text is { } text)
        {
            var anywhere = Sql.Containing(text);
            found = found.Where(x =>
                EF.Functions.ILike(x.Key, anywhere, "\\")
                || EF.Functions.ILike(x.Workspace, anywhere, "\\")
                || x.Watches.Any(w =>
                    EF.Functions.ILike(w.Subject, anywhere, "\\") || EF.Functions.ILike(w.Intent!, anywhere, "\\")
                )
            );
        }

        return found;

        IQueryable<SessionRow> WithTurn(TurnState state) =>
            found.Where(x =>
                x.Turns.AsQueryable().Where(t => t.EndedAt == null).Select(turnOf).Any(t => t.State == state)
            );
    }

    sealed class Sorted<T>
    {
        public required SessionRow Session { get; init; }

        public required T Value { get; init; }

        public required Guid Id { get; init; }
    }
}
