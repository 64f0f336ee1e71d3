using System.Data;
using System.Text.Json;
using Npgsql;

namespace Wake.Store;

/// <summary>
/// What stands in the chats that are targets of notifications, and what was taken from them. A message has its row
/// before it is sent; what a chat tells is taken once, however often it tells it.
/// </summary>
public sealed class Chats(NpgsqlDataSource database)
{
    // The open session of a key, else the one that was closed last.
    const string SessionByKey = "(select id from sessions where key = $4 order by closed_at desc nulls first limit 1)";

    /// <summary>Begins a send. The row stays until somebody says what came of it.</summary>
    public async Task<ChatMessageState> Begin(NewChatMessage message, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            $"""
            insert into chat_messages as m (target, about, part, session_id, question_id, unsure, shown, final)
            values ($1, $2, $3, {SessionByKey}, $5, 1, $6, $7)
            on conflict (target, about, part) do update
            set unsure = m.unsure + case when m.message_id is null then 1 else 0 end,
                shown = case when m.message_id is null then excluded.shown else m.shown end,
                final = case when m.message_id is null then excluded.final else m.final end
            returning message_id, unsure, (
                -- The first message of a session is what the others belong to.
                select first.message_id from chat_messages first
                where first.target = $1 and first.session_id = m.session_id and first.message_id is not null
                order by first.begun_at limit 1
            ) as thread
            """,
            message.Target,
            message.About,
            message.Part,
            message.Session,
            message.Question,
            message.Revision,
            message.Final
        );
        await using var rows = await batch.ExecuteReaderAsync(cancel);
        await rows.ReadAsync(cancel);
        return new(rows.GetText("message_id"), rows.GetInt32("unsure") > 1, rows.GetText("thread"));
    }

    /// <summary>Notes that a message stands in the chat, and how the chat calls it.</summary>
    public async Task SetPosted(NewChatMessage message, string messageId, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        // Who presses at once may be quicker than this: the row that was made for the press gives way.
        batch.Add(
            """
            update chat_messages adopted set message_id = null, final = true
            from chat_messages posted
            where adopted.target = $1 and adopted.message_id = $4
              and posted.target = $1 and posted.about = $2 and posted.part = $3 and posted.message_id is null
            """,
            message.Target,
            message.About,
            message.Part,
            messageId
        );
        batch.Add(
            """
            update chat_messages set message_id = $4, unsure = 0
            where target = $1 and about = $2 and part = $3 and message_id is null
            """,
            message.Target,
            message.About,
            message.Part,
            messageId
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Notes that a send that was begun has certainly not arrived.</summary>
    public async Task SetRefused(NewChatMessage message, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            update chat_messages set unsure = greatest(unsure - 1, 0)
            where target = $1 and about = $2 and part = $3 and message_id is null
            """,
            message.Target,
            message.About,
            message.Part
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>
    /// Notes a message that is known by what a person did with it: a question's that was sent twice, or one that Wake
    /// has answered with.
    /// </summary>
    public async Task Adopt(
        string target,
        string about,
        string messageId,
        string? session,
        Guid? question,
        CancellationToken cancel
    )
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            $"""
            insert into chat_messages (target, about, part, session_id, question_id, message_id, shown, final)
            select $1, $2, 0, {SessionByKey}, $5::uuid, $3, -1,
                   $5::uuid is null
            where not exists (select from chat_messages where target = $1 and message_id = $3)
            on conflict do nothing
            """,
            target,
            about,
            messageId,
            session,
            question
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>The session and the question that a message is about; null when it is none of Wake's.</summary>
    public async Task<ChatMessageOrigin?> FindOrigin(string target, string messageId, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select s.key, m.question_id, m.about
            from chat_messages m left join sessions s on s.id = m.session_id
            where m.target = $1 and m.message_id = $2
            """
        );
        command.Parameters.AddWithValue(target);
        command.Parameters.AddWithValue(messageId);
        return await command.ReadFirst(
            row => new ChatMessageOrigin(row.GetText(0), row.GetNullable<Guid>(1)) { About = row.GetString(2) },
            cancel
        );
    }

    /// <summary>Whether a chat shows a question.</summary>
    public async Task<bool> Shows(string target, Guid question, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select exists (select from chat_messages where target = $1 and question_id = $2 and message_id is not null)
            """
        );
        command.Parameters.AddWithValue(target);
        command.Parameters.AddWithValue(question);
        return (bool)(await command.ExecuteScalarAsync(cancel))!;
    }

    /// <summary>Whether a question was sent to a chat, or may have been.</summary>
    public async Task<bool> WasBegun(string target, Guid question, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            "select exists (select from chat_messages where target = $1 and question_id = $2)"
        );
        command.Parameters.AddWithValue(target);
        command.Parameters.AddWithValue(question);
        return (bool)(await command.ExecuteScalarAsync(cancel))!;
    }

    /// <summary>
    /// The question of a session that a chat showed as open when something was written there; null when it showed none.
    /// The chat calls its messages by names of which each is greater than those before it.
    /// </summary>
    public async Task<Guid?> FindQuestion(
        string target,
        string session,
        string written,
        DateTimeOffset at,
        CancellationToken cancel
    )
    {
        // Of two clocks one is ahead a little.
        await using var command = database.CreateCommand(
            """
            select q.id
            from questions q join sessions s on s.id = q.session_id
            where s.key = $2 and (q.settled_at is null or q.settled_at >= $3 - interval '2 seconds')
              and exists (
                select from chat_messages m
                where m.target = $1 and m.session_id = s.id and m.question_id = q.id
                  -- What was written before it was asked is no answer, whenever it is read.
                  and coalesce(m.message_id collate "C" < $4, m.begun_at <= $3 + interval '2 seconds')
              )
            order by q.outcome is null desc, q.settled_at desc
            limit 1
            """
        );
        command.Parameters.AddWithValue(target);
        command.Parameters.AddWithValue(session);
        command.Parameters.AddWithValue(at.UtcDateTime);
        command.Parameters.AddWithValue(written);
        return await command.ExecuteScalarAsync(cancel) as Guid?;
    }

    /// <summary>The messages of a chat that no longer show how their questions are, and may be edited now.</summary>
    public async Task<IReadOnlyList<OutdatedChatMessage>> ListOutdated(
        string target,
        int limit,
        CancellationToken cancel
    )
    {
        await using var command = database.CreateCommand(
            """
            select m.about, m.part, m.message_id, m.question_id, m.edit_attempts
            from chat_messages m
            join questions q on q.id = m.question_id
            join notification_targets t on t.name = m.target and (t.not_before is null or t.not_before <= clock_timestamp())
            left join question_drafts d on d.question_id = q.id
            where m.target = $1 and not m.final and m.message_id is not null
              and (m.edit_due_at is null or m.edit_due_at <= clock_timestamp())
              and (q.outcome is not null or m.shown <> coalesce(d.revision, 0))
            order by m.edit_due_at nulls first, m.begun_at
            limit $2
            """
        );
        command.Parameters.AddWithValue(target);
        command.Parameters.AddWithValue(limit);
        return await command.ReadAll(
            row => new OutdatedChatMessage(
                target,
                row.GetString(0),
                row.GetInt32(1),
                row.GetString(2),
                row.GetGuid(3),
                row.GetInt32(4)
            ),
            cancel
        );
    }

    /// <summary>Notes what a message shows now.</summary>
    /// <param name="message">The message.</param>
    /// <param name="revision">The choices.</param>
    /// <param name="final">It shows how its question was settled, or cannot be edited.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task SetShown(OutdatedChatMessage message, int revision, bool final, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            update chat_messages
            set shown = $4, final = $5 or message_id is null, edit_attempts = 0, edit_due_at = null
            where target = $1 and about = $2 and part = $3
            """,
            message.Target,
            message.About,
            message.Part,
            revision,
            final
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Notes that a message could not be edited.</summary>
    /// <param name="message">The message.</param>
    /// <param name="delay">When to try again.</param>
    /// <param name="pause">How long the chat asks to be left alone; null when it does not.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task SetEditFailed(
        OutdatedChatMessage message,
        TimeSpan delay,
        TimeSpan? pause,
        CancellationToken cancel
    )
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            update chat_messages set edit_attempts = edit_attempts + 1, edit_due_at = clock_timestamp() + $4
            where target = $1 and about = $2 and part = $3
            """,
            message.Target,
            message.About,
            message.Part,
            pause ?? delay
        );
        batch.Add(
            """
            update notification_targets set not_before = greatest(not_before, clock_timestamp() + $2::interval)
            where name = $1 and $2::interval is not null
            """,
            message.Target,
            pause
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Whether a target is registered.</summary>
    public async Task<bool> IsTarget(string target, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            "select exists (select from notification_targets where name = $1)"
        );
        command.Parameters.AddWithValue(target);
        return (bool)(await command.ExecuteScalarAsync(cancel))!;
    }

    /// <summary>Where the reading of a chat goes on, and how long ago that was noted; null at its beginning.</summary>
    public async Task<(string Cursor, TimeSpan Age)?> FindCursor(string target, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select chat_cursor, clock_timestamp() - chat_cursor_at from notification_targets
            where name = $1 and chat_cursor is not null
            """
        );
        command.Parameters.AddWithValue(target);
        await using var rows = await command.ExecuteReaderAsync(cancel);
        return await rows.ReadAsync(cancel) ? (rows.GetString(0), rows.GetFieldValue<TimeSpan>(1)) : null;
    }

    /// <summary>Whether something that a chat tells was taken before.</summary>
    public async Task<bool> WasTaken(string target, string update, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            "select exists (select from chat_updates where target = $1 and update_id = $2)"
        );
        command.Parameters.AddWithValue(target);
        command.Parameters.AddWithValue(update);
        return (bool)(await command.ExecuteScalarAsync(cancel))!;
    }

    /// <summary>Notes that something was taken from a chat, and where the reading goes on.</summary>
    public async Task SetTaken(string target, string update, string? cursor, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(Take, target, update);
        batch.Add(
            """
            update notification_targets set chat_cursor = coalesce($2, chat_cursor), chat_cursor_at = clock_timestamp() where name = $1
            """,
            target,
            cursor
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>
    /// Changes what is chosen of a question, once for something that a chat tells. Null: it was taken before.
    /// </summary>
    public async Task<QuestionDraft?> ChangeDraft(
        Guid question,
        string target,
        string update,
        Func<QuestionDraft, QuestionDraft> change,
        CancellationToken cancel
    )
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        QuestionDraft draft;
        await using (var find = new NpgsqlBatch(connection, transaction))
        {
            find.Add(Take, target, update);
            find.Add(
                """
                insert into question_drafts (question_id, choices, revision) values ($1, '[]', 0) on conflict do nothing
                """,
                question
            );
            find.Add("select choices::text, revision from question_drafts where question_id = $1 for update", question);
            await using (var rows = await find.ExecuteReaderAsync(cancel))
            {
                await rows.ReadAsync(cancel);
                draft = ReadDraft(rows);
            }

            if (find.BatchCommands[0].RecordsAffected == 0)
                return null;
        }

        var changed = change(draft) with { Revision = draft.Revision + 1 };
        await using (var write = new NpgsqlBatch(connection, transaction))
        {
            write.Add(
                "update question_drafts set choices = $2::json, revision = $3 where question_id = $1",
                question,
                JsonSerializer.Serialize(changed.Choices),
                changed.Revision
            );
            await write.ExecuteNonQueryAsync(cancel);
        }

        await transaction.CommitAsync(cancel);
        return changed;
    }

    /// <summary>What is chosen of a question so far.</summary>
    public async Task<QuestionDraft> FindDraft(Guid question, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            "select choices::text, revision from question_drafts where question_id = $1"
        );
        command.Parameters.AddWithValue(question);
        return await command.ReadFirst(ReadDraft, cancel) ?? QuestionDraft.Empty;
    }

    const string Take = "insert into chat_updates (target, update_id) values ($1, $2) on conflict do nothing";

    static QuestionDraft ReadDraft(NpgsqlDataReader row) =>
        new(JsonSerializer.Deserialize<List<List<string>>>(row.GetString(0))!, row.GetInt32(1));
}

