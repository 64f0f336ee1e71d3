using System.Diagnostics;
using System.Text.Json;
using Npgsql;

namespace Wake.Store;

/// <summary>
/// What turns ask before they begin, whether what they are about is still so, and what producers answer. A question is
/// a row, and so is its answer: a turn asks once, and each of its attempts goes by the same answers.
/// </summary>
/// <remarks>
/// Nobody waits for a producer that is not there: one that can be asked says so every few seconds. What is not answered
/// in time counts as unknown, and changes nothing.
/// </remarks>
public sealed class FactChecks(NpgsqlDataSource database)
{
    /// <summary>Notified when turns ask.</summary>
    public const string AskedChannel = "wake_facts_asked";

    /// <summary>How often who can be asked says so.</summary>
    public static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(10);

    // Notified with the session's id when one of its questions is answered.
    const string AnsweredChannel = "wake_facts_answered";

    // Whoever has not said so for this long is gone.
    static readonly TimeSpan CheckerTimeout = Heartbeat * 3;

    // Rows of those that were killed.
    static readonly TimeSpan CheckerRetention = TimeSpan.FromDays(1);

    // Of a longer burst the rest is told as it was observed, and so the turn is run.
    const int MaxQuestions = 50;

    // Of a turn's event, in statements that call its entry i.
    internal const string IsNoLonger = """
        exists (select from fact_checks f
                where f.event = i.event and f.session_id = i.session_id and f.wake_number = i.wake_number and f.answer = 'noLonger')
        """;

    const string IsOfTurn = "session_id = $1 and wake_number = $2";

    /// <summary>
    /// Asks whether what a turn is about is still so, and waits for the answers. At once where nobody can be asked,
    /// where an earlier attempt has asked, and where the profile does not want it.
    /// </summary>
    /// <param name="turn">The turn.</param>
    /// <param name="profile">Its profile: whether to ask, and how long to wait for answers.</param>
    /// <param name="cancel">Ends the wait; what is answered by then is not asked again.</param>
    public async Task<CheckedTurn> Check(ClaimedTurn turn, Profile profile, CancellationToken cancel)
    {
        if (!profile.CheckFacts)
            return new(turn, IsStale: false);

        var (timeout, began) = (profile.FactTimeout, Stopwatch.GetTimestamp());
        var asked = await Ask(turn, timeout, cancel);
        if (asked is { Now: 0, Before: 0 })
            return new(turn, IsStale: false);

        await WaitForAnswers(turn, cancel);
        var answers = await Close(turn, timeout, cancel);
        if (asked.Now > 0)
            FactCheckMetrics.Record(answers.Values, Stopwatch.GetElapsedTime(began));

        turn = turn with
        {
            Events =
            [
                .. turn.Events.Select(x => answers.TryGetValue(x.Seq, out var answer) ? x with { Fact = answer } : x),
            ],
        };

        // A session that may have heard of it is not left in the middle.
        var isUntold =
            turn is { HasSideEffects: false, LastAcknowledgedAttempt: 0 }
            && (asked.Before > 0 || turn.Attempt - turn.Interruptions == 1);
        return new(turn, isUntold && turn.IsStale);
    }

