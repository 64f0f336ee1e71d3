-- Routes to watches what was accepted shortly before them. What is found has waited already, so it is due at once.
with target as materialized (
    select w.*, coalesce(w.prefix, w.subject) as beginning
    from watches w
    join sessions s on s.id = w.session_id and s.closed_at is null
    where w.id = any ($1)
), found as materialized (
    select distinct on (e.seq, w.session_id) e.seq, e.wakes, e.urgent, w.session_id, w.id as watch_id, w.intent
    from target w
    cross join lateral (select * from events e where e.accepted_at > w.created_at - $2 offset 0) e
    where (e.expires_at is null or e.expires_at > now())
      and (w.type_patterns is null or e.type like any (w.type_patterns))
      and exists (select from unnest(e.subject || coalesce(e.related, '{}')) topic
                  where case when w.pattern is null then topic = w.subject else topic like w.pattern end)
    order by e.seq, w.session_id
), routed as (
    insert into inbox (event, session_id, watch_id, wakes, intent)
    select seq, session_id, watch_id, wakes, intent from found
    order by 1, 2
    on conflict do nothing
    returning event, session_id, wakes
), locked as materialized (
    -- in the order the intake takes them, so that the two wait for each other instead of deadlocking
    select session_id from wake_timers where session_id in (select session_id from routed where wakes) order by 1 for update
), armed as (
    update wake_timers timer
    set events_due_at = least(timer.events_due_at, now()), ceiling_at = coalesce(timer.ceiling_at, now())
    from locked where timer.session_id = locked.session_id
)
select count(*) from routed
