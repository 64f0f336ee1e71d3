using Npgsql;

namespace Wake.Store;

/// <summary>
/// What is to be reported of turns that have ended, stated by a trigger in the transaction that ends them. Producers
/// send it: a place is leased to one of them at a time, and what stands there is noted before anything is sent again.
/// </summary>
public sealed class Reports(NpgsqlDataSource database)
{
    // Turns that a comment tells of.
    const int MaxTurns = 10;

    // Where the login that has written a place is gone, another says what it can do about that.
    static readonly TimeSpan OtherAuthorAfter = TimeSpan.FromMinutes(5);

    /// <summary>Whether anything is due at all.</summary>
    public async Task<bool> AnyDue(CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            "select exists (select from reports where due_at <= clock_timestamp())"
        );
        return await command.ExecuteScalarAsync(cancel) is true;
    }

    /// <summary>Takes a place in which something is due; null when there is none.</summary>
    /// <param name="subjects">The subjects that can be written to, with <c>*</c> for anything.</param>
    /// <param name="logins">The logins that write.</param>
    /// <param name="lease">For how long it is kept from others.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task<DueReport?> Claim(
        IReadOnlyList<string> subjects,
        IReadOnlyList<string> logins,
        TimeSpan lease,
        CancellationToken cancel
    )
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            with due as (
                select id from reports
                where due_at <= clock_timestamp() and (lease_until is null or lease_until <= clock_timestamp())
                  and subject like any ($1)
                  and (author is null or author = any ($2) or due_at <= clock_timestamp() - $3)
                order by due_at
                limit 1
                for update skip locked
            )
            update reports r set lease_until = clock_timestamp() + $4, attempts = attempts + 1
            from due where r.id = due.id
            returning r.id, r.session_id, (select key from sessions where id = r.session_id), r.subject, r.kind, r.sha, r.due_at,
                      r.lease_until, r.attempts, r.author, r.sent_at, r.comment_id
            """,
            Sql.LikePatterns(subjects),
            logins.Select(x => x.ToLowerInvariant()).ToArray(),
            OtherAuthorAfter,
            lease
        );

        DueReport? due;
        await using (var rows = await batch.ExecuteReaderAsync(cancel))
        {
            due = await rows.ReadAsync(cancel)
                ? new(
                    rows.GetGuid(0),
                    rows.GetGuid(1),
                    rows.GetString(2),
                    rows.GetString(3),
                    rows.GetEnum<ReportPolicy>(4),
                    rows.GetString(5) is { Length: > 0 } sha ? sha : null,
                    rows.GetFieldValue<DateTimeOffset>(6),
                    rows.GetFieldValue<DateTimeOffset>(7),
                    rows.GetInt32(8),
                    rows.GetText(9),
                    rows.GetNullable<DateTimeOffset>(10),
                    rows.GetNullable<long>(11),
                    Turns: []
                )
                : null;
        }

        if (due is null)
            return null;

        await using var command = database.CreateCommand(
            """
            select wake_number, outcome, words, ended_at from report_turns
            where report = $1 and refused is null
            order by wake_number desc
            limit $2
            """
        );
        command.Parameters.AddWithValue(due.Id);
        command.Parameters.AddWithValue(MaxTurns);
        return due with
        {
            Turns = await command.ReadAll(
                row => new ReportedTurn(
                    row.GetInt32(0),
                    row.GetString(1),
                    row.GetText(2),
                    row.GetFieldValue<DateTimeOffset>(3)
                ),
                cancel
            ),
        };
    }

    /// <summary>
    /// Notes that a comment is about to be made or edited, and by whom: from then on it may be seen, and whoever dies
    /// leaves it to be found. It is kept from others for a while from now on. Null: it is somebody else's by now, and
    /// nothing may be sent.
    /// </summary>
    public async Task<DueReport?> BeginSend(DueReport report, string author, TimeSpan lease, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            update reports set author = $3, sent_at = coalesce(sent_at, clock_timestamp()), lease_until = clock_timestamp() + $4
            where id = $1 and lease_until = $2
            returning lease_until
            """,
            report.Id,
            report.LeaseUntil,
            author.ToLowerInvariant(),
            lease
        );
        await using var rows = await batch.ExecuteReaderAsync(cancel);
        return await rows.ReadAsync(cancel) ? report with { LeaseUntil = rows.GetFieldValue<DateTimeOffset>(0) } : null;
    }

    /// <summary>The place tells of its newest turn.</summary>
    /// <param name="report">The place.</param>
    /// <param name="commentId">The comment; null of a status.</param>
    /// <param name="note">What was done, for people.</param>
    /// <param name="cancel">Ends the wait.</param>
    public Task SetReported(DueReport report, long? commentId, string note, CancellationToken cancel) =>
        Settle(report, "reported", note, refused: null, commentId, deleted: false, unsent: false, cancel);

    /// <summary>It never will. What ends later is reported all the same, unless its comment was deleted.</summary>
    /// <param name="report">The place.</param>
    /// <param name="why">Why, for people.</param>
    /// <param name="deleted">Whether a person has deleted the comment.</param>
    /// <param name="unsent">Whether it is certain that there is no comment: another login may make it later.</param>
    /// <param name="cancel">Ends the wait.</param>
    public Task SetRefused(DueReport report, string why, bool deleted, bool unsent, CancellationToken cancel) =>
        Settle(report, "notReported", $"{report.Subject}: {why}", why, commentId: null, deleted, unsent, cancel);

    /// <summary>It may not have arrived, and is sent again after this long.</summary>
    public async Task SetFailed(DueReport report, string why, TimeSpan delay, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            update reports
            set lease_until = null, error = $4,
                due_at = case when due_at = $3 then clock_timestamp() + $5 else due_at end
            where id = $1 and lease_until = $2
            """,
            report.Id,
            report.LeaseUntil,
            report.DueAt,
            why,
            delay
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>
    /// Whether a comment with the id of a place in it is Wake's own, which wakes nobody: whoever has written it must be
    /// the login that reports there. Whoever sees it first is noted.
    /// </summary>
    /// <param name="id">The id that stands in it.</param>
    /// <param name="subject">Where it stands.</param>
    /// <param name="author">Who has written it.</param>
    /// <param name="commentId">The comment.</param>
    /// <param name="source">Who has seen it.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task<bool> IsOwnComment(
        Guid id,
        string subject,
        string author,
        long commentId,
        string source,
        CancellationToken cancel
    )
    {
        await using var command = database.CreateCommand(
            """
            with own as materialized (
                select id, session_id, comment_id is distinct from $4 and comment_id is not null as other
                from reports where id = $1 and lower(subject) = lower($2) and author = $3
            ), seen as (
                update reports r
                set seen_by = case when $5 = any (seen_by) then seen_by else seen_by || $5 end,
                    doubles = case when own.other and not $4 = any (doubles) then doubles || $4 else doubles end
                from own
                where r.id = own.id and (not $5 = any (seen_by) or (own.other and not $4 = any (doubles)))
                returning r.session_id, own.other
            ), noted as (
                insert into decisions (kind, session_id, note)
                select 'ownComment', session_id,
                       format('%s has seen comment %s on %s, with which this session reports: it wakes nobody%s', $5, $4, $2,
                              case when other then '. It is a second one' else '' end)
                from seen
            )
            select exists (select from own)
            """
        );
        command.Parameters.AddWithValue(id);
        command.Parameters.AddWithValue(subject);
        command.Parameters.AddWithValue(author.ToLowerInvariant());
        command.Parameters.AddWithValue(commentId);
        command.Parameters.AddWithValue(source);
        return await command.ExecuteScalarAsync(cancel) is true;
    }

    /// <summary>How many turns of the last day were not reported where somebody wanted it, or wait because it
    /// fails.</summary>
    public async Task<long> CountMissing(CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            select count(*)
            from report_turns t join reports r on r.id = t.report
            where t.ended_at > clock_timestamp() - interval '1 day' and r.deleted_at is null
              and (t.refused is not null or (t.settled_at is null and r.error is not null))
            """
        );
        return (long)(await command.ExecuteScalarAsync(cancel))!;
    }

    async Task Settle(
        DueReport report,
        string kind,
        string note,
        string? refused,
        long? commentId,
        bool deleted,
        bool unsent,
        CancellationToken cancel
    )
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            with settled as (
                update reports
                set lease_until = null, attempts = 0, error = null, comment_id = coalesce($4::bigint, comment_id),
                    deleted_at = case when $5 then clock_timestamp() end,
                    author = case when not $10 then author end, sent_at = case when not $10 then sent_at end,
                    due_at = case when due_at = $3 then null else due_at end
                where id = $1 and lease_until = $2
                returning id, session_id
            ), told as (
                update report_turns t set settled_at = clock_timestamp(), refused = $7::text
                from settled where t.report = settled.id and t.settled_at is null and t.wake_number <= $6
            )
            insert into decisions (kind, session_id, wake_number, note) select $8, session_id, $6, $9 from settled
            """,
            report.Id,
            report.LeaseUntil,
            report.DueAt,
            commentId,
            deleted,
            report.Turns.Select(x => x.WakeNumber).FirstOrDefault(),
            refused,
            kind,
            note,
            unsent
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }
}

/// <summary>A place in which a turn is to be reported.</summary>
/// <param name="Id">Stands in the comment.</param>
/// <param name="SessionId">Whose turns they are.</param>
/// <param name="Session">Its key.</param>
/// <param name="Subject">The pull request or issue.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Sha">Of a status the commit; null for the head.</param>
/// <param name="DueAt">Since when it is due: told back, so that a turn that ends meanwhile stays owed.</param>
/// <param name="LeaseUntil">Until when it is the caller's.</param>
/// <param name="Attempt">Which attempt it is, from 1.</param>
/// <param name="Author">The login that has written it, or was about to; null before that.</param>
/// <param name="SentAt">When a comment was first about to be made; null before that.</param>
/// <param name="CommentId">The comment; null where none is known.</param>
/// <param name="Turns">The turns that it tells of, the newest first.</param>
public sealed record DueReport(
    Guid Id,
    Guid SessionId,
    string Session,
    string Subject,
    ReportPolicy Kind,
    string? Sha,
    DateTimeOffset DueAt,
    DateTimeOffset LeaseUntil,
    int Attempt,
    string? Author,
    DateTimeOffset? SentAt,
    long? CommentId,
    IReadOnlyList<ReportedTurn> Turns
);

/// <summary>A turn as it is reported.</summary>
/// <param name="WakeNumber">Its wake.</param>
/// <param name="Outcome">How it ended.</param>
/// <param name="Words">Its last words, or why it has failed; null where nobody knows. Hostile text.</param>
/// <param name="EndedAt">When it ended.</param>
public sealed record ReportedTurn(int WakeNumber, string Outcome, string? Words, DateTimeOffset EndedAt);
