-- What became of a turn is reported where its reason came from: as a comment on the pull request or issue, or as a status of the commit.

-- What a route, a watch or a profile says of that: 'none', 'comment' or 'status'; null: nothing.
alter table routes add column report text;
alter table watches add column report text;
-- Of a watch that told of the event. By the time of the turn it may have ended.
alter table inbox add column report text;
alter table profile_pools add column report text;

create function profile_report(of_profile text) returns text language sql stable as $$
    select p.report from profile_pools p
    where p.profile = case when exists (select from profile_pools o where o.profile = of_profile) then of_profile else 'default' end
$$;

-- A place where a session reports: one comment on a subject, or the status of a commit.
create table reports (
    -- stands in the comment, which is found by it when nobody knows whether it was sent
    id            uuid primary key default gen_random_uuid(),
    session_id    uuid not null,
    subject       text collate "C" not null,
    kind          text not null,
    -- of a status the commit, where the events name one; empty: the head of the subject
    sha           text collate "C" not null default '',
    -- when to send; null: nothing is owed. Later than another turn that ended meanwhile: that one stays owed.
    due_at        timestamptz,
    -- Somebody is sending it; over: they have died, and whether it has arrived nobody knows. Tells the senders apart, too.
    lease_until   timestamptz,
    attempts      int not null default 0,
    error         text,
    -- the login that has written it, or was about to
    author        text,
    -- when a comment was about to be made; with no id it may stand there or not
    sent_at       timestamptz,
    comment_id    bigint,
    -- A person has deleted the comment: there is to be none.
    deleted_at    timestamptz,
    -- by whom the comment was seen and passed over
    seen_by       text[] not null default '{}',
    -- other comments of the same author with the same id in them: there should be none
    doubles       bigint[] not null default '{}',
    unique (session_id, subject, kind, sha)
);

create index reports_due on reports (due_at) where due_at is not null;

-- What is reported of a turn.
create table report_turns (
    report        uuid not null references reports on delete cascade,
    wake_number   int not null,
    outcome       text not null,
    -- the last words of the turn, or why it has failed
    words         text,
    ended_at      timestamptz not null default clock_timestamp(),
    settled_at    timestamptz,
    -- why it was not reported; null where it was, or is still to be
    refused       text,
    primary key (report, wake_number)
);

create index report_turns_ended on report_turns (ended_at);

-- Stated in the transaction that ends the turn, whoever ends it. What a turn is about is the subject of each event that woke it, or what a
-- commit belongs to. Only subjects of GitHub: nobody can write to others. The newest twenty; a turn about more is about nothing in particular.
create function state_report() returns trigger language plpgsql security definer as $$
begin
    with told as (
        select distinct on (topic.subject, sha) topic.subject, p.report, x.sha, i.event
        from inbox i
        join events e on e.seq = i.event
        join sessions s on s.id = i.session_id
        left join routes r on r.id = i.route_id
        cross join lateral (select coalesce(i.report, r.report, profile_report(s.profile)) as report) p
        cross join lateral (
            select e.subject where e.subject ~ '#[0-9]+$'
            union all
            select related from unnest(e.related) related where e.subject !~ '#[0-9]+$' and related ~ '#[0-9]+$') topic (subject)
        cross join lateral (
            select case when p.report = 'status' then coalesce(substring(e.subject from '@([0-9a-f]{40,64})$'), '') else '' end as sha) x
        where i.session_id = new.session_id and i.wake_number = new.wake_number and i.wakes
          and p.report in ('comment', 'status') and topic.subject ~ '^github(@[^/#]+)?:[^/#]+/[^/#]+#[0-9]+$'
        order by topic.subject, sha, i.event desc
    ), places as (
        insert into reports as known (session_id, subject, kind, sha, due_at)
        select new.session_id, subject, report, sha, clock_timestamp()
        from (select * from told order by event desc limit 20) newest
        order by subject, report, sha
        on conflict (session_id, subject, kind, sha) do update set
            due_at = case when known.deleted_at is null then excluded.due_at end, attempts = 0
        returning id, deleted_at
    )
    insert into report_turns (report, wake_number, outcome, words, settled_at, refused)
    select id, new.wake_number, new.outcome, coalesce(new.said, left(new.note, 1000)),
           case when deleted_at is not null then clock_timestamp() end,
           case when deleted_at is not null then 'its comment was deleted' end
    from places
    on conflict do nothing;
    return null;
end
$$;

create trigger state_report after update of ended_at on turns for each row
when (old.ended_at is null and new.ended_at is not null and new.outcome <> 'stale')
execute function state_report();

-- A table of the caller's own, which comes first otherwise, would be taken for one of these, with the rights of their owner.
do $$
begin
    execute format('alter function state_report() set search_path = %I, pg_temp', current_schema());
end
$$;
