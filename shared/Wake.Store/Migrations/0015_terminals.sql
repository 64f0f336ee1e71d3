-- A session that a person has open in a terminal that waits for its wakes: it is woken there, and by no runner.
create table terminals (
    session_id         uuid primary key references sessions,
    claude_session_id  uuid not null,
    -- the process that has it open, by a name that no other process ever has, and as people are told of it
    terminal           text collate "C" not null,
    place              text not null,
    since              timestamptz not null default clock_timestamp(),
    -- Until when it attends the session: renewed while it is connected. Over: nobody does, and any runner may go on.
    attended_until     timestamptz,
    -- the process whose connection counts; of two the newer one
    waiter             uuid,
    -- a turn is under way there, a wake's or one that the person typed
    busy               boolean not null default false,
    -- the wake it has claimed
    wake_number        int,
    epoch              bigint,
    -- what its message contains and no other does
    marker             text collate "C",
    -- when it was taken, and when the session was seen to have read it
    acknowledged_at    timestamptz,
    begun_at           timestamptz,
    -- the newest wake that whoever has it open has been told of
    seen_wake          int not null default 0
);

create index terminals_terminal on terminals (terminal);

-- A session that a terminal has registered by being opened ends when it is left and nothing is expected for it.
alter table sessions add column by_terminal boolean not null default false;

-- A terminal has made an attempt: its message may stand in the transcript under an id that the CLI drew.
alter table turns add column in_terminal boolean not null default false;
