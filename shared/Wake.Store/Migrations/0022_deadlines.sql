-- Until when a watch is to have woken its session: what does not happen by then is told as well, once.
alter table watches
    add column expect_by       timestamptz,
    -- when to look whether it has; null: nothing is expected, or nothing more is to be done
    add column expect_due_at   timestamptz,
    -- 'came' or 'silent'; null until that is decided. Silent and due: its event is still to be taken in.
    add column expect_outcome  text;

create index watches_expect on watches (expect_due_at) where expect_due_at is not null;
-- Also once that is decided: a push begins it anew for the checks of a pull request.
create index watches_expecting on watches (subject) where expect_by is not null;

-- A fact may be about no session.
create or replace function state_fact(type text, session_id uuid, wake_number int, question_id uuid, about json) returns void
language plpgsql as $$
begin
    if exists (select from notification_targets) then
        insert into notification_facts (type, session_id, wake_number, question_id, data)
        select state_fact.type, state_fact.session_id, state_fact.wake_number, state_fact.question_id,
               (json_strip_nulls(json_build_object('session', s.key, 'profile', s.profile, 'wake', state_fact.wake_number))::jsonb
                || json_strip_nulls(about)::jsonb)::json
        from (select) one
        left join sessions s on s.id = state_fact.session_id
        where s.id is not null or state_fact.session_id is null;
    end if;
end
$$;

create function state_silence_fact() returns trigger language plpgsql security definer as $$
begin
    perform state_fact('silence', new.session_id, null, null, json_build_object('watch', new.id, 'subject', new.subject,
        'types', new.types[1:10], 'since', new.created_at, 'expectBy', new.expect_by, 'intent', left(new.intent, 1000)));
    return null;
end
$$;

create trigger state_silence after update of expect_outcome on watches for each row
when (old.expect_outcome is null and new.expect_outcome = 'silent') execute function state_silence_fact();

-- A breaker opens, or opens again after a trial that failed. One of a session is told of that session.
create function state_breaker_fact() returns trigger language plpgsql security definer as $$
begin
    perform state_fact('breaker.opened',
        case new.scope when 'session' then (select s.id from sessions s where s.key = new.name and s.closed_at is null) end,
        null, null,
        json_build_object('pause', new.id, 'limit', new.breaker, 'amount', new.amount, 'scope', new.scope, 'name', new.name,
            'reason', left(new.reason, 1000), 'until', new.until, 'trips', new.trips));
    return null;
end
$$;

create trigger state_breaker_opened after insert on pauses for each row
when (new.breaker is not null and new.ended_at is null) execute function state_breaker_fact();

create trigger state_breaker_opened_again after update of trips on pauses for each row
when (new.breaker is not null and new.trips > old.trips and new.ended_at is null) execute function state_breaker_fact();

-- What is sent to a target does not arrive: told once, and once more when something arrives and nothing lies aside any more.
alter table notification_targets add column degraded_at timestamptz;

create function state_target_degraded() returns trigger language plpgsql security definer as $$
begin
    update notification_targets set degraded_at = clock_timestamp() where name = new.target and degraded_at is null;
    if found then
        perform state_fact('wake.degraded', null, null, null,
            json_build_object('trouble', 'deadLetters', 'target', new.target, 'reason', left(new.error, 1000), 'over', false));
    end if;
    return null;
end
$$;

create trigger state_degraded after update of outcome on notifications for each row
when (new.outcome = 'dead' and old.outcome is distinct from 'dead') execute function state_target_degraded();

create function state_target_recovered() returns trigger language plpgsql security definer as $$
begin
    if not exists (select from notifications where target = new.name and outcome = 'dead') then
        new.degraded_at := null;
        perform state_fact('wake.degraded', null, null, null,
            json_build_object('trouble', 'deadLetters', 'target', new.name, 'over', true));
    end if;
    return new;
end
$$;

create trigger state_recovered before update of last_delivered_at on notification_targets for each row
when (old.degraded_at is not null) execute function state_target_recovered();

-- A table of the caller's own, which comes first otherwise, would be taken for one of these, with the rights of their owner.
do $$
declare
    made regprocedure;
begin
    foreach made in array array[
        'state_fact(text, uuid, int, uuid, json)', 'state_silence_fact()', 'state_breaker_fact()', 'state_target_degraded()',
        'state_target_recovered()']::regprocedure[] loop
        execute format('alter function %s set search_path = %I, pg_temp', made, current_schema());
    end loop;
end
$$;
