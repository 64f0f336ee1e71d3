-- What a route or a watch says of the failures of CI: run again first, how often a session tries, when a person is asked. As JSON, with every
-- value in it; null: nothing.
alter table routes add column ci jsonb;
alter table watches add column ci jsonb;
-- Of a watch that told of the event. By the time of the turn it may have ended.
alter table inbox add column ci jsonb;

-- The last words of the turn, cut short: what a later one is told that this one tried.
alter table turns add column said text;

-- A failure of CI that a session was woken with, of a pull request whose attempts are counted.
create table ci_attempts (
    session_id   uuid not null,
    -- the pull request
    subject      text collate "C" not null,
    wake_number  int not null,
    event        bigint not null,
    -- the commit that failed
    sha          text,
    -- the checks that failed there
    checks       text[] collate "C" not null,
    -- the first error without what differs from run to run; null where no log could be read
    error        text,
    excerpt      text,
    -- false: no test has failed, and no attempt is spent
    counts       boolean not null,
    -- a person was asked instead of the session
    escalated    boolean not null default false,
    at           timestamptz not null default clock_timestamp(),
    -- since then it counts no more: CI has passed, or a person has allowed new attempts
    reset_at     timestamptz,
    primary key (session_id, subject, wake_number)
);

create index ci_attempts_at on ci_attempts (at);
