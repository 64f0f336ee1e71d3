-- The saga: one row per session that was ever due. It is read and written under the session's lock in wake_timers, so it
-- needs neither a version nor a lock of its own.
create table session_wakes (
    session_id     uuid primary key,
    current_state  int not null,
    wake_number    int not null
);
