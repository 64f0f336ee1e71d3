using System.Data;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Wake.Store;

/// <summary>
/// What sessions ask people. A question is asked in the transaction that parks its turn (<see cref="Turns.Release"/>),
/// and is open until it is answered or its turn is claimed again.
/// </summary>
public sealed class Questions(NpgsqlDataSource database)
{
    /// <summary>The open ones, the longest waiting first, from after a given one on; without the whole of what is
    /// long.</summary>
    public async Task<IReadOnlyList<Question>> ListOpen(int limit, CancellationToken cancel, Question? after = null)
    {
        await using var db = database.OpenReader();
        var open = db.Questions.Where(x => x.Outcome == null);
        if (after is { AskedAt: var asked, Id: var id })
            open = open.Where(x =>
                EF.Functions.GreaterThan(ValueTuple.Create(x.AskedAt, x.Id), ValueTuple.Create(asked, id))
            );

        var rows = await Select(open.OrderBy(x => x.AskedAt).ThenBy(x => x.Id).Take(limit), whole: false)
            .ToListAsync(cancel);
        return rows.ConvertAll(ToQuestion);
    }

    /// <summary>One, open or settled, with the whole call it is about; null when it was never asked.</summary>
    public async Task<Question?> Find(Guid id, CancellationToken cancel)
    {
        await using var db = database.OpenReader();
        var row = await Select(db.Questions.Where(x => x.Id == id), whole: true).FirstOrDefaultAsync(cancel);
        return row is null ? null : ToQuestion(row);
    }

    static IQueryable<QuestionView> Select(IQueryable<QuestionRow> questions, bool whole) =>
        questions.Select(x => new QuestionView(
            x.Id,
            x.Session.Key,
            x.WakeNumber,
            x.Tool,
            x.Input,
            x.AskedAt,
            x.Deadline,
            x.Outcome,
            x.SettledAt,
            x.Answers,
            x.CallSha256,
            whole ? x.Call : null,
            x.AnsweredBy
        ));

    /// <summary>Answers a question and lets its turn go on, on any runner. False when it is not open: the first answer
    /// counts.</summary>
    /// <param name="id">The question.</param>
    /// <param name="answers">What is answered, by the text of the question.</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <param name="by">Who answers, for people; null when that is not known.</param>
    public Task<bool> Answer(
        Guid id,
        IReadOnlyDictionary<string, string> answers,
        CancellationToken cancel,
        string? by = null
    ) => Settle(id, JsonSerializer.Serialize(answers), by, cancel);

    /// <summary>Allows a tool call or does not; else as <see cref="Answer"/>.</summary>
    public Task<bool> AnswerPermission(
        Guid id,
        PermissionAnswer decision,
        CancellationToken cancel,
        string? by = null
    ) => Settle(id, JsonSerializer.Serialize(decision, JsonSerializerOptions.Web), by, cancel);

    async Task<bool> Settle(Guid id, string answers, string? by, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            "select 1 from wake_timers where session_id = (select session_id from questions where id = $1) for update",
            id
        );
        batch.Add(
            """
            with answered as (
                update questions set answers = $2::json, outcome = 'answered', settled_at = clock_timestamp(), answered_by = $3
                where id = $1 and outcome is null
                returning session_id, wake_number
            ), freed as (
                update turns turn set not_before = null, parked = false, note = null
                from answered
                where turn.session_id = answered.session_id and turn.wake_number = answered.wake_number and turn.ended_at is null
            ), noted as (
                insert into decisions (kind, session_id, wake_number, note)
                select 'answered', session_id, wake_number, concat('question ', $1, ', by ' || $3::text) from answered
            )
            update wake_timers timer set owed_at = clock_timestamp(), urgent = true from answered where timer.session_id = answered.session_id
            """,
            id,
            answers,
            by
        );
        return await batch.ExecuteAffected(cancel);
    }

    // Of a row q of questions. What was allowed before a reset was allowed to another memory. The answers to questions
    // have texts of the model's in them: they are not looked into, where a U+0000 would be an error.
    internal const string IsForSession = $"""
        case when q.outcome = 'answered' and q.tool <> '{QuestionItem.ToolName}' and q.call is not null
             then q.answers->>'allow' = 'true' and q.answers->>'forSession' = 'true' else false end
        and q.settled_at > coalesce((select max(c.since) from session_ids c
                                     where c.session_id = q.session_id and c.reason = '{Sessions.WasReset}'), '-infinity')
        """;

    internal const string SelectForSession = $"""
        select q.id, q.tool, q.call, q.settled_at, q.answered_by
        from questions q
        where q.session_id = $1 and {IsForSession}
        order by q.settled_at desc, q.id
        limit 100
        """;

    internal static AllowedCall ReadForSession(NpgsqlDataReader row) =>
        new(
            row.GetGuid("id"),
            row.GetString("tool"),
            row.GetString("call"),
            row.GetFieldValue<DateTimeOffset>("settled_at"),
            row.GetText("answered_by")
        );

    /// <summary>The calls that a session may make without asking, the latest first; the hundred latest are all that
    /// count.</summary>
    public async Task<IReadOnlyList<AllowedCall>> ListForSession(Guid sessionId, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(SelectForSession);
        command.Parameters.AddWithValue(sessionId);
        return await command.ReadAll(ReadForSession, cancel);
    }

    /// <summary>Withdraws what was allowed for a session: the next such call asks again. False when it was not
    /// allowed.</summary>
    public async Task<bool> Withdraw(Guid sessionId, Guid question, string by, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add("select 1 from wake_timers where session_id = $1 for update", sessionId);
        batch.Add(
            $"""
            with withdrawn as (
                update questions q set answers = (q.answers::jsonb - 'forSession')::json
                where q.id = $2 and q.session_id = $1 and {IsForSession}
                returning q.wake_number
            )
            insert into decisions (kind, session_id, wake_number, note)
            select 'withdrawn', $1, wake_number, format('what question %s allowed, by %s', $2, $3::text) from withdrawn
            """,
            sessionId,
            question,
            by
        );
        return await batch.ExecuteAffected(cancel);
    }

    static Question ToQuestion(QuestionView row)
    {
        var isPermission = row.Tool != QuestionItem.ToolName;
        return new(
            row.Id,
            row.Session,
            row.Wake,
            isPermission ? [] : QuestionItem.Parse(row.Input),
            isPermission ? Permission() : null,
            row.AskedAt,
            row.Deadline,
            row.Outcome is null ? null : Enum.Parse<QuestionOutcome>(row.Outcome, ignoreCase: true),
            row.SettledAt,
            row.Answers is null || isPermission
                ? null
                : JsonSerializer.Deserialize<Dictionary<string, string>>(row.Answers),
            row.Answers is null || !isPermission
                ? null
                : JsonSerializer.Deserialize<PermissionAnswer>(row.Answers, JsonSerializerOptions.Web)
        )
        {
            AnsweredBy = row.AnsweredBy,
        };

        // Its hash is for whoever has the whole before them.
        PermissionRequest Permission()
        {
            var asked = JsonSerializer.Deserialize<PermissionRequest>(row.Input, JsonSerializerOptions.Web)!;
            return asked with { Call = row.Call, Hash = row.Call is not null || asked.Whole ? row.Hash : null };
        }
    }

    sealed record QuestionView(
        Guid Id,
        string Session,
        int Wake,
        string Tool,
        string Input,
        DateTimeOffset AskedAt,
        DateTimeOffset? Deadline,
        string? Outcome,
        DateTimeOffset? SettledAt,
        string? Answers,
        string? Hash,
        string? Call,
        string? AnsweredBy
    );
}
