-- Where each schedule stands, so that replicas and restarts fire each of its times once.
create table cron_schedules (
    name text primary key,
    -- The expression and its time zone.
    terms text not null,
    -- Up to here it is decided which times fire.
    decided_until timestamptz not null,
    -- Decided, and not known to be published.
    owed timestamptz[] not null default '{}',
    -- When somebody last set out to publish them.
    owed_at timestamptz
);