/// <summary>A message that is about to be sent to a chat.</summary>
/// <param name="Target">To which.</param>
/// <param name="About">What it tells: the same again is the same message.</param>
/// <param name="Part">Which piece of a long one.</param>
/// <param name="Session">The key of the session it is about; null for none.</param>
/// <param name="Question">The question that it asks; null for none.</param>
public sealed record NewChatMessage(string Target, string About, int Part, string? Session, Guid? Question)
{
    /// <summary>The choices that it shows.</summary>
    public int Revision { get; init; }

    /// <summary>Whether it stays as it is, whatever becomes of its question.</summary>
    public bool Final { get; init; } = true;
}

/// <summary>How a message stands that is about to be sent.</summary>
/// <param name="MessageId">The chat's name for it, when it was sent before; null when it was not, or nobody
/// knows.</param>
/// <param name="MayStandThere">An earlier send may have arrived.</param>
/// <param name="Thread">The first message of its session; null when there is none.</param>
public sealed record ChatMessageState(string? MessageId, bool MayStandThere, string? Thread);

/// <summary>What a message is about.</summary>
/// <param name="Session">The key of the session.</param>
/// <param name="Question">The question that it asks; null when it asks none.</param>
public sealed record ChatMessageOrigin(string? Session, Guid? Question)
{
    /// <summary>What it was noted as.</summary>
    public required string About { get; init; }
}

/// <summary>A message that no longer shows how its question is.</summary>
public sealed record OutdatedChatMessage(
    string Target,
    string About,
    int Part,
    string MessageId,
    Guid Question,
    int EditAttempts
);

/// <summary>What is chosen so far of a call that takes more than one choice.</summary>
/// <param name="Choices">Of each question its choices, in their order; shorter than the questions where nothing is
/// chosen yet.</param>
/// <param name="Revision">Rises with every change; 0 when there was none.</param>
public sealed record QuestionDraft(IReadOnlyList<IReadOnlyList<string>> Choices, int Revision)
{
    /// <summary>Nothing is chosen.</summary>
    public static QuestionDraft Empty { get; } = new([], 0);

    /// <summary>What is chosen of a question by its place in the call.</summary>
    public IReadOnlyList<string> Of(int item) => item < Choices.Count ? Choices[item] : [];

    /// <summary>The same with other choices of one question.</summary>
    public QuestionDraft With(int item, IReadOnlyList<string> choices) =>
        this with
        {
            Choices =
            [
                .. Enumerable.Range(0, Math.Max(Choices.Count, item + 1)).Select(x => x == item ? choices : Of(x)),
            ],
        };
}
