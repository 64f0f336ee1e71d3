-- What a turn is about is asked once more before it begins: what was true when it was observed may have ended since.

-- Who can be asked: a producer that knows its source, for as long as it says so.
create table fact_checkers (
    checker   uuid not null,
    -- the subjects it knows, as a LIKE pattern
    pattern   text collate "C" not null,
    types     text[] collate "C" not null,
    seen_at   timestamptz not null default clock_timestamp(),
    primary key (checker, pattern)
);

-- What was asked of the events of a turn, and what was said. Asked once: every attempt of the turn goes by the same answers.
create table fact_checks (
    session_id    uuid not null,
    wake_number   int not null,
    event         bigint not null,
    type          text not null,
    subject       text collate "C" not null,
    related       text[] collate "C",
    -- what of the event's data tells the fact from others: the id of a comment, a commit
    details       json not null,
    observed_at   timestamptz not null,
    -- until when the turn waits for the answer
    deadline      timestamptz not null,
    checker       uuid,
    -- 'holds', 'noLonger' or 'unknown'; null until it is answered
    answer        text,
    -- what has become of it, or why nobody knows
    reason        text,
    answered_at   timestamptz,
    primary key (event, session_id, wake_number)
);

create index fact_checks_of_turn on fact_checks (session_id, wake_number);
create index fact_checks_open on fact_checks (deadline) where answer is null and checker is null;

-- Whether the watch ended with this event: nobody will tell its session of what comes after. Null where that was not noted.
alter table inbox add column ends_watch boolean;
