-- Breakers: a limit that is reached opens one, which is a pause that ends by itself with a trial.

-- The limits in force, as the coordinators have them in their settings.
create table breaker_limits (
    -- 'all', 'session' (each), 'route', 'profile' or 'source'
    scope         text not null,
    -- of the route, profile or source; of 'session' the profile whose sessions it is for, empty for those of the others
    name          text collate "C" not null,
    -- 'turnsPerHour', 'usdPerHour', 'usdPerDay', 'eventsPerMinute' or 'chainDepth'
    kind          text not null,
    -- null: none, where another would hold
    amount        numeric,
    open_for      interval not null,
    max_open_for  interval not null,
    primary key (scope, name, kind)
);

-- The accounts that sessions write as, in lower case.
create table own_logins (
    login  text collate "C" primary key
);

alter table pauses
    -- the limit that made it; null: a person did
    add column breaker        text,
    add column amount         numeric,
    add column open_for       interval,
    add column max_open_for   interval,
    -- how often in a row it was opened before, each time for longer
    add column trips          int not null default 0,
    -- turns that were dispatched before are not claimed either
    add column stops_claims   boolean not null default true,
    -- the turn that may run while it is half-open
    add column trial_session  uuid,
    add column trial_wake     int,
    -- a person ended it: what was counted before counts no more
    add column by_hand        boolean not null default false;

create unique index pauses_breaker_open on pauses (breaker, scope, coalesce(name, '')) where breaker is not null and ended_at is null;
create index pauses_of_breaker on pauses (breaker, scope, name) where breaker is not null;

alter table turns
    -- how many turns before it led to it, each by what the session did in the one before; null: none, as of all older ones
    add column depth   int,
    -- the source of the events that began it, when they were of one
    add column source  text collate "C",
    -- it tried whether a breaker may be closed
    add column trial   boolean;

create index turns_dispatched on turns (dispatched_at);
-- A turn's cost counts when it ends.
create index turns_spent on turns ((coalesce(ended_at, dispatched_at)));

-- For how long a breaker opens.
create function breaker_length(open_for interval, max_open_for interval, trips int) returns interval language sql immutable as $$
    select least(open_for * power(2, least(trips, 20)), max_open_for)
$$;

-- The pauses in force of a session with this key and profile. A breaker is in force until it is closed.
create or replace function pauses_of(key text, profile text) returns setof pauses language sql stable as $$
    select p.* from pauses p
    where not p.resumed and p.ended_at is null and (p.until is null or p.until > clock_timestamp() or p.breaker is not null)
      and pause_covers(p.scope, p.name, p.session_pattern, pauses_of.key, pauses_of.profile)
$$;

-- The source of what waits in a session's inbox and wakes it; null when there are several, or nothing waits.
create function pending_source(of_session uuid) returns text language sql stable as $$
    select case when min(e.source) = max(e.source) then min(e.source) end
    from inbox i join events e on e.seq = i.event
    where i.session_id = of_session and i.wake_number is null and i.wakes
      and (e.expires_at is null or e.expires_at > clock_timestamp())
$$;

-- All that may keep a session from its next turn: its pauses, and the breaker of the source whose events alone would wake it.
create function holds_of(of_session uuid, key text, profile text) returns setof pauses language sql stable as $$
    select p.* from pauses_of(holds_of.key, holds_of.profile) p
    union all
    select p.* from pauses p
    where not p.resumed and p.ended_at is null and p.scope = 'source' and p.name = pending_source(of_session)
$$;

-- How deep the next turn of a session would be in a chain that it keeps going itself: one more than the turn in which the events
-- that wait were caused, 0 when one of them has another cause. An event was caused in a turn when an account of the sessions is its
-- actor and it happened while that turn ran, or within a minute after it: a clock of another machine may be a few seconds off.
create function pending_depth(of_session uuid) returns int language plpgsql stable as $$
declare
    since timestamptz;
