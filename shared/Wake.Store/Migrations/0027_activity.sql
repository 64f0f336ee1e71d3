-- All at once, and before the indexes are made: who holds one of these and wants another waits for a moment alone.
lock table pauses in access exclusive mode;
lock table events, decisions in share mode;

-- What people did, the newest first: a handful among all that is decided and accepted.
create index decisions_of_people on decisions (at, seq) where kind in ('closed', 'answered', 'permitted', 'withdrawn', 'reset');
create index events_of_people on events (accepted_at, seq) where type = 'wake.requested' or replay_of is not null;

alter table pauses
    -- who made and who ended it; null when that is not known
    add column created_by text,
    add column ended_by text;
