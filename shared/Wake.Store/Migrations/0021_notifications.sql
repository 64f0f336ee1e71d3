-- What people are told of. A fact is stated by triggers, in the transaction that makes it true: no writer can leave it out, neither
-- one that is written later nor the version before, which runs beside this one and knows nothing of it.

-- Where to. Known by the name that it has in the settings of the notifiers, which alone know its address and its secrets.
create table notification_targets (
    name               text collate "C" primary key,
    kind               text not null,
    -- what was stated before is not for it
    since              timestamptz not null default clock_timestamp(),
    -- when a notifier last had it in its settings
    seen_at            timestamptz not null default clock_timestamp(),
    -- it asks to be left alone until then
    not_before         timestamptz,
    -- why nothing is sent to it any more: it has said that it is gone
    stopped            text,
    last_delivered_at  timestamptz,
    last_error         text,
    last_error_at      timestamptz
);

create table notification_facts (
    seq          bigint generated always as identity primary key,
    -- the same for every target and every attempt
    id           uuid not null unique default gen_random_uuid(),
    at           timestamptz not null default clock_timestamp(),
    type         text collate "C" not null,
    session_id   uuid,
    wake_number  int,
    question_id  uuid,
    -- texts in it are bounded: what is long stays where it is
    data         json not null,
    -- a notifier has said which targets it is for
    routed       boolean not null default false
);

create index notification_facts_new on notification_facts (seq) where not routed;
create index notification_facts_of_session on notification_facts (session_id);
create index notification_facts_recent on notification_facts using brin (at) with (pages_per_range = 16);

-- A fact on its way to a target.
create table notifications (
    target        text collate "C" not null,
    fact          bigint not null references notification_facts on delete cascade,
    -- What is sent in order: the session. Of a target with a digest all of it.
    queue         uuid not null,
    urgent        boolean not null,
    -- The message it goes in, by the id of the first fact of that; null until then. Never changed: a repeated message is the same.
    message_id    uuid,
    attempts      int not null default 0,
    -- when to send it, or to send it again
    due_at        timestamptz not null,
    -- Somebody is sending it; over: they have died, and whether it has arrived nobody knows.
    lease_until   timestamptz,
    -- the first of the attempts that have failed
    failed_since  timestamptz,
    error         text,
    -- 'delivered' or 'dead'; null while it is on its way
    outcome       text,
    settled_at    timestamptz,
    primary key (target, fact)
);

create index notifications_on_their_way on notifications (target, queue, fact) where outcome is null;
create index notifications_dead on notifications (target, fact) where outcome = 'dead';
create index notifications_of_fact on notifications (fact);

-- States a fact; the one place for all of them. Where there is no target nothing is written.
create function state_fact(type text, session_id uuid, wake_number int, question_id uuid, about json) returns void
language plpgsql as $$
begin
    if exists (select from notification_targets) then
        insert into notification_facts (type, session_id, wake_number, question_id, data)
        select state_fact.type, state_fact.session_id, state_fact.wake_number, state_fact.question_id,
               (json_strip_nulls(json_build_object('session', s.key, 'profile', s.profile, 'wake', state_fact.wake_number))::jsonb
                || json_strip_nulls(about)::jsonb)::json
        from sessions s where s.id = state_fact.session_id;
    end if;
end
$$;

-- The triggers run with the rights of the tables' owner: who may end a turn need not be able to tell people anything else.
create function state_turn_fact() returns trigger language plpgsql security definer as $$
declare
    about json := json_build_object('outcome', new.outcome, 'note', left(new.note, 1000), 'attempt', new.attempt, 'costUsd', new.cost_usd,
        'durationMs', new.duration_ms, 'until', case when new.ended_at is null and isfinite(new.not_before) then new.not_before end);
begin
    if new.outcome = 'stale' then
        -- What it was about is over: it was not run, and nobody need know.
        return null;
    elsif new.ended_at is not null then
        perform state_fact(case new.outcome when 'completed' then 'turn.completed' else 'turn.failed' end,
            new.session_id, new.wake_number, null, about);
    -- One that waits for a person is told as the question.
    elsif not exists (select from questions q
                      where q.session_id = new.session_id and q.wake_number = new.wake_number and q.outcome is null) then
        perform state_fact(case when new.note ~ '^(the session|today)''s budget of ' then 'budget.reached' else 'turn.parked' end,
            new.session_id, new.wake_number, null, about);
    end if;
    return null;
end
$$;

create trigger state_turn_fact after update of ended_at, parked on turns for each row
when ((old.ended_at is null and new.ended_at is not null) or (new.parked and not old.parked and new.ended_at is null))
execute function state_turn_fact();

create function state_question_fact() returns trigger language plpgsql security definer as $$
begin
    perform state_fact(
        case new.outcome when 'answered' then 'question.answered' when 'noAnswer' then 'question.expired' else 'question.asked' end,
        new.session_id, new.wake_number, new.id,
        json_build_object('question', new.id, 'tool', left(new.tool, 200), 'deadline', new.deadline));
    return null;
end
$$;

create trigger state_question_asked after insert on questions for each row
when (new.outcome is null) execute function state_question_fact();

create trigger state_question_settled after update of outcome on questions for each row
when (old.outcome is null and new.outcome in ('answered', 'noAnswer')) execute function state_question_fact();

create function state_session_fact() returns trigger language plpgsql security definer as $$
begin
    perform state_fact('session.closed', new.id, null, null, '{}');
    return null;
end
$$;

create trigger state_session_closed after update of closed_at on sessions for each row
when (old.closed_at is null and new.closed_at is not null) execute function state_session_fact();

-- A Claude session that a wake has begun in place of another: the memory of that is lost.
create function state_fresh_fact() returns trigger language plpgsql security definer as $$
begin
    perform state_fact('session.fresh', new.session_id, new.wake_number, null, json_build_object('reason', left(new.reason, 1000)));
    return null;
end
$$;

create trigger state_session_fresh after insert on session_ids for each row
when (new.wake_number is not null and new.position > 1) execute function state_fresh_fact();

-- A table of the caller's own, which comes first otherwise, would be taken for one of these, with the rights of their owner.
do $$
declare
    made regprocedure;
begin
    foreach made in array array[
        'state_fact(text, uuid, int, uuid, json)', 'state_turn_fact()', 'state_question_fact()', 'state_session_fact()',
        'state_fresh_fact()']::regprocedure[] loop
        execute format('alter function %s set search_path = %I, pg_temp', made, current_schema());
    end loop;
end
$$;
