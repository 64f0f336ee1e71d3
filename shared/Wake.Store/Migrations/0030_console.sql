-- What people look after beside sessions. Of what lies in the broker's error queues the coordinator keeps a picture here, since
-- nobody else may read there; what somebody wants done with a message is a row, too, and the coordinator does it.
create table dead_letters (
    -- of the queue and the whole message, so that looking again finds the same
    id         text collate "C" primary key,
    queue      text collate "C" not null,
    reason     text not null,
    -- its beginning
    body       text not null,
    seen_at    timestamptz not null default clock_timestamp(),
    -- 'redrive' or 'drop'; null while nobody has decided
    wanted     text,
    trust      boolean not null default false
);
create index dead_letters_seen on dead_letters (seen_at);
create index dead_letters_wanted on dead_letters (queue) where wanted is not null;

-- What people did that is about no session and no event.
create table operator_actions (
    seq      bigint generated always as identity primary key,
    at       timestamptz not null default clock_timestamp(),
    kind     text not null,
    note     text,
    done_by  text
);
create index operator_actions_recent on operator_actions (at, seq);

-- What a runner says of itself while it runs, and whether it is drained: then it begins no turn, whatever process goes by its
-- name.
alter table runners
    add column reported_at     timestamptz,
    add column warm            int,
    add column memory_bytes    bigint,
    add column claude_version  text,
    -- why it takes no work: the CLI does not start, nobody is logged in, a usage limit
    add column problem         text,
    add column drained_at      timestamptz;

-- How the producers are, for people: nothing is decided by it, and what is lost of it in a crash is lost.
create table webhook_reports (
    hook        text collate "C" primary key,
    -- the last delivery: 'accepted', 'ignored' or 'refused'
    at          timestamptz not null,
    outcome     text not null,
    -- the last one that was genuine
    genuine_at  timestamptz
);
create table webhook_rejections (
    seq      bigint generated always as identity primary key,
    hook     text collate "C" not null,
    at       timestamptz not null,
    status   int not null,
    reason   text not null,
    address  text
);
create index webhook_rejections_of_hook on webhook_rejections (hook, seq);
create table schedule_reports (
    name       text collate "C" primary key,
    at         timestamptz not null default clock_timestamp(),
    next_at    timestamptz,
    fired_at   timestamptz,
    -- the last time that was published later than a minute after it, or not at all
    missed_at  timestamptz
);
create table account_reports (
    account        text collate "C" primary key,
    at             timestamptz not null default clock_timestamp(),
    host           text not null,
    request_limit  bigint,
    remaining      bigint,
    reset_at       timestamptz,
    paused_until   timestamptz,
    -- the webhook deliveries that were asked for again, the last time there were any
    gap_at         timestamptz,
    gap            int
);
