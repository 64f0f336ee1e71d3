-- What the runners say of themselves when they take their names. Whether one is connected tells the lock on its name.
create table runners (
    name           text collate "C" primary key,
    pool           text collate "C" not null,
    slots          int not null,
    urgent_slots   int not null,
    warm_sessions  int not null,
    version        text not null,
    started_at     timestamptz not null default clock_timestamp()
);
