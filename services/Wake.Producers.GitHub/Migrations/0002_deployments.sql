-- Whether somebody waits for these in a repository: they are more to ask for.
alter table github.cursors
    add column deployments  boolean not null default false,
    add column releases     boolean not null default false;

-- By any of the processes: each of them asking for the same would double it.
alter table github.hooks add column looked_at timestamptz not null default now();
