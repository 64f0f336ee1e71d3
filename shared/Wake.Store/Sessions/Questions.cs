using System.Text.Json;
using Npgsql;

namespace Wake.Store;

/// <summary>
/// What sessions ask people. A question is asked in the transaction that parks its turn (<see cref="Turns.Release"/>),
/// and is open until it is answered or its turn is claimed again.
/// </summary>
public sealed class Questions(NpgsqlDataSource database)
{
    const string Columns = """
        q.id, s.key, q.wake_number, q.tool, q.input::text, q.asked_at, q.deadline,
        q.outcome, q.settled_at, q.answers::text, q.call_sha256
        """;

    const string From = """
        from questions q
        join sessions s on s.id = q.session_id
        """;

    /// <summary>The open ones, the longest waiting first, from after a given one on; without the whole of what is
    /// long.</summary>
    public async Task<IReadOnlyList<Question>> ListOpen(int limit, CancellationToken cancel, Question? after = null)
    {
        await using var command = database.CreateCommand(
            $"""
            select {Columns}, null
            {From}
            where q.outcome is null and (q.asked_at, q.id) > ($2, $3)
            order by q.asked_at, q.id limit $1
            """
        );
        command.Parameters.AddWithValue(limit);
        command.Parameters.AddWithValue((after?.AskedAt ?? DateTimeOffset.UnixEpoch).ToUniversalTime());
        command.Parameters.AddWithValue(after?.Id ?? Guid.Empty);
        return await command.ReadAll(Read, cancel);
    }

    /// <summary>One, open or settled, with the whole call it is about; null when it was never asked.</summary>
    public async Task<Question?> Find(Guid id, CancellationToken cancel)
    {
        await using var command = database.CreateCommand($"select {Columns}, q.call {From} where q.id = $1");
        command.Parameters.AddWithValue(id);
        await using var rows = await command.ExecuteReaderAsync(cancel);
        return await rows.ReadAsync(cancel) ? Read(rows) : null;
    }

    /// <summary>Answers a question and lets its turn go on, on any runner. False when it is not open: the first answer
    /// counts.</summary>
    public Task<bool> Answer(Guid id, IReadOnlyDictionary<string, string> answers, CancellationToken cancel) =>
        Settle(id, JsonSerializer.Serialize(answers), cancel);

    /// <summary>Allows a tool call or does not; else as <see cref="Answer"/>.</summary>
    public Task<bool> AnswerPermission(Guid id, PermissionAnswer decision, CancellationToken cancel) =>
        Settle(id, JsonSerializer.Serialize(decision, JsonSerializerOptions.Web), cancel);

    async Task<bool> Settle(Guid id, string answers, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            "select 1 from wake_timers where session_id = (select session_id from questions where id = $1) for update",
            id
        );
        batch.Add(
            """
            with answered as (
                update questions set answers = $2::json, outcome = 'answered', settled_at = clock_timestamp()
                where id = $1 and outcome is null
                returning session_id, wake_number
            ), freed as (
                update turns turn set not_before = null, parked = false, note = null
                from answered
                where turn.session_id = answered.session_id and turn.wake_number = answered.wake_number and turn.ended_at is null
            ), noted as (
                insert into decisions (kind, session_id, wake_number, note)
                select 'answered', session_id, wake_number, format('question %s', $1) from answered
            )
            update wake_timers timer set owed_at = clock_timestamp(), urgent = true from answered where timer.session_id = answered.session_id
            """,
            id,
            answers
        );
        return await batch.ExecuteAffected(cancel);
    }

    static Question Read(NpgsqlDataReader row)
    {
        var (input, answers) = (row.GetString(4), row.GetText(9));
        var isPermission = row.GetString(3) != QuestionItem.ToolName;
        return new(
            row.GetGuid(0),
            row.GetString(1),
            row.GetInt32(2),
            isPermission ? [] : QuestionItem.Parse(input),
            isPermission ? Permission() : null,
            row.GetFieldValue<DateTimeOffset>(5),
            row.GetNullable<DateTimeOffset>(6),
            row.IsDBNull(7) ? null : row.GetEnum<QuestionOutcome>(7),
            row.GetNullable<DateTimeOffset>(8),
            answers is null || isPermission ? null : JsonSerializer.Deserialize<Dictionary<string, string>>(answers),
            answers is null || !isPermission
                ? null
                : JsonSerializer.Deserialize<PermissionAnswer>(answers, JsonSerializerOptions.Web)
        );

        // Its hash is for whoever has the whole before them.
        PermissionRequest Permission() =>
            JsonSerializer.Deserialize<PermissionRequest>(input, JsonSerializerOptions.Web)! is var asked
            && row.GetText(11) is { } call
                ? asked with
                {
                    Call = call,
                    Hash = row.GetText(10),
                }
                : asked with
                {
                    Call = null,
                    Hash = asked.Whole ? row.GetText(10) : null,
                };
    }
}
