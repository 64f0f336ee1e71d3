using System.Text.Json;
using Npgsql;

namespace Wake.Store;

/// <summary>
/// What sessions ask people. A question is asked in the transaction that parks its turn (<see cref="Turns.GiveBack"/>), and is
/// open until it is answered or its turn is claimed again.
/// </summary>
public sealed class Questions(NpgsqlDataSource database)
{
    const string Select =
        """
        select q.id, s.key, q.wake_number, q.input::text, q.asked_at, q.deadline, q.outcome, q.settled_at, q.answers::text
        from questions q
        join sessions s on s.id = q.session_id
        """;

    /// <summary>The open ones, the longest waiting first.</summary>
    public async Task<IReadOnlyList<Question>> Open(int limit, CancellationToken cancel)
    {
        await using var command = database.CreateCommand($"{Select} where q.outcome is null order by q.asked_at, q.id limit $1");
        command.Parameters.AddWithValue(limit);
        await using var rows = await command.ExecuteReaderAsync(cancel);

        List<Question> questions = [];
        while (await rows.ReadAsync(cancel))
            questions.Add(Read(rows));
        return questions;
    }

    /// <summary>One, open or settled; null when it was never asked.</summary>
    public async Task<Question?> Find(Guid id, CancellationToken cancel)
    {
        await using var command = database.CreateCommand($"{Select} where q.id = $1");
        command.Parameters.AddWithValue(id);
        await using var rows = await command.ExecuteReaderAsync(cancel);
        return await rows.ReadAsync(cancel) ? Read(rows) : null;
    }

    /// <summary>Answers a question and lets its turn go on, on any runner. False when it is not open: the first answer counts.</summary>
    public async Task<bool> Answer(Guid id, IReadOnlyDictionary<string, string> answers, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add("select 1 from wake_timers where session_id = (select session_id from questions where id = $1) for update", id);
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
            update wake_timers timer set owed_at = clock_timestamp() from answered where timer.session_id = answered.session_id
            """, id, JsonSerializer.Serialize(answers));
        return await batch.Affected(cancel);
    }

    static Question Read(NpgsqlDataReader row) => new(
        row.GetGuid(0), row.GetString(1), row.GetInt32(2), QuestionItem.In(row.GetString(3)),
        row.GetFieldValue<DateTimeOffset>(4), row.GetNullable<DateTimeOffset>(5),
        row.IsDBNull(6) ? null : row.GetEnum<QuestionOutcome>(6), row.GetNullable<DateTimeOffset>(7),
        row.GetText(8) is { } answers ? JsonSerializer.Deserialize<Dictionary<string, string>>(answers) : null);
}
