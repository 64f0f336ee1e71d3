-- What a runner keeps warm, found by its name: who starts in its place looks for it among all sessions.
create index session_ids_warm on session_ids (warm_on) where warm_until is not null;
