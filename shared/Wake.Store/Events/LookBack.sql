-- Routes to watches what was accepted shortly before them. What is found has waited already, so it is due at once. What matches()
-- and is_last() mean is said in EventMatch.
--
-- What is read are the events of the last minutes, as a range of their numbers, and of those only the ones about the subject or
-- related to something: neither an older event nor another watch makes it longer.
with target as materialized (
    select w.*
    from watches w
    join sessions s on s.id = w.session_id and s.closed_at is null
    where w.id = any (@watches)
), span as materialized (
    select events_before(oldest - @look_back) as low, (select max(seq) from events) as high
    from (select min(created_at) as oldest from target) t
    where oldest is not null
), topics as materialized (
    -- one look at what is related to something, for all of them
    select e.seq, topic
    from span
    cross join lateral (select e.seq, e.related from events e where e.related is not null and e.seq between span.low and span.high offset 0) e
    cross join lateral unnest(e.related) topic
), candidates as materialized (
    select w.id as watch_id, e.seq
    from target w
    cross join span
    cross join lateral generate_series(span.low >> 15, span.high >> 15) part
    cross join lateral (select e.seq from events e where (e.seq >> 15) = part and e.subject = w.subject offset 0) e
    where w.pattern is null and e.seq >= span.low
    union
    select w.id, t.seq from target w join topics t on t.topic = w.subject where w.pattern is null
    union
    select w.id, e.seq
    from target w
    cross join span
    cross join lateral (select e.seq, e.subject from events e where e.seq between span.low and span.high offset 0) e
    where w.pattern is not null and e.subject like w.pattern
    union
    select w.id, t.seq from target w join topics t on t.topic like w.pattern where w.pattern is not null
), matched as materialized (
    select e.seq, e.wakes, w.session_id, w.id as watch_id, w.subject, w.intent, w.ci, w.report, w.once, m.asks, m.last
    from candidates c
    join target w on w.id = c.watch_id
    cross join lateral (select * from events e where e.seq = c.seq and e.accepted_at > w.created_at - @look_back offset 0) e
    cross join lateral (select matches(w, e) as asks, is_last(w, e) as last) m
    where (e.expires_at is null or e.expires_at > now()) and (m.asks or m.last)
      -- What the session was told already it does not mean when it asks to be told.
      and not exists (select from inbox i where i.event = e.seq and i.session_id = w.session_id)
), ended as materialized (
    -- Of several that a watch for one event could tell of, it tells of the newest: that is how things stand.
    select watch_id, max(seq) filter (where asks and wakes) as told
    from matched
    group by watch_id
    having bool_or(last or (asks and once and wakes))
), unwatched as (
    delete from watches where id = any (array(select watch_id from ended)) returning id, session_id, subject
), noted as (
    insert into decisions (kind, session_id, note)
    select 'unwatched', session_id, format('watch %s of %s has seen what it waited for', id, subject) from unwatched
), found as materialized (
    select distinct on (m.seq, m.session_id) m.seq, m.wakes, m.session_id, m.watch_id, m.intent,
           -- with it, or with another that this look has found
           bool_or(e.watch_id is not null) over own as ends_watch,
           (array_agg(m.ci) filter (where m.ci is not null) over own)[1] as watch_ci,
           (array_agg(m.report) filter (where m.report is not null) over own)[1] as watch_report
    from matched m
    left join ended e using (watch_id)
    where m.asks and (not m.once or case when m.wakes then m.seq = e.told else m.seq <= coalesce(e.told, m.seq) end)
    window own as (partition by m.seq, m.session_id)
    order by m.seq, m.session_id
), routed as (
    insert into inbox (event, session_id, watch_id, wakes, intent, ends_watch, ci, report)
    select seq, session_id, watch_id, wakes, intent, ends_watch, watch_ci, watch_report from found
    order by 1, 2
    on conflict do nothing
    returning event, session_id, wakes
), over as materialized (
    -- The subject of a watch that closes its session may be over already. Its newest word counts.
    select distinct on (w.session_id) w.session_id, e.seq, e.type, e.subject, w.close_after
    from (select distinct on (c.watch_id) c.watch_id, e.seq, e.type, e.subject
          from candidates c
          cross join lateral (select * from events e where e.seq = c.seq offset 0) e
          join target w on w.id = c.watch_id and w.close_after is not null and w.subject = e.subject
          where e.type = any (@ends || @reopenings) and e.accepted_at > w.created_at - @look_back
            and (e.expires_at is null or e.expires_at > now())
          order by c.watch_id, e.seq desc) e
    join target w on w.id = e.watch_id
    where e.type = any (@ends)
    order by w.session_id, w.close_after
), ending as (
    -- What the session was told before it asked for that is nothing newer, though it came after the end.
    update sessions s
    set close_at = now() + o.close_after, ended_subject = o.subject, close_after = o.close_after,
        ended_by = greatest(o.seq, (select max(i.event) from inbox i where i.session_id = s.id and i.wake_number is not null))
    from over o
    where s.id = o.session_id and s.closed_at is null
      and (s.ended_subject is distinct from o.subject or coalesce(s.ended_by < o.seq, true)
           -- and of those that mean one end the soonest counts
           or now() + o.close_after < s.close_at)
    returning s.id, o.type, o.subject
), ended_note as (
    insert into decisions (kind, session_id, note) select 'ending', id, format('%s of %s', type, subject) from ending
), locked as materialized (
    -- in the order the intake takes them, so that the two wait for each other instead of deadlocking
    select session_id from wake_timers
    where session_id in (select session_id from routed where wakes) and (select count(*) from ending) >= 0
    order by 1 for update
), armed as (
    update wake_timers timer
    set events_due_at = least(timer.events_due_at, clock_timestamp()), ceiling_at = coalesce(timer.ceiling_at, clock_timestamp()),
        owed_at = case when timer.held then clock_timestamp() else timer.owed_at end
    from locked where timer.session_id = locked.session_id
)
select count(*) as found, exists (select from unwatched) as ended from routed
