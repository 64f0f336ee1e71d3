-- A watch says, too, what becomes of its session when its subject is over. And what comes late, after the close, brings a session back without
-- keeping it open: that needs the subject and the policy under which it was closed.
alter table watches
    -- how long after the end of its subject its session closes; null: it goes on
    add column close_after  interval;

alter table sessions
    -- the subject that is over, of which it closes or was closed; null: none, or it was taken up again
    add column ended_subject  text collate "C",
    -- how long after that it closes, the first time and each time that it comes back
    add column close_after    interval;

create index sessions_ended_subject on sessions (ended_subject) where ended_subject is not null;
