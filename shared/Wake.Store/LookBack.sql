-- Routes to watches what was accepted shortly before them. What is found has waited already, so it is due at once.
with target as materialized (
    select w.*, coalesce(w.prefix, w.subject) as beginning
    from watches w
    join sessions s on s.id = w.session_id and s.closed_at is null
    where w.id = any ($1)
), matched as materialized (
    select e.seq, e.wakes, w.session_id, w.id as watch_id, w.subject, w.intent, w.once, m.asks, m.last
    from target w
    cross join lateral (
        select * from events e
        where e.accepted_at > w.created_at - $2
          and exists (select from unnest(e.subject || coalesce(e.related, '{}')) topic
                      where case when w.pattern is null then topic = w.subject else topic like w.pattern end)
        offset 0) e
    cross join lateral (
        select (w.type_patterns is null or e.type like any (w.type_patterns))
               and (w.terms is null or satisfies(w.terms, e.type, e.subject, e.source, e.actor, e.data::text)) as asks,
               w.until_patterns is not null and e.type like any (w.until_patterns) as last) m
    where (e.expires_at is null or e.expires_at > now()) and (m.asks or m.last)
      -- What the session was told already it does not mean when it asks to be told.
      and not exists (select from inbox i where i.event = e.seq and i.session_id = w.session_id)
), ended as materialized (
    -- Of several that would end it, the newest: that is how things stand.
    select watch_id, max(seq) as seq from matched where last or (asks and once) group by watch_id
), unwatched as (
    delete from watches where id = any (array(select watch_id from ended)) returning id, session_id, subject
), noted as (
    insert into decisions (kind, session_id, note)
    select 'unwatched', session_id, format('watch %s of %s has seen what it waited for', id, subject) from unwatched
), found as materialized (
    select distinct on (m.seq, m.session_id) m.seq, m.wakes, m.session_id, m.watch_id, m.intent
    from matched m
    left join ended e using (watch_id)
    where m.asks and (not m.once or m.seq = e.seq)
    order by m.seq, m.session_id
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
select count(*), exists (select from unwatched) from routed
