-- What the poller remembers of GitHub: where it is in each repository, and when it may ask again. Its own schema, because
-- nobody else reads it. Losing it costs requests and no events: facts have the same key when they are seen again.
create schema github;

-- A repository somebody watches something in.
create table github.cursors (
    -- the subject of the repository: github:octo-org/hello
    repository  text collate "C" primary key,
    -- the subjects in it that are watched, patterns among them
    watched     text[] collate "C" not null,
    -- the subjects that are looked at because of those: the commits of pull requests
    also        text[] collate "C" not null default '{}',
    -- when to look at it next
    due_at      timestamptz not null default clock_timestamp(),
    -- until when somebody is looking at it: two at once would only spend the budget twice
    busy_until  timestamptz not null default '-infinity',
    -- what was seen last and the ETags it came with: written together, or a change between them would be lost
    -- json, not jsonb: names of checks may hold what jsonb cannot
    state       json not null default '{}'
);

create index cursors_due on github.cursors (due_at);

-- Subjects that a webhook says have moved. Deleted once they have been looked at.
create table github.rings (
    seq         bigint generated always as identity primary key,
    repository  text collate "C" not null,
    subject     text collate "C" not null
);

create index rings_of_repository on github.rings (repository);

-- Hosts that said: not now. Asking all the same can get one banned, so a restart must not forget it.
create table github.pauses (
    host    text collate "C" primary key,
    until   timestamptz not null,
    -- how often in a row: what has no date of its own lasts longer each time
    strikes int not null
);

-- Up to when the deliveries of a hook are accounted for.
create table github.hooks (
    hook   text collate "C" primary key,
    until  timestamptz not null
);