begin
    if not exists (select from own_logins) then
        return 0;
    end if;

    since := (select max(p.ended_at) from pauses p join sessions s on s.key = p.name
              where s.id = of_session and p.breaker = 'chainDepth' and p.scope = 'session' and p.by_hand);
    return (
        select case when count(*) = 0 or bool_or(cause is null) then 0 else max(cause) + 1 end
        from (select case when lower(e.actor) in (select login from own_logins) then (
                         select case when t.dispatched_at <= since then 0 else coalesce(t.depth, 0) end
                         from turns t
                         where t.session_id = of_session and t.started_at <= coalesce(e.happened_at, e.accepted_at) + interval '5 seconds'
                           and (t.ended_at is null or t.ended_at >= coalesce(e.happened_at, e.accepted_at) - interval '1 minute')
                         order by t.wake_number desc limit 1)
                     end as cause
              from inbox i join events e on e.seq = i.event
              where i.session_id = of_session and i.wake_number is null and i.wakes
                and (e.expires_at is null or e.expires_at > clock_timestamp())
              order by i.event desc
              limit 200) pending);
end
$$;

-- What counts against a limit now, and when there is room again if it is reached. What was counted before a person closed its
-- breaker counts no more. Turns and events are not counted further than the limit.
create function breaker_usage(of_kind text, of_scope text, of_name text, of_pattern text, of_amount numeric)
returns table (used numeric, room_at timestamptz) language plpgsql stable as $$
declare
    of_session uuid;
    begun timestamptz;
    since timestamptz := coalesce((select max(p.ended_at) from pauses p
                                   where p.breaker = of_kind and p.scope = of_scope and p.name is not distinct from of_name
                                     and p.by_hand), '-infinity');
begin
    if of_scope = 'session' then
        of_session := (select s.id from sessions s where s.key = of_name and s.closed_at is null);
    end if;

    if of_kind = 'turnsPerHour' then
        since := greatest(since, clock_timestamp() - interval '1 hour');
        if of_scope = 'session' then
            return query
            select count(*)::numeric, min(n.dispatched_at) + interval '1 hour'
            from (select t.dispatched_at from turns t where t.session_id = of_session
                  order by t.wake_number desc limit of_amount::bigint) n
            where n.dispatched_at > since;
        else
            return query
            select count(*)::numeric, min(n.dispatched_at) + interval '1 hour'
            from (select t.dispatched_at from turns t join sessions s on s.id = t.session_id
                  where t.dispatched_at > since
                    and case of_scope when 'all' then true when 'profile' then s.profile = of_name
                                      when 'route' then s.key like of_pattern when 'source' then t.source = of_name end
                  order by t.dispatched_at desc limit of_amount::bigint) n;
        end if;
    elsif of_kind in ('usdPerHour', 'usdPerDay') then
        begun := case of_kind when 'usdPerHour' then clock_timestamp() - interval '1 hour'
                              else date_trunc('day', clock_timestamp() at time zone 'utc') at time zone 'utc' end;
        since := greatest(since, begun);
        return query
        select coalesce(sum(n.usd), 0),
               case of_kind when 'usdPerHour' then max(n.at) filter (where n.so_far >= of_amount) + interval '1 hour'
                            else begun + interval '1 day' end
        from (select c.usd, c.at, sum(c.usd) over (order by c.at desc, c.session_id) as so_far
              from (select t.session_id, t.cost_usd as usd, coalesce(t.ended_at, t.dispatched_at) as at
                    from turns t join sessions s on s.id = t.session_id
                    where coalesce(t.ended_at, t.dispatched_at) > since and t.cost_usd > 0
                      and case of_scope when 'session' then t.session_id = of_session when 'all' then true
                                        when 'profile' then s.profile = of_name when 'route' then s.key like of_pattern
                                        when 'source' then t.source = of_name end) c) n;
    elsif of_kind = 'eventsPerMinute' then
        since := greatest(since, clock_timestamp() - interval '1 minute');
        return query
        select count(*)::numeric, null::timestamptz
        from (select from events e
              where e.seq >= events_before(since) and e.accepted_at > since and e.source = of_name
              limit of_amount::bigint + 1) n;
    else
        return query select greatest(pending_depth(of_session) - 1, 0)::numeric, null::timestamptz;
    end if;
end
$$;