    /// <summary>Says that these subjects can be asked about, until three heartbeats from now.</summary>
    /// <param name="checker">Who can be asked.</param>
    /// <param name="subjects">The subjects, with <c>*</c> for anything.</param>
    /// <param name="types">The event types, with <c>*</c> for anything.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task Register(
        Guid checker,
        IReadOnlyList<string> subjects,
        IReadOnlyList<string> types,
        CancellationToken cancel
    )
    {
        await using var batch = database.CreateBatch();
        batch.Add("delete from fact_checkers where seen_at < clock_timestamp() - $1", CheckerRetention);
        batch.Add(
            """
            insert into fact_checkers (checker, pattern, types) select $1, pattern, $3 from unnest($2::text[]) pattern
            on conflict (checker, pattern) do update set seen_at = clock_timestamp()
            """,
            checker,
            Sql.LikePatterns(subjects),
            Sql.LikePatterns(types)
        );
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Says that nobody need wait for its answers any more.</summary>
    public async Task Unregister(Guid checker, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add("delete from fact_checkers where checker = $1", checker);
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Takes the questions that this one can answer and nobody has taken.</summary>
    public async Task<IReadOnlyList<FactQuestion>> Take(Guid checker, CancellationToken cancel)
    {
        await using var command = database.CreateCommand(
            """
            with taken as (
                select f.ctid
                from fact_checks f
                where f.answer is null and f.checker is null and f.deadline > clock_timestamp()
                  and exists (select from fact_checkers c
                              where c.checker = $1 and f.subject like c.pattern and f.type like any (c.types))
                order by f.deadline
                limit 200
                for update skip locked
            )
            update fact_checks f set checker = $1
            from taken where taken.ctid = f.ctid
            returning f.session_id, f.wake_number, f.event, f.type, f.subject, f.related, f.details::text, f.observed_at,
                      f.deadline - clock_timestamp()
            """
        );
        command.Parameters.AddWithValue(checker);
        return await command.ReadAll(
            row => new FactQuestion(
                row.GetGuid(0),
                row.GetInt32(1),
                row.GetInt64(2),
                row.GetString(3),
                row.GetString(4),
                row.GetTexts(5) ?? [],
                JsonElement.Parse(row.GetString(6)),
                row.GetFieldValue<DateTimeOffset>(7),
                row.GetFieldValue<TimeSpan>(8)
            ),
            cancel
        );
    }

    /// <summary>Answers a question. One that nobody waits for any more stays as it is.</summary>
    /// <param name="question">The question.</param>
    /// <param name="answer">The answer.</param>
    /// <param name="reason">What has become of it, or why nobody knows; null when it holds.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async Task Answer(FactQuestion question, FactAnswer answer, string? reason, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            """
            update fact_checks set answer = $4, reason = $5, answered_at = clock_timestamp()
            where session_id = $1 and wake_number = $2 and event = $3 and answer is null
            """,
            question.SessionId,
            question.WakeNumber,
            question.Event,
            answer.ToCamelCase(),
            reason
        );
        batch.Add($"select pg_notify('{AnsweredChannel}', $1::text)", question.SessionId);
        await batch.ExecuteNonQueryAsync(cancel);
    }

    async Task<(long Now, long Before)> Ask(ClaimedTurn turn, TimeSpan timeout, CancellationToken cancel)
    {
        var events = turn.Events.Where(x => !x.IsWakeRequest).Take(MaxQuestions).ToList();
        if (events is [])
            return default;

        await using var command = database.CreateCommand();
        command.CommandText = $"""
            with before as materialized (
                select count(*) as count from fact_checks where {IsOfTurn}
            ), asked as (
                insert into fact_checks (session_id, wake_number, event, type, subject, related, details, observed_at, deadline)
                select $1, $2, e.*, clock_timestamp() + $9
                from unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[])
                     with ordinality as q (event, type, subject, related, details, observed_at, ord)
                cross join lateral (select q.event, q.type, q.subject, q.related::text[], q.details::json, q.observed_at) e
                where (select count = 0 from before)
                  and exists (select from fact_checkers c
                              where c.seen_at > clock_timestamp() - $10 and q.subject like c.pattern and q.type like any (c.types))
                on conflict do nothing
                returning 1
            ), told as (
                select pg_notify('{AskedChannel}', '') from (select count(*) from asked having count(*) > 0) any_asked
            )
            select (select count(*) from asked), (select count from before), (select count(*) from told)
            """;
        foreach (
            var value in (object[])
                [
                    turn.SessionId,
                    turn.WakeNumber,
                    events.Select(x => x.Seq).ToArray(),
                    events.Select(x => x.Type).ToArray(),
                    events.Select(x => x.Subject).ToArray(),
                    events.Select(x => Sql.ArrayLiteral(x.Related)).ToArray(),
                    events.Select(x => FactDetails.Of(x.Data)).ToArray(),
                    events.Select(x => x.Time).ToArray(),
                    timeout,
                    CheckerTimeout,
                ]
        )
            command.Parameters.Add(new() { Value = value });

        await using var row = await command.ExecuteReaderAsync(cancel);
        await row.ReadAsync(cancel);
        return (row.GetInt64(0), row.GetInt64(1));
    }

    async Task WaitForAnswers(ClaimedTurn turn, CancellationToken cancel)
    {
        var changed = false;
        var session = turn.SessionId.ToString();
        await using var listener = await ChannelListener.Open(
            database,
            AnsweredChannel,
            said => changed |= said == session,
            cancel
        );
        while (true)
        {
            // What is announced while it is read may not be in what it reads.
            changed = false;
            await using var open = new NpgsqlCommand(
                $"select max(deadline) - clock_timestamp() from fact_checks where {IsOfTurn} and answer is null",
                listener.Connection
            );
            open.Parameters.AddWithValue(turn.SessionId);
            open.Parameters.AddWithValue(turn.WakeNumber);
            if (await open.ExecuteScalarAsync(cancel) is not TimeSpan left || left <= TimeSpan.Zero)
                return;
            if (!changed)
                await listener.Connection.WaitForNotification(left, cancel);
        }
    }

    // From here on nothing of it changes any more.
    async Task<Dictionary<long, FactCheck>> Close(ClaimedTurn turn, TimeSpan timeout, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.Add(
            $"""
            update fact_checks set answer = 'unknown', reason = $3, answered_at = clock_timestamp()
            where {IsOfTurn} and answer is null
            """,
            turn.SessionId,
            turn.WakeNumber,
            $"no answer came within {timeout.TotalSeconds:0.##} s"
        );
        batch.Add(
            $"select event, answer, reason, answered_at from fact_checks where {IsOfTurn}",
            turn.SessionId,
            turn.WakeNumber
        );
        batch.Add(
            $"""
            insert into decisions (kind, session_id, wake_number, note)
            select 'checked', $1, $2,
                   format('%s still so, %s no longer so, %s unknown', count(*) filter (where answer = 'holds'),
                          count(*) filter (where answer = 'noLonger'), count(*) filter (where answer = 'unknown'))
            from fact_checks
            where {IsOfTurn} and not exists (select from decisions where kind = 'checked' and {IsOfTurn})
            """,
            turn.SessionId,
            turn.WakeNumber
        );
        await using var rows = await batch.ExecuteReaderAsync(cancel);
        var answers = await rows.ReadAll(
            row =>
                (
                    Event: row.GetInt64(0),
                    Fact: new FactCheck(
                        row.GetEnum<FactAnswer>(1),
                        row.GetText(2),
                        row.GetFieldValue<DateTimeOffset>(3)
                    )
                ),
            cancel
        );
        return answers.ToDictionary(x => x.Event, x => x.Fact);
    }
}

/// <summary>A turn with what was answered about its events.</summary>
/// <param name="Turn">The turn.</param>
/// <param name="IsStale">Whether nothing of it holds any longer, and it need not be run.</param>
public readonly record struct CheckedTurn(ClaimedTurn Turn, bool IsStale)
{
    /// <summary>What there is to say of one that is stale: what has become of its events, each once.</summary>
    public string Note =>
        string.Join("; ", Turn.Events.Where(x => x.IsOver).Select(x => x.Fact!.Reason).Distinct().Take(3));
}

/// <summary>Whether something is still so.</summary>
public enum FactAnswer
{
    /// <summary>It is still so.</summary>
    Holds,

    /// <summary>It has ended.</summary>
    NoLonger,

    /// <summary>Nobody knows.</summary>
    Unknown,
}

/// <summary>What was answered about an event before its turn.</summary>
/// <param name="Answer">The answer.</param>
/// <param name="Reason">What has become of it, or why nobody knows; null when it holds.</param>
/// <param name="At">When.</param>
public sealed record FactCheck(FactAnswer Answer, string? Reason, DateTimeOffset At);

/// <summary>What a turn asks about one of its events.</summary>
/// <param name="SessionId">The session.</param>
/// <param name="WakeNumber">Which of its wakes.</param>
/// <param name="Event">The event's number.</param>
/// <param name="Type">Its type.</param>
/// <param name="Subject">What it is about.</param>
/// <param name="Related">What else it is about.</param>
/// <param name="Details">Texts and numbers of its data, an object; untrusted.</param>
/// <param name="ObservedAt">When it happened if the producer said so, else when it was accepted.</param>
/// <param name="TimeLeft">How long the turn waits for the answer.</param>
public sealed record FactQuestion(
    Guid SessionId,
    int WakeNumber,
    long Event,
    string Type,
    string Subject,
    IReadOnlyList<string> Related,
    JsonElement Details,
    DateTimeOffset ObservedAt,
    TimeSpan TimeLeft
);
