using Npgsql;

namespace Wake.Store;

/// <summary>
/// What lies in the broker's error queues, as the coordinator last saw it, and what people want done with it. The
/// messages themselves stay with the broker.
/// </summary>
public sealed class DeadLetters(NpgsqlDataSource database)
{
    /// <summary>The most messages of a queue that are shown; the others come up as these go.</summary>
    public const int MaxPerQueue = 1000;

    // "dead" in ASCII: one coordinator at a time.
    const int Lock = 0x64656164;

    // For a queue of a thousand at a slow broker.
    const string Patience = "10min";

    /// <summary>Those that are there, the latest first.</summary>
    public async Task<IReadOnlyList<DeadLetterRow>> List(int limit, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select id, queue, reason, body, seen_at, wanted, trust from dead_letters
            order by seen_at desc, id limit $1
            """
        );
        command.Parameters.AddWithValue(limit);
        return await command.ReadAll(Read, cancel);
    }

    /// <summary>Notes what somebody wants done, which the coordinator then does.</summary>
    /// <param name="ids">With which messages; null for all of them.</param>
    /// <param name="wish">What.</param>
    /// <param name="trust">Of those that are sent again: whether Wake answers for what they say.</param>
    /// <param name="by">Who wants it.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <returns>With how many.</returns>
    public async Task<int> Request(
        IReadOnlyList<string>? ids,
        DeadLetterWish wish,
        bool trust,
        string by,
        CancellationToken cancel
    )
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            with wished as (
                update dead_letters set wanted = $2, trust = $3 where $1::text[] is null or id = any ($1)
                returning queue, reason
            ), noted as (
                insert into operator_actions (kind, note, done_by)
                select case $2 when 'drop' then 'dropped' else 'redriven' end,
                       case count(*) when 1 then concat('a message in ', min(queue), ': ', min(reason))
                           else concat(count(*), ' messages in ', string_agg(distinct queue, ', ')) end, $4
                from wished
                having count(*) > 0
            )
            select count(*)::int from wished
            """,
            ids?.ToArray(),
            wish.ToCamelCase(),
            trust,
            by
        );
        return (int)(await batch.ExecuteScalarAsync(cancel))!;
    }

    /// <summary>The queues in which somebody wants something done.</summary>
    public async Task<IReadOnlyList<string>> ListWished(CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            "select distinct queue from dead_letters where wanted is not null"
        );
        return await command.ReadAll(row => row.GetString(0), cancel);
    }

    /// <summary>Writes down what a queue holds.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="goThrough">Does with each message what is wanted, by its id, and returns what then lies
    /// there.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <returns>Whether it was done; no when another coordinator is at it.</returns>
    public async Task<bool> Update(
        string queue,
        Func<IReadOnlyDictionary<string, DeadLetterRow>, Task<QueueContents>> goThrough,
        CancellationToken cancel
    )
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        // Nothing is locked but this work, and the broker takes its time.
        await using (
            var patient = new NpgsqlCommand($"set local idle_in_transaction_session_timeout = '{Patience}'", connection)
        )
            await patient.ExecuteNonQueryAsync(cancel);
        await using (var mine = new NpgsqlCommand($"select pg_try_advisory_xact_lock({Lock})", connection))
        {
            if (await mine.ExecuteScalarAsync(cancel) is false)
                return false;
        }

        await using var wished = new NpgsqlCommand(
            """
            select id, queue, reason, body, seen_at, wanted, trust from dead_letters
            where queue = $1 and wanted is not null
            """,
            connection
        );
        wished.Parameters.AddWithValue(queue);
        var wishes = (await wished.ReadAll(Read, cancel)).ToDictionary(x => x.Id);
        var contents = await goThrough(wishes);

        // What was done must be known as done, also when the process is told to stop meanwhile.
        await using var batch = new NpgsqlBatch(connection);
        // One array, which alone would count as all of the parameters.
        batch.Add("delete from dead_letters where id = any ($1)", (object)contents.Gone.ToArray());
        // What the broker refused to take back is wished no more: people see that it still lies there.
        batch.Add(
            "update dead_letters set wanted = null where id = any ($1)",
            (object)contents.Lying.Select(x => x.Id).Where(wishes.ContainsKey).ToArray()
        );
        if (contents.IsWhole)
        {
            batch.Add(
                "delete from dead_letters where queue = $1 and id <> all ($2)",
                queue,
                contents.Lying.Select(x => x.Id).ToArray()
            );
        }

        batch.Add(
            """
            insert into dead_letters (id, queue, reason, body)
            select distinct on (x.id) x.id, $1, x.reason, x.body
            from unnest($2::text[], $3::text[], $4::text[]) x (id, reason, body)
            where not exists (select from dead_letters known where known.id = x.id)
            limit greatest(0, $5 - (select count(*) from dead_letters where queue = $1))
            on conflict (id) do nothing
            """,
            queue,
            contents.Lying.Select(x => x.Id).ToArray(),
            contents.Lying.Select(x => x.Reason).ToArray(),
            contents.Lying.Select(x => x.Body).ToArray(),
            MaxPerQueue
        );
        await batch.ExecuteNonQueryAsync(CancellationToken.None);
        await transaction.CommitAsync(CancellationToken.None);
        return true;
    }

    static DeadLetterRow Read(NpgsqlDataReader row) =>
        new(
            row.GetString(0),
            row.GetString(1),
            row.GetString(2),
            row.GetString(3),
            row.GetFieldValue<DateTimeOffset>(4),
            row.GetText(5) switch
            {
                null => null,
                "drop" => DeadLetterWish.Drop,
                _ => DeadLetterWish.Redrive,
            },
            row.GetBoolean(6)
        );
}

/// <summary>A message that could not be handled.</summary>
/// <param name="Id">Tells it from others.</param>
/// <param name="Queue">Where it lies.</param>
/// <param name="Reason">Why it could not be handled.</param>
/// <param name="Body">Its beginning.</param>
/// <param name="SeenAt">When it was first seen there.</param>
/// <param name="Wish">What somebody wants done with it, and will be; null for nothing.</param>
/// <param name="Trust">Of one that is to be sent again: whether Wake answers for what it says.</param>
public sealed record DeadLetterRow(
    string Id,
    string Queue,
    string Reason,
    string Body,
    DateTimeOffset SeenAt,
    DeadLetterWish? Wish,
    bool Trust
);

/// <summary>What can be done with a dead letter.</summary>
public enum DeadLetterWish
{
    /// <summary>Send it again.</summary>
    Redrive,

    /// <summary>Take it away.</summary>
    Drop,
}

/// <summary>What was found in a queue.</summary>
/// <param name="Lying">What lies there.</param>
/// <param name="Gone">The ids of those that were sent again or taken away.</param>
/// <param name="IsWhole">Whether that is all of the queue.</param>
public sealed record QueueContents(
    IReadOnlyList<(string Id, string Reason, string Body)> Lying,
    IReadOnlyList<string> Gone,
    bool IsWhole
);
