-- Whether each watched pull request could be merged, and how often that was told. A row of its own, not a part of
-- github.cursors: the poller and the deliveries of webhooks go on from the same, so that both give the same keys.
create table github.merge_states (
    repository  text collate "C" not null,
    number      bigint not null,
    -- json, not jsonb: kept as it is written
    state       json not null,
    -- when what a delivery said may have stood long enough; null when there is nothing to wait for, or a poll waits
    due_at      timestamptz,
    moved_at    timestamptz not null default clock_timestamp(),
    primary key (repository, number)
);

create index merge_states_due on github.merge_states (due_at) where due_at is not null;
create index merge_states_moved on github.merge_states (moved_at);
