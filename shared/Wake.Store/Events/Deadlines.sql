-- Decides about the deadlines of watches that have passed: something came, or nothing did. Whatever a watch matched since it was made
-- is in the inbox of its session, by this watch or another. What matches() means is said in EventMatch.
--
-- Locked and passed over when locked: of several coordinators one decides. With now(), which an index can be searched by: with
-- clock_timestamp() each look would pass all the deadlines that are still to come.
with due as materialized (
    select w.*
    from watches w
    where w.expect_due_at <= now() - @grace and w.expect_outcome is null
    order by w.expect_due_at
    limit @size
    for update skip locked
), decided as (
    update watches
    set expect_outcome = d.outcome, expect_due_at = case when d.outcome = 'silent' then watches.expect_due_at end
    from (select w.id,
                 case when exists (
                     select from inbox i join events e on e.seq = i.event
                     where i.session_id = w.session_id and i.wakes and (i.watch_id = w.id or i.routed_at >= w.created_at)
                       and case when w.pattern is null then e.subject = w.subject or w.subject = any (e.related)
                                else e.subject like w.pattern or exists (select from unnest(e.related) topic where topic like w.pattern) end
                       and matches(w, e)
                       -- one that had expired as it came was told to nobody
                       and (e.expires_at is null or e.expires_at > e.accepted_at)
                       -- nor is it an answer that another watch waits as well
                       and e.type <> @silent)
                 then 'came' else 'silent' end as outcome
          from due w) d
    where watches.id = d.id
    returning watches.id, watches.session_id, watches.subject, watches.expect_by, watches.expect_outcome
), noted as (
    insert into decisions (kind, session_id, note)
    select 'silent', session_id, format('watch %s of %s: nothing came by %sZ', id, subject,
                                        to_char(expect_by at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
    from decided where expect_outcome = 'silent'
)
select (select count(*) from due)::int
