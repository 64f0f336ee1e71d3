using Npgsql;

namespace Wake.Store;

/// <summary>How often routes and watches have matched lately.</summary>
public sealed class MatchCounts(NpgsqlDataSource database)
{
    /// <summary>Among so many events, the newest, they are counted: those lie together, and an index for the rest would
    /// cost every event that comes in.</summary>
    public const int Newest = 20_000;

    // Where each is for very many sessions.
    const int MaxEntries = 5 * Newest;

    // More than any page shows.
    const int MaxGroups = 10_000;

    /// <summary>Those that have matched, by the id of the watch or the name of the route.</summary>
    public async Task<IReadOnlyList<MatchCount>> List(CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            with newest as materialized (
                select watch_id, route_id, routed_at from inbox
                where event > (select max(seq) from events) - $1
                order by event desc
                limit $3
            )
            select watch_id, null as route, count(*)::int, max(routed_at) from newest
            where watch_id is not null group by watch_id
            union all
            select null, r.name, count(*)::int, max(n.routed_at) from newest n join routes r on r.id = n.route_id
            group by r.name
            limit $2
            """
        );
        command.Parameters.AddWithValue((long)Newest);
        command.Parameters.AddWithValue(MaxGroups);
        command.Parameters.AddWithValue(MaxEntries);
        return await command.ReadAll(
            row => new MatchCount(
                row.GetNullable<Guid>(0),
                row.GetText(1),
                row.GetInt32(2),
                row.GetFieldValue<DateTimeOffset>(3)
            ),
            cancel
        );
    }
}

/// <summary>How often one of them has matched.</summary>
/// <param name="Watch">The watch; null of a route.</param>
/// <param name="Route">The name of the route; null of a watch.</param>
/// <param name="Count">How many of the newest events.</param>
/// <param name="LastAt">When the last of them was routed.</param>
public sealed record MatchCount(Guid? Watch, string? Route, int Count, DateTimeOffset LastAt);
