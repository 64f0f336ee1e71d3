-- By when checks are to have started, as watches say it: for each the subject, since when, and for how long after a push.
alter table github.cursors add column expects jsonb not null default '[]';

-- Of a head that was not asked about yet: the pull requests it is of, as a list, which is compared with one of a single
-- number. Cut, because anybody may open as many as they like, and an entry of an index has a greatest length.
alter table github.heads add column awaited text collate "C"
    generated always as (case when state ->> 'DeadlineSeen' is distinct from 'true' then left(state ->> 'Pulls', 100) end) stored;

create index heads_awaited on github.heads (repository, awaited) where awaited is not null;
