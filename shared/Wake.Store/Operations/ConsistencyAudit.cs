using Npgsql;

namespace Wake.Store;

/// <summary>
/// Whether what stands in the store keeps Wake's promises, found from the rows alone: what must hold at every moment,
/// whatever has been killed. Reads everything once and locks nothing.
/// </summary>
public sealed class ConsistencyAudit(NpgsqlDataSource database)
{
    /// <summary>Broken places told of each rule at most; all are counted.</summary>
    public const int MaxExamples = 20;

    // Each query yields the broken places, one text each. A place that is being written is seen before or after, never
    // between.
    static readonly (string Rule, string Broken)[] Rules =
    [
        (
            "Every waking event in an inbox has a timer.",
            """
            select format('event %s for %s waits, and nothing is due', e.id, s.key)
            from inbox i
            join events e on e.seq = i.event
            join sessions s on s.id = i.session_id
            left join wake_timers timer on timer.session_id = s.id
            where i.wake_number is null and i.wakes and s.closed_at is null and (e.expires_at is null or e.expires_at > clock_timestamp())
              and timer.due_at is null
            """
        ),
        (
            "No timer is overdue by more than 10 minutes.",
            """
            select format('%s has been due since %s', s.key, timer.due_at)
            from wake_timers timer join sessions s on s.id = timer.session_id
            where timer.due_at < clock_timestamp() - interval '10 minutes'
            """
        ),
        (
            "Every open turn has a scheduled check.",
            """
            select format('wake %s of %s is open, and nothing is owed', t.wake_number, s.key)
            from turns t
            join sessions s on s.id = t.session_id
            join wake_timers timer on timer.session_id = s.id
            where t.ended_at is null and timer.owed_at is null and s.closed_at is null
            """
        ),
        (
            "What was handed over was handed over in a turn.",
            """
            select format('event %s of session %s is in wake %s, which there is not', i.event, i.session_id, i.wake_number)
            from inbox i left join turns t using (session_id, wake_number)
            where i.wake_number is not null and t.session_id is null
            """
        ),
        (
            "The wakes of a session are counted without gaps.",
            """
            select format('%s has %s wakes up to number %s', s.key, count(*), max(t.wake_number))
            from turns t join sessions s on s.id = t.session_id
            group by s.key, s.id
            having count(*) <> max(t.wake_number) or min(t.wake_number) <> 1
            """
        ),
        (
            "A session has one turn at a time.",
            """
            select format('%s has %s turns open', s.key, count(*))
            from turns t join sessions s on s.id = t.session_id
            where t.ended_at is null
            group by s.key, s.id
            having count(*) > 1
            """
        ),
        (
            "A turn is dispatched once, claimed as often as it was tried, and ended once.",
            """
            select format('wake %s of session %s: dispatched %s times, claimed %s times in %s attempts, ended %s times',
                t.wake_number, t.session_id, said.dispatched, said.claimed, t.attempt, said.ended)
            from turns t
            cross join lateral (
                select count(*) filter (where kind = 'dispatched') as dispatched, count(*) filter (where kind = 'claimed') as claimed,
                       count(*) filter (where kind = 'ended') as ended
                from decisions d
                where d.session_id = t.session_id and d.wake_number = t.wake_number) said
            where said.dispatched <> 1 or said.claimed <> t.attempt or said.ended <> (t.ended_at is not null)::int
            """
        ),
        (
            "No turn is claimed while its session is paused.",
            """
            select format('wake %s of %s was claimed at %s, in pause %s', d.wake_number, s.key, d.at, p.id)
            from pauses p
            join decisions d on d.kind = 'claimed' and d.at between p.created_at and coalesce(least(p.ended_at, p.until), 'infinity')
            join sessions s on s.id = d.session_id
            -- which profiles a pool had then nobody knows
            where p.scope <> 'pool' and p.breaker is null and pause_covers(p.scope, p.name, p.session_pattern, s.key, s.profile)
            """
        ),
        (
            "No event is handed over while a pause holds it.",
            """
            select format('event %s was handed over to %s in wake %s at %s, in pause %s', e.id, s.key, d.wake_number, d.at, p.id)
            from pauses p
            join decisions d on d.kind = 'claimed' and d.note like 'attempt 1 %'
                                and d.at between p.created_at and coalesce(least(p.ended_at, p.until), 'infinity')
            join inbox i on i.session_id = d.session_id and i.wake_number = d.wake_number
            join events e on e.seq = i.event
            join sessions s on s.id = d.session_id
            where p.breaker is null and p.scope in ('source', 'subject')
              and pause_holds(p.scope, p.name, p.subject_pattern, e.source, e.subject, e.related)
            """
        ),
        (
            "While a breaker is open no turn is dispatched but its trials.",
            """
            select format('wake %s of %s was dispatched at %s, and %s was open', t.wake_number, s.key, t.dispatched_at, p.reason)
            from pauses p
            join turns t on t.dispatched_at between p.created_at and coalesce(p.ended_at, 'infinity') and t.trial is not true
            join sessions s on s.id = t.session_id
            where p.breaker is not null and pause_covers(p.scope, p.name, p.session_pattern, s.key, s.profile)
            """
        ),
        (
            "A spent CI budget is escalated once, and its turn runs only when a person allows it.",
            """
            select format('wake %s of session %s: %s budgets spent, escalated %s times', a.wake_number, a.session_id, a.spent, said.escalated)
            from (select session_id, wake_number, count(*) as spent from ci_attempts where escalated group by session_id, wake_number) a
            cross join lateral (
                select count(*) as escalated from decisions d
                where d.session_id = a.session_id and d.wake_number = a.wake_number and d.kind = 'escalated') said
            where said.escalated <> a.spent
            union all
            select format('wake %s of session %s has run', t.wake_number, t.session_id)
            from ci_attempts a join turns t using (session_id, wake_number)
            where a.escalated and t.outcome = 'completed' and not t.insisted
              -- Parked again later, it has used that up.
              and (select count(*) from decisions d
                   where d.session_id = a.session_id and d.wake_number = a.wake_number and d.kind = 'parked') < 2
            """
        ),
        (
            "What people are to be told of a turn that has ended is stated, and each of it is settled once.",
            """
            select format('wake %s of session %s ended at %s', t.wake_number, t.session_id, t.ended_at)
            from turns t
            -- not what ended while the first target was being written, nor what was stated so long ago that it may be deleted
            where t.ended_at > greatest((select min(since) + interval '1 minute' from notification_targets), now() - interval '29 days')
              and exists (select from notification_targets) and t.outcome <> 'stale'
              and not exists (select from notification_facts f
                              where f.session_id = t.session_id and f.wake_number = t.wake_number and starts_with(f.type, 'turn.'))
            union all
            select format('fact %s for %s: %s', n.fact, n.target, coalesce(n.outcome, 'waits'))
            from notifications n join notification_facts f on f.seq = n.fact
            where (n.outcome is null) <> (n.settled_at is null) or not f.routed or (n.outcome = 'delivered' and n.attempts = 0)
            """
        ),
        (
            "The result of a turn that is to be reported is sent, or it is said why not.",
            """
            select format('wake %s of %s on %s: owed since %s', t.wake_number, s.key, r.subject, t.ended_at)
            from reports r
            join sessions s on s.id = r.session_id
            join report_turns t on t.report = r.id and t.settled_at is null
            where r.due_at is null
               -- tried again for days where it fails, and by nobody where there is no account
               or (r.attempts = 0 and r.due_at < clock_timestamp() - interval '15 minutes'
                   and exists (select from fact_checkers c
                               where r.subject like c.pattern and c.seen_at > clock_timestamp() - interval '1 minute'))
            """
        ),
        (
            "A session reports on a subject in one comment.",
            """
            select format('%s on %s: comment %s, and %s', s.key, r.subject, r.comment_id, r.doubles)
            from reports r join sessions s on s.id = r.session_id
            where cardinality(r.doubles) > 0
            """
        ),
        (
            "A turn that has ended says how, and nobody holds it.",
            """
            select format('wake %s of session %s', wake_number, session_id)
            from turns
            where (ended_at is null) <> (outcome is null) or (ended_at is not null and lease_until is not null)
               or (lease_until is not null and (runner is null or epoch is null))
            """
        ),
        (
            "A turn that was stale had nothing left to tell.",
            """
            select format('wake %s of %s is stale, and event %s was not: %s', t.wake_number, s.key, i.event, coalesce(f.answer, 'not asked'))
            from turns t
            join sessions s on s.id = t.session_id
            join inbox i on i.session_id = t.session_id and i.wake_number = t.wake_number and i.wakes
            join events e on e.seq = i.event
            left join fact_checks f on f.event = i.event and f.session_id = i.session_id and f.wake_number = i.wake_number
            where t.outcome = 'stale' and (e.expires_at is null or e.expires_at > t.started_at)
              and (f.answer is distinct from 'noLonger' or i.ends_watch or t.cost_usd > 0)
            """
        ),
        (
            "A first attempt is told and not taken for done.",
            $"""
            select format('wake %s of %s completed in attempt %s, and it says: %s', t.wake_number, s.key, t.attempt, t.note)
            from turns t join sessions s on s.id = t.session_id
            where t.outcome = 'completed' and t.attempt <= t.answered + 1 and starts_with(t.note, '{Turns.FinishedBefore}')
            """
        ),
        (
            "No fresh session without a reason.",
            """
            select format('Claude session %s took over in wake %s of session %s, and no reason is recorded', claude_session_id, wake_number, session_id)
            from session_ids c
            where position > 1 and wake_number is not null
              and not exists (select from decisions d
                              where d.session_id = c.session_id and d.wake_number = c.wake_number and d.kind = 'resumeUnavailable')
            """
        ),
        (
            "Transcripts were saved by the turn's lease holder, or by the terminal that attends the session.",
            """
            select format('the transcript of Claude session %s was saved with epoch %s, and wake %s had %s', m.claude_session_id, m.epoch, m.wake_number, t.epoch)
            from transcripts m left join turns t using (session_id, wake_number)
            -- 0: what a person had typed before the session's first wake
            where m.wake_number > 0 and (t.epoch is null or m.epoch > t.epoch)
            """
        ),
        (
            "A terminal holds no turn that is over.",
            """
            select format('wake %s of %s, in the terminal %s', terminal.wake_number, s.key, terminal.place)
            from terminals terminal
            join sessions s on s.id = terminal.session_id
            join turns t on t.session_id = terminal.session_id and t.wake_number = terminal.wake_number
            where t.ended_at < clock_timestamp() - interval '10 minutes' and terminal.attended_until > clock_timestamp()
            """
        ),
        (
            "A turn without a concurrent process is on the session's current branch.",
            """
            select format('wake %s of %s has ended and is off the branch', t.wake_number, s.key)
            from turns t join sessions s on s.id = t.session_id
            where t.outcome = 'completed' and not t.on_branch and t.beside is null
            """
        ),
        (
            "A memory is there in full.",
            $"""
            select format('copy %s of Claude session %s has no content', f.copy, f.claude_session_id)
            from transcript_files f
            where f.bytes > 0 and not exists (select from transcript_segments s where s.copy = f.copy and s.start = 0)
            union all
            select format('wake %s of %s is completed, and saved nothing of Claude session %s', t.wake_number, s.key, t.claude_session_id)
            from {Transcripts.UnsavedSessions}
            -- a terminal saves what was said in the seconds after its turn
              and (not starts_with(t.runner, '{Terminals.RunnerPrefix}') or t.ended_at < clock_timestamp() - interval '1 minute')
            """
        ),
        (
            "A question that is open holds a turn, and one that is settled says how.",
            """
            select format('question %s of session %s', q.id, q.session_id)
            from questions q left join turns t using (session_id, wake_number)
            where (q.outcome is null) <> (q.settled_at is null)
               or (q.outcome is null and (t.session_id is null or t.ended_at is not null))
               or (q.outcome = 'answered' and q.answers is null)
            """
        ),
        (
            "A chat that is served shows within a quarter of an hour how a question was settled.",
            """
            select format('%s shows question %s, which is %s, as open', m.target, q.id, q.outcome)
            from chat_messages m
            join questions q on q.id = m.question_id
            join notification_targets t on t.name = m.target
            where not m.final and m.message_id is not null and q.settled_at < clock_timestamp() - interval '15 minutes'
              -- whom the chat does not let in has no part in it
              and m.edit_attempts = 0 and t.seen_at > clock_timestamp() - interval '5 minutes' and t.stopped is null
            """
        ),
        (
            "A call that waits for a person is made only when they have allowed it.",
            """
            select format('question %s of session %s: %s', id, session_id, coalesce(outcome, 'open'))
            from questions
            where begun_at is not null and coalesce(answers->>'allow', '') <> 'true'
            """
        ),
        (
            "What turns cost is what was spent.",
            """
            select format('session %s: turns cost %s, %s were spent', coalesce(t.session_id, s.session_id), t.usd, s.usd)
            from (select session_id, sum(cost_usd) as usd from turns group by session_id) t
            full join (select session_id, sum(usd) as usd from spending group by session_id) s on s.session_id = t.session_id
            where coalesce(t.usd, 0) <> coalesce(s.usd, 0)
            """
        ),
        (
            "A deadline of a watch that has passed is decided about.",
            """
            select format('watch %s of %s expected something by %s', w.id, s.key, w.expect_by)
            from watches w join sessions s on s.id = w.session_id
            -- longer than any grace
            where s.closed_at is null and w.expect_due_at < clock_timestamp() - interval '70 minutes'
            """
        ),
        (
            "A session whose watch expected something in vain is told once.",
            $"""
            select format('watch %s of %s: told %s times', w.id, s.key, count(e.seq))
            from watches w
            join sessions s on s.id = w.session_id
            left join events e on e.type = '{WatchDeadlines.SilentType}' and e.id = w.id::text
            where s.closed_at is null and w.expect_outcome = 'silent' and w.expect_due_at is null
              and w.expect_by > clock_timestamp() - interval '7 days'
            group by w.id, s.key
            having count(e.seq) <> 1
            """
        ),
        (
            "A duplicate points to its fact.",
            """
            select format('observation %s', observation)
            from duplicates d
            where not exists (select from events e where e.seq = d.event)
            """
        ),
        (
            "A watch for one event is gone when it has woken its session.",
            """
            select format('watch %s of %s has told of event %s', w.id, s.key, e.id)
            from watches w
            join sessions s on s.id = w.session_id
            join inbox i on i.watch_id = w.id
            join events e on e.seq = i.event
            where w.once and i.wakes and (e.expires_at is null or e.expires_at > e.accepted_at)
            """
        ),
        (
            "What came under the key of another fact is an event of its own.",
            """
            select format('event %s under the key %s', c.event, c.dedup_key)
            from collisions c
            left join events e on e.seq = c.event
            left join events o on o.seq = c.held_by
            where e.seq is null or (o.type = e.type and o.subject = e.subject and o.scope is not distinct from e.scope)
            """
        ),
        (
            "A session that is closed waits for nothing.",
            """
            select format('watch %s of %s', w.id, s.key)
            from watches w join sessions s on s.id = w.session_id
            where s.closed_at is not null
            """
        ),
        (
            "A session whose subject is over is closed when it is time.",
            $"""
            select format('%s was to be closed at %s', s.key, s.close_at)
            from sessions s
            where s.closed_at is null and s.close_at < clock_timestamp() - interval '10 minutes' and {Sessions.IsOver}
            """
        ),
    ];

    /// <summary>Looks at every rule, in one snapshot.</summary>
    public async Task<IReadOnlyList<AuditFinding>> CheckRules(CancellationToken cancel)
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(
            System.Data.IsolationLevel.RepeatableRead,
            cancel
        );

        List<AuditFinding> findings = [];
        foreach (var (rule, broken) in Rules)
        {
            await using var command = new NpgsqlCommand(
                $"select place, count(*) over () from ({broken}) broken (place) limit {MaxExamples}",
                connection,
                transaction
            );
            var places = await command.ReadAll(row => (Place: row.GetString(0), Count: row.GetInt64(1)), cancel);
            findings.Add(new(rule, places is [] ? 0 : places[0].Count, [.. places.Select(x => x.Place)]));
        }

        return findings;
    }
}

/// <summary>What was found about one rule.</summary>
/// <param name="Rule">What must hold.</param>
/// <param name="Broken">In how many places it does not.</param>
/// <param name="Examples">Some of them.</param>
public sealed record AuditFinding(string Rule, long Broken, IReadOnlyList<string> Examples);
