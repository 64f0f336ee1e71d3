-- The end of a subject: when a pull request or an issue is over, the session that has it by a route closes, if the route says so.
alter table routes
    -- how long after the end; null: its sessions go on
    add column close_after  interval;

alter table sessions
    -- when it closes if nothing newer comes; null: it does not by itself
    add column close_at  timestamptz,
    -- the event that ended its subject. Still there once it was closed for that: it comes back with its memory.
    add column ended_by  bigint;

create index sessions_ending on sessions (close_at) where close_at is not null and closed_at is null;
create index sessions_ended on sessions (closed_at) where ended_by is not null and closed_at is not null;

-- A session begins afresh with its next turn.
alter table wake_timers
    -- asked for while the turn with this epoch ran, or waited for an answer; the next claim does it
    add column reset_after       bigint,
    -- that turn is interrupted
    add column reset_interrupts  boolean not null default false;
