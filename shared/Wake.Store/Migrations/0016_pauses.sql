-- Pauses: while one covers a session no turn of it begins, and what comes waits in its inbox.
create table pauses (
    id               uuid primary key,
    -- 'all', 'session', 'route', 'profile' or 'pool'
    scope            text not null,
    -- of the session, route, profile or pool
    name             text collate "C",
    -- of a route: the keys of its sessions, as a LIKE pattern. What becomes of the route later frees nobody.
    session_pattern  text collate "C",
    -- null: until somebody ends it
    until            timestamptz,
    -- turns that run are stopped as well, and given back
    interrupts       boolean not null,
    reason           text,
    created_at       timestamptz not null default clock_timestamp(),
    ended_at         timestamptz,
    -- since it ended every session that waited for that was looked at
    resumed          boolean not null default false
);

create index pauses_of_now on pauses (created_at) where not resumed;

-- The pools of the profiles, as the coordinators send their wakes.
create table profile_pools (
    profile  text collate "C" primary key,
    pool     text collate "C" not null
);

-- Whether a pause is one of a session with this key and profile.
create function pause_covers(scope text, name text, session_pattern text, key text, profile text) returns boolean
language sql stable as $$
    select case scope
        when 'all' then true
        when 'session' then key = name
        when 'route' then key like session_pattern
        when 'profile' then profile = name
        when 'pool' then name = coalesce((select p.pool from profile_pools p where p.profile = pause_covers.profile),
                                         (select p.pool from profile_pools p where p.profile = 'default'), 'default')
        else false
    end
$$;

-- The pauses in force of a session with this key and profile.
create function pauses_of(key text, profile text) returns setof pauses language sql stable as $$
    select p.* from pauses p
    where not p.resumed and p.ended_at is null and (p.until is null or p.until > clock_timestamp())
      and pause_covers(p.scope, p.name, p.session_pattern, pauses_of.key, pauses_of.profile)
$$;
