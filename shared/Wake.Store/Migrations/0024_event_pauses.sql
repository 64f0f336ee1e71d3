-- Pauses of events: what comes from a source, or is about a subject, is taken in and wakes nobody while one is in force.
-- Whether an event is held is never stored. It follows from the pauses: an end frees it, whoever dies on the way.
alter table pauses
    -- of scope 'subject': what its events are about or related to, as a LIKE pattern
    add column subject_pattern text collate "C";

alter table wake_timers
    -- it waits for the end of a pause that is for some events alone: whatever comes meanwhile has it looked at
    add column held boolean not null default false;

-- Whether a pause is one of an event.
create function pause_holds(scope text, name text, subject_pattern text, source text, subject text, related text[]) returns boolean
language sql immutable as $$
    select case scope
        when 'source' then source = name
        when 'subject' then subject like subject_pattern
                            or exists (select from unnest(related) topic where topic like subject_pattern)
        else false
    end
$$;

-- The pauses in force that hold an event.
create function event_pauses(of_event bigint) returns setof pauses language sql stable as $$
    select p.* from pauses p join events e on e.seq = of_event
    where not p.resumed and p.ended_at is null and p.breaker is null and (p.until is null or p.until > clock_timestamp())
      and pause_holds(p.scope, p.name, p.subject_pattern, e.source, e.subject, e.related)
$$;

-- Those that keep a session from its next turn, since they hold all that would wake it; or, if a turn of it has begun, those that
-- interrupt turns and hold all that woke that one.
create function event_holds_of(of_session uuid) returns setof pauses language plpgsql stable as $$
declare
    begun int;
begin
    if not exists (select from pauses p where not p.resumed and p.breaker is null and p.scope in ('source', 'subject')) then
        return;
    end if;

    begun := (select t.wake_number from turns t where t.session_id = of_session and t.ended_at is null and t.attempt > 0);
    if begun is null then
        if exists (select from inbox i join events e on e.seq = i.event
                   where i.session_id = of_session and i.wake_number is null and i.wakes
                     and (e.expires_at is null or e.expires_at > clock_timestamp())
                     and not exists (select from event_pauses(i.event))) then
            return;
        end if;
        return query
        select distinct p.* from inbox i join events e on e.seq = i.event cross join lateral event_pauses(i.event) p
        where i.session_id = of_session and i.wake_number is null and i.wakes
          and (e.expires_at is null or e.expires_at > clock_timestamp());
    else
        if exists (select from inbox i
                   where i.session_id = of_session and i.wake_number = begun and i.wakes
                     and not exists (select from event_pauses(i.event) p where p.interrupts)) then
            return;
        end if;
        return query
        select distinct p.* from inbox i cross join lateral event_pauses(i.event) p
        where i.session_id = of_session and i.wake_number = begun and i.wakes and p.interrupts;
    end if;
end
$$;

-- What a pause holds says nothing about the next turn.
create or replace function pending_source(of_session uuid) returns text language sql stable as $$
    select case when min(e.source) = max(e.source) then min(e.source) end
    from inbox i join events e on e.seq = i.event
    where i.session_id = of_session and i.wake_number is null and i.wakes
      and (e.expires_at is null or e.expires_at > clock_timestamp())
      -- asked once, and of each event only while some pause may hold any
      and not ((select exists (select from pauses where not resumed and breaker is null and scope in ('source', 'subject')))
               and exists (select from event_pauses(i.event)))
$$;

-- All that may keep a session from its next turn: its pauses, those of the events that would wake it, and the breaker of the source
-- whose events alone would.
create or replace function holds_of(of_session uuid, key text, profile text) returns setof pauses language sql stable as $$
    select p.* from pauses_of(holds_of.key, holds_of.profile) p
    union all
    select p.* from pauses p
    where not p.resumed and p.ended_at is null and p.scope = 'source' and p.breaker is not null and p.name = pending_source(of_session)
    union all
    select p.* from event_holds_of(of_session) p
$$;

create or replace function pending_depth(of_session uuid) returns int language plpgsql stable as $$
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
                and not ((select exists (select from pauses where not resumed and breaker is null and scope in ('source', 'subject')))
                         and exists (select from event_pauses(i.event)))
              order by i.event desc
              limit 200) pending);
end
$$;

-- What is done about failures of CI in the sessions of a profile, where neither the watch nor the route says. Null: nothing.
alter table profile_pools add column ci jsonb;

create function profile_ci(of_profile text) returns jsonb language sql stable as $$
    select p.ci from profile_pools p
    where p.profile = case when exists (select from profile_pools o where o.profile = of_profile) then of_profile else 'default' end
$$;

-- Whose policy it was: of a watch, a route or a profile; null: an older version did not note it.
alter table ci_attempts add column policy text;
