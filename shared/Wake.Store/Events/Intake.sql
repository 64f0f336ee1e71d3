-- One batch of observations in one statement: deduplicated, matched, put into inboxes, debounced (the timer of each session is
-- armed with the quiet window, up to the max wait). Read from top to bottom. What matches() and is_last() mean is said in EventMatch.
--
-- Look-ups are LATERAL with LIMIT or OFFSET 0, which keeps them index probes whatever the planner believes about the size of
-- a table it has not analysed yet. Inserts are sorted, so that two batches with the same keys wait for each other instead of
-- deadlocking.
with input as materialized (
    select *
    from unnest(@id::text[], @source::text[], @type::text[], @subject::text[], @related::text[], @dedup_key::text[], @reason::text[],
                @wakes::bool[], @urgent::bool[], @sessions::text[], @actor::text[], @happened_at::timestamptz[],
                @expires_at::timestamptz[], @data::text[], @traceparent::text[], @tracestate::text[], @replay_of::text[],
                @scope::text[], @scoped_key::text[], @warnings::text[], @ends::bool[])
         with ordinality as i (id, source, type, subject, related, dedup_key, reason,
                               wakes, urgent, sessions, actor, happened_at,
                               expires_at, data, traceparent, tracestate, replay_of,
                               scope, scoped_key, warnings, ends, ord)
), holders as materialized (
    -- Who has the key. With another type or subject that is another fact. So it is where somebody else has told it, whose word hides
    -- nothing: only what is verified, whose scope is a name without a colon, has been told for everybody. Before scopes were kept
    -- nobody knew.
    select i.ord, e.seq, e.id,
           e.type = i.type and e.subject = i.subject
           and coalesce(e.scope = i.scope or (e.scope <> '' and e.scope not like '%:%' and (i.scope = '' or i.scope like '%:%')), true) as same
    from input i
    cross join lateral (select e.seq, e.id, e.type, e.subject, e.scope from events e where e.dedup_key = i.dedup_key limit 1) e
), known as materialized (
    select ord, seq, id from holders where same
    union all
    -- or stored under the key that it was given then
    select i.ord, e.seq, e.id
    from input i
    cross join lateral (select e.seq, e.id from events e where e.dedup_key = i.scoped_key limit 1) e
    where (select exists (select from collisions)) and not exists (select from holders h where h.ord = i.ord and h.same)
), firsts as materialized (
    -- numbered in the order observed, whatever order they are written in. Of facts that come together with one key the first alone: the
    -- others are taken in the next round, which sees who has the key. Otherwise two batches could store one fact under both keys.
    select nextval('events_seq') as seq, f.*
    from (select distinct on (f.stored_key) f.*
          from (select i.*, case when h.ord is null then i.dedup_key else i.scoped_key end as stored_key
                from input i
                left join holders h using (ord)
                where not exists (select from known k where k.ord = i.ord)) f
          order by f.stored_key, f.ord) f
    order by f.ord
), written as (
    insert into events (seq, id, source, type, subject, related, dedup_key, reason, wakes, urgent, sessions, actor,
                        happened_at, expires_at, data, traceparent, replay_of, tracestate, scope, warnings)
    select seq, id, source, type, subject, related::text[], stored_key, reason, wakes, urgent, sessions::text[], actor,
           happened_at, expires_at, data::json, traceparent, replay_of, tracestate, scope, warnings::text[]
    from firsts
    order by stored_key
    on conflict (dedup_key) do nothing
    returning seq
), facts as materialized (
    -- late: kept in the inboxes, for whoever asks, and nothing comes of it
    select f.*, coalesce(f.expires_at <= now(), false) as late from firsts f join written using (seq)
), collided as materialized (
    select f.seq, f.dedup_key, h.seq as held_by, h.id as held_by_id
    from facts f join holders h using (ord)
    where f.stored_key <> f.dedup_key
), counted as (
    insert into collisions (event, dedup_key, held_by) select seq, dedup_key, held_by from collided
), topics as (
    -- place: its own subject comes before those it is related to
    select seq, subject as topic, 0 as place from facts
    union all
    select f.seq, r.topic, r.place
    from facts f
    cross join lateral unnest(f.related::text[]) with ordinality r (topic, place)
    where f.related is not null
), watched as (
    select t.seq, w.*
    from topics t
    cross join lateral (select * from watches w where w.subject = t.topic and w.pattern is null offset 0) w
    union all
    -- A pattern is found by its part before the first *, which is one of the beginnings of the topic.
    select t.seq, w.*
    from topics t
    cross join lateral (select * from watches w
                        where w.pattern is not null
                          and w.prefix = any (array(select left(t.topic, n) from generate_series(0, length(t.topic)) n))
                        offset 0) w
    where (select exists (select from watches where pattern is not null)) and t.topic like w.pattern
), hits as materialized (
    -- asks: it shall be told; ends: with it the watch does. What only waits for the next turn uses no watch up that is good for
    -- one event; a type that a watch lasts until ends it however it comes.
    select f.seq, w.session_id, w.id as watch_id, w.intent, w.ci, w.report, m.asks, ((m.asks and w.once and f.wakes) or m.last) and not f.late as ends
    from watched w
    join facts f using (seq)
    cross join lateral (select matches(w, f) as asks, is_last(w, f) as last) m
    where (m.asks or m.last) and (w.expires_at is null or w.expires_at > now())
    union all
    select f.seq, s.id, null, null, null, null, true, false
    from facts f
    cross join lateral unnest(f.sessions::text[]) as named (key)
    cross join lateral (select s.id from sessions s where s.key = named.key and s.closed_at is null offset 0) s
    where f.sessions is not null
), concerned as materialized (
    -- What ends a subject, or takes it up again, concerns the session that has the subject by the key of a route which closes its
    -- sessions, one that watches the subject to close with it, and, when it is taken up again, one that is to close for it. Whatever
    -- types they ask for.
    select f.seq, f.ends, f.subject, session_key(r.session, f.subject) as key, r.close_after
    from facts f
    cross join lateral (select * from routes where ended_at is null and close_after is not null offset 0) r
    where (select exists (select from input where ends is not null)) and f.ends is not null and not f.late and f.subject like r.pattern
    union all
    select f.seq, f.ends, f.subject, s.key, w.close_after
    from facts f
    cross join lateral (select * from watches w where w.subject = f.subject and w.pattern is null offset 0) w
    cross join lateral (select s.key from sessions s where s.id = w.session_id and s.closed_at is null offset 0) s
    where (select exists (select from input where ends is not null)) and f.ends is not null and not f.late
      and w.close_after is not null and (w.expires_at is null or w.expires_at > now())
    union all
    select f.seq, f.ends, f.subject, s.key, null
    from facts f
    cross join lateral (select s.key from sessions s where s.ended_subject = f.subject and s.closed_at is null offset 0) s
    where (select exists (select from input where not ends)) and not f.ends and not f.late
), verdicts as materialized (
    -- the newest word on each
    select distinct on (key) key, seq, ends, case when ends then now() + close_after end as close_at,
           case when ends then seq end as ended_by, case when ends then subject end as ended_subject,
           case when ends then close_after end as close_after
    from concerned
    order by key, seq desc, close_after
), held as materialized (
    -- Locked before watches and timers, and by their keys, as a close takes them.
    select v.key, s.id, s.profile, s.close_at
    from (select * from verdicts order by key) v
    cross join lateral (select s.id, s.profile, s.close_at from sessions s where s.key = v.key and s.closed_at is null for no key update) s
), ended as materialized (
    -- Locked, and gone if another batch has ended it: once is once, however many come at the same time.
    select e.watch_id, e.seq
    from (select watch_id, min(seq) as seq from hits where ends and (select count(*) from held) >= 0 group by watch_id order by watch_id) e
    cross join lateral (select w.id from watches w where w.id = e.watch_id for update) w
), unwatched as (
    delete from watches
    where (select exists (select from ended)) and id = any (array(select watch_id from ended))
    returning id, session_id, subject
), noted as (
    insert into decisions (kind, session_id, note)
    select 'unwatched', session_id, format('watch %s of %s has seen what it waited for', id, subject) from unwatched
), matched as materialized (
    select t.seq, t.place, t.topic, r.id as route_id, r.name, r.session_pattern, r.profile, r.workspace, r.close_after,
           session_key(r.session, t.topic) as key
    from topics t
    join facts f using (seq)
    cross join lateral (select * from routes where ended_at is null offset 0) r
    where (select exists (select from routes where ended_at is null)) and t.topic like r.pattern and matches(r, f)
), known_sessions as materialized (
    -- A route means the session that has the subject, or one of its kind that watches it, or else that of a related subject:
    -- the pull request belongs to the session of the issue it closes.
    select distinct on (m.seq, m.route_id) m.seq, m.route_id, s.id as session_id, s.key, s.profile
    from matched m
    cross join lateral (
        select s.id, s.key, s.profile, 0 as kind from sessions s where s.key = m.key and s.closed_at is null
        union all
        select s.id, s.key, s.profile, 1
        from watches w
        cross join lateral (
            select s.id, s.key, s.profile from sessions s
            where s.id = w.session_id and s.key like m.session_pattern and s.closed_at is null offset 0) s
        where w.subject = m.topic and w.pattern is null and (w.expires_at is null or w.expires_at > now())
        offset 0) s
    order by m.seq, m.route_id, m.place, s.kind, s.id
), ending as (
    update sessions s
    set close_at = v.close_at, ended_by = v.ended_by, ended_subject = v.ended_subject, close_after = v.close_after
    from verdicts v join held h using (key)
    where s.id = any (array(select id from held)) and s.id = h.id and (v.ends or h.close_at is not null)
    returning s.id, v.seq, v.ends
), homeless as materialized (
    -- What starts no turn begins no session, and neither does the end of a subject where it would close again.
    select m.*
    from matched m
    join facts f using (seq)
    where f.wakes and not f.late and not (f.ends is true and m.close_after is not null)
      and not exists (select from known_sessions k where k.seq = m.seq and k.route_id = m.route_id)
), founders as materialized (
    select distinct on (h.seq, h.route_id) h.*
    from homeless h
    order by h.seq, h.route_id,
             -- a session that an event before it in the batch begins is as good as one that is there
             not exists (select from homeless e where e.key = h.key and e.seq < h.seq and e.place = 0), h.place
), gone as materialized (
    -- A session that was closed because its subject was over comes back with its memory, unless another has taken that over: with
    -- whatever its route tells it, or, where no route gives its key, when the subject is taken up again.
    select b.key, b.seq, b.recalled, s.id,
           case when not b.lifted and s.close_after is not null then s.ended_by end as ended_by,
           case when not b.lifted then s.ended_subject end as ended_subject,
           case when not b.lifted then s.close_after end as close_after
    from (select n.key, n.seq, false as recalled, case when not f.ends then f.subject end as reopened
          from (select distinct on (key) key, seq from founders order by key, seq) n
          join facts f using (seq)
          union all
          (select distinct on (s.key) s.key, f.seq, true, f.subject
           from facts f
           cross join lateral (select s.key from sessions s where s.ended_subject = f.subject and s.closed_at is not null offset 0) s
           where (select exists (select from input where not ends)) and not f.ends and f.wakes and not f.late
             and not exists (select from concerned c where c.seq = f.seq and c.key = s.key)
             and not exists (select from founders n where n.key = s.key)
           order by s.key, f.seq)) f
    cross join lateral (select s.id, s.closed_at, s.ended_by, s.ended_subject, s.close_after from sessions s
                        where s.key = f.key order by s.closed_at desc limit 1) s
    cross join lateral (select f.key, f.seq, f.recalled, coalesce(s.ended_subject = f.reopened, false) as lifted) b
    where s.closed_at is not null and s.ended_by is not null and (b.lifted or not b.recalled)
      and not exists (select from session_ids mine
                      cross join lateral (select from session_ids other
                                          where other.claude_session_id = mine.claude_session_id and not other.closed offset 0) taken
                      where mine.session_id = s.id)
), returned as (
    -- It closes again as it did before, unless its subject is taken up again.
    update sessions s
    set closed_at = null, close_at = b.close_at, ended_by = b.ended_by, ended_subject = b.ended_subject, close_after = b.close_after
    from (select g.id, x.*
          from gone g
          left join verdicts v on v.key = g.key and v.seq >= g.seq
          cross join lateral (select v.close_at, v.ended_by, v.ended_subject, v.close_after where v.key is not null
                              union all
                              select now() + g.close_after, g.ended_by, g.ended_subject, g.close_after where v.key is null) x) b
    where s.id = any (array(select id from gone)) and s.id = b.id
    returning s.id, s.key, s.profile
), lifted as (
    -- Taken up again while it is closed: what brings it back later finds no end.
    update sessions s
    set ended_subject = null, close_after = null
    where (select exists (select from input where not ends)) and s.closed_at is not null
      and s.ended_subject = any (array(select subject from facts where not ends and not late))
      and s.id <> all (array(select id from gone))
), remembered as (
    update session_ids set closed = false where session_id = any (array(select id from returned))
), founded as (
    insert into sessions (id, key, workspace, profile, close_at, ended_by, ended_subject, close_after)
    select gen_random_uuid(), n.key, session_folder(n.workspace, n.key), n.profile, v.close_at, v.ended_by, v.ended_subject, v.close_after
    from (select distinct on (key) * from founders order by key, seq, name) n
    left join verdicts v on v.key = n.key and v.seq > n.seq
    where not exists (select from gone where gone.key = n.key)
    order by n.key
    -- Another batch may begin it at this moment, out of this one's sight: then this gives its row.
    on conflict (key) where closed_at is null do update set key = excluded.key
    returning id, key, profile, xmax = 0 as new
), recorded as (
    insert into decisions (kind, session_id, note)
    select 'created', d.id, 'by route ' || (select name from founders f where f.key = d.key order by f.seq, f.name limit 1)
    from founded d where d.new
    union all
    select 'reopened', d.id, coalesce('by route ' || (select name from founders f where f.key = d.key order by f.seq, f.name limit 1),
                                      'its subject is taken up again')
    from returned d
    union all
    select case when n.ends then 'ending' else 'goesOn' end, n.id, format('%s of %s', f.type, f.subject)
    from ending n join facts f using (seq)
), begun as materialized (
    select id, key, profile from founded
    union all
    select id, key, profile from returned
), by_route as materialized (
    select distinct on (seq, session_id) *
    from (select seq, route_id, session_id, key, profile from known_sessions
          union all
          select f.seq, f.route_id, d.id, d.key, d.profile from founders f join begun d using (key)) r
    order by seq, session_id, route_id
), targets as materialized (
    -- one row per event and session, the event's own word first
    select distinct on (seq, session_id) t.*, r.route_id, bool_or(t.ends) over own as ends_watch,
           -- of whichever of its watches has one
           (array_agg(t.ci) filter (where t.ci is not null) over own)[1] as watch_ci,
           (array_agg(t.report) filter (where t.report is not null) over own)[1] as watch_report
    from (select h.seq, h.session_id, h.watch_id, h.intent, h.ci, h.report, s.key, s.profile, 0 as kind, e.seq is not null and e.seq = h.seq as ends
          from hits h
          left join ended e on e.watch_id = h.watch_id
          cross join lateral (select s.key, s.profile from sessions s where s.id = h.session_id and s.closed_at is null offset 0) s
          where h.asks and h.seq <= coalesce(e.seq, case when not h.ends then h.seq end)
          union all
          select seq, session_id, null, null, null, null, key, profile, 1, false from by_route
          union all
          select g.seq, r.id, null, null, null, null, r.key, r.profile, 1, false from gone g join returned r using (id) where g.recalled
          union all
          -- the last word, for whoever asks, also where it wakes nobody
          select c.seq, h.id, null, null, null, null, h.key, h.profile, 2, false from concerned c join held h using (key) where c.ends or h.close_at is not null
          union all
          select c.seq, b.id, null, null, null, null, b.key, b.profile, 2, false
          from concerned c join begun b using (key)
          where c.seq > (select min(seq) from founders f where f.key = c.key)) t
    left join by_route r using (seq, session_id)
    window own as (partition by seq, session_id)
    order by seq, session_id, t.kind, t.watch_id nulls first
), routed as (
    insert into inbox (event, session_id, watch_id, route_id, wakes, intent, ends_watch, ci, report)
    select t.seq, t.session_id, t.watch_id, t.route_id, f.wakes and t.kind < 2, t.intent, t.ends_watch, t.watch_ci, t.watch_report
    from targets t join facts f using (seq)
    order by 1, 2
    on conflict do nothing
), paused as materialized (
    -- held by a pause
    select f.seq
    from facts f
    where (select exists (select from pauses p where not p.resumed and p.breaker is null and p.scope in ('source', 'subject')))
      and exists (select from pauses p
                  where not p.resumed and p.ended_at is null and p.breaker is null and (p.until is null or p.until > clock_timestamp())
                    and pause_holds(p.scope, p.name, p.subject_pattern, f.source, f.subject, f.related::text[]))
), armed as (
    insert into wake_timers as timer (session_id, events_due_at, ceiling_at, urgent, held)
    select t.session_id,
           now() + case when bool_or(f.urgent) then interval '0' else min(coalesce(own.quiet, @default_quiet)) end,
           now() + min(coalesce(own.max_wait, @default_max_wait)),
           bool_or(f.urgent),
           bool_and(f.seq in (select seq from paused))
    from targets t
    join facts f using (seq)
    left join unnest(@profile::text[], @quiet::interval[], @max_wait::interval[]) as own (profile, quiet, max_wait) on own.profile = t.profile
    where f.wakes and not f.late and t.kind < 2
    group by t.session_id
    order by t.session_id
    on conflict (session_id) do update set
        events_due_at = case
            when timer.urgent or excluded.urgent then least(timer.events_due_at, now())
            else least(excluded.events_due_at, coalesce(timer.ceiling_at, excluded.ceiling_at))
        end,
        ceiling_at = coalesce(timer.ceiling_at, excluded.ceiling_at),
        urgent = timer.urgent or excluded.urgent,
        -- A person does not wait for a backoff or a park. For a turn that is running it only makes the saga look once more.
        nudged = timer.nudged or (excluded.urgent and timer.owed_at is not null),
        owed_at = case when excluded.urgent and timer.owed_at is not null then least(timer.owed_at, now())
                       -- What it waits for concerns other events, perhaps. Where it concerns these as well, one look is for all that
                       -- come meanwhile: it takes as long as much is held.
                       when timer.held and timer.owed_at is not null
                       then least(timer.owed_at, excluded.events_due_at + case when excluded.held then interval '5 seconds' else interval '0' end)
                       else timer.owed_at end
    returning due_at
), repeated as (
    insert into duplicates (event, observation, source)
    select coalesce(k.seq, f.seq), i.id, i.source
    from input i
    left join known k using (ord)
    left join facts f on f.scoped_key = i.scoped_key and f.ord <> i.ord
    where k.ord is not null or f.seq is not null
), told as (
    select seq, array_agg(key order by key) as keys from targets group by seq
)
select i.ord,
       -- null: another batch wrote the same fact, or another one under its key, at this moment, out of this snapshot's sight; or an
       -- event before it in this batch has its key
       coalesce(k.seq, f.seq) as event,
       k.seq is not null or f.ord <> i.ord as duplicate,
       coalesce(k.id, f.id) as first_id,
       told.keys,
       -- a turn that waits for a person is due at no time
       (select min(due_at) from armed where due_at < 'infinity') - clock_timestamp() as due_in,
       -- of the first with it alone: those after it are duplicates of that one
       case when f.ord = i.ord then c.held_by_id end as collides_with
from input i
left join known k using (ord)
left join facts f using (scoped_key)
left join told on told.seq = f.seq
left join collided c on c.seq = f.seq
order by i.ord
