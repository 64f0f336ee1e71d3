using Npgsql;

namespace Wake.Store;

/// <summary>To whom events went, and the turns they were handed over in.</summary>
public sealed class InboxEntries(NpgsqlDataSource database)
{
    internal const string Columns =
        $"s.key, i.watch_id, i.intent, i.routed_at, i.wake_number, r.name, {Sessions.TurnColumns}";

    internal const string From = """
        from inbox i
        left join routes r on r.id = i.route_id
        join sessions s on s.id = i.session_id
        left join turns t on t.session_id = i.session_id and t.wake_number = i.wake_number
        """;

    // More than a batch has, unless each of its events goes to many.
    const int Limit = 10_000;

    /// <summary>
    /// Where events went, by their rows. Over is what needs no more waiting for: a turn that ended or stands still, an
    /// event that starts none or came too late, a session that takes none.
    /// </summary>
    public async Task<IReadOnlyList<(long Event, InboxEntry Delivery, bool Over)>> FindByEvents(
        IEnumerable<long> events,
        CancellationToken cancel
    )
    {
        await using var command = database.CreateCommand(
            $"""
            select e.seq,
                   not i.wakes or s.closed_at is not null or coalesce(t.ended_at is not null or t.parked, e.expires_at <= now(), false),
                   {Columns}
            {From}
            join events e on e.seq = i.event
            where e.seq = any ($1)
            order by e.seq, s.key
            limit {Limit}
            """
        );
        command.Parameters.AddWithValue(events.ToArray());
        await using var rows = await command.ExecuteReaderAsync(cancel);

        List<(long, InboxEntry, bool)> deliveries = [];
        while (await rows.ReadAsync(cancel))
            deliveries.Add((rows.GetInt64(0), Read(rows, 2), rows.GetBoolean(1)));
        return deliveries;
    }

    internal static InboxEntry Read(NpgsqlDataReader row, int first)
    {
        var wake = row.GetNullable<int>(first + 4);
        return new(
            row.GetString(first),
            row.GetNullable<Guid>(first + 1),
            row.GetText(first + 5),
            row.GetText(first + 2),
            row.GetFieldValue<DateTimeOffset>(first + 3),
            wake,
            wake is null ? null : Sessions.ReadTurn(row, first + 6)
        );
    }
}
