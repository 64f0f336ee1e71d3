-- By what people put sessions in order, since to ask each session for its newest turn and its costs reads all of them. Written by
-- triggers, in the transaction that changes it: the services of the version before write it as well. In a table of its own, under
-- the lock of the session's timer: whoever ends a turn must not wait for the row of the session.

-- All at once, and before the triggers are made: who holds one of these and wants another waits for a moment alone.
lock table sessions, turns, spending in share row exclusive mode;

create table session_totals (
    session_id    uuid primary key,
    closed        boolean not null,
    -- when the newest turn ended, began, or was dispatched: the latest of these; without a turn long before any
    last_turn_at  timestamptz not null,
    cost_usd      numeric not null
);

insert into session_totals (session_id, closed, last_turn_at, cost_usd)
select s.id, s.closed_at is not null, coalesce(t.at, 'epoch'), coalesce(c.usd, 0)
from sessions s
left join (select distinct on (session_id) session_id, coalesce(ended_at, started_at, dispatched_at) as at
           from turns order by session_id, wake_number desc) t on t.session_id = s.id
left join (select session_id, sum(usd) as usd from spending group by session_id) c on c.session_id = s.id;

create index session_totals_last_turn on session_totals (closed, last_turn_at, session_id);
create index session_totals_cost on session_totals (closed, cost_usd, session_id);

create function total_session() returns trigger language plpgsql security definer as $$
begin
    if tg_op = 'INSERT' then
        insert into session_totals (session_id, closed, last_turn_at, cost_usd) values (new.id, new.closed_at is not null, 'epoch', 0);
    else
        update session_totals set closed = new.closed_at is not null where session_id = new.id;
    end if;
    return null;
end
$$;

create trigger total_session_made after insert on sessions for each row execute function total_session();
create trigger total_session_closed after update of closed_at on sessions for each row
when ((old.closed_at is null) <> (new.closed_at is null)) execute function total_session();

create function total_turn() returns trigger language plpgsql security definer as $$
begin
    update session_totals set last_turn_at = coalesce(new.ended_at, new.started_at, new.dispatched_at)
    where session_id = new.session_id
      and not exists (select from turns t where t.session_id = new.session_id and t.wake_number > new.wake_number);
    return null;
end
$$;

create trigger total_turn_made after insert on turns for each row execute function total_turn();
create trigger total_turn_went_on after update of ended_at, started_at, dispatched_at on turns for each row
when (coalesce(old.ended_at, old.started_at, old.dispatched_at) is distinct from coalesce(new.ended_at, new.started_at, new.dispatched_at))
execute function total_turn();

create function total_spending() returns trigger language plpgsql security definer as $$
begin
    update session_totals set cost_usd = cost_usd + new.usd - case when tg_op = 'UPDATE' then old.usd else 0 end
    where session_id = new.session_id;
    return null;
end
$$;

create trigger total_spending_made after insert on spending for each row execute function total_spending();
create trigger total_spending_grew after update of usd on spending for each row
when (old.usd <> new.usd) execute function total_spending();

-- A table of the caller's own, which comes first otherwise, would be taken for one of these, with the rights of their owner.
do $$
declare
    made regprocedure;
begin
    foreach made in array array['total_session()', 'total_turn()', 'total_spending()']::regprocedure[] loop
        execute format('alter function %s set search_path = %I, pg_temp', made, current_schema());
    end loop;
end
$$;
