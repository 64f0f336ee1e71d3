-- A turn waits while another process has its Claude session open: two writers would fork its history without a word.
alter table turns
    -- Until when the runner that watches the other process withholds the turn. In force only while not_before is the same:
    -- whoever changes that, an older release included, has ended the hold.
    add column held_until  timestamptz,
    -- that runner
    add column held_by     text,
    -- the process that was seen to have the session open beside the turn
    add column beside      text,
    -- whether its message is on the branch that the session goes on from, when it was saved; null when nobody could tell
    add column on_branch   boolean;

-- A person has said that the next turn may run beside whatever has the session open. Ends with the claim.
alter table wake_timers add column takeover boolean not null default false;

-- The runner whose process stayed with this Claude session, and until when: renewed while it stays.
alter table session_ids
    add column warm_on     text,
    add column warm_until  timestamptz;
