-- Which account looks at a repository, and until when: producers with other accounts look at others on the same database, and of
-- two that could both look at one only one does. Null: nobody has taken it yet, or an older version did.
alter table github.cursors
    add column account  text collate "C",
    -- when the producer of that account was last seen. Another may go on where it is gone.
    add column seen_at  timestamptz not null default clock_timestamp(),
    -- the accounts that cannot look at it, and until when each leaves it to others
    add column unable   jsonb not null default '{}';

-- What deliveries say of the checks of commits in repositories that no account looks at.
create table github.heads (
    repository  text collate "C" not null,
    sha         text collate "C" not null,
    -- json, not jsonb, for the same reason as above
    state       json not null default '{}',
    -- when to add them up; null when there is nothing to wait for
    due_at      timestamptz,
    -- when the last of them came
    moved_at    timestamptz not null default clock_timestamp(),
    primary key (repository, sha)
);

create index heads_due on github.heads (due_at) where due_at is not null;
create index heads_moved on github.heads (moved_at);
