-- A random part of the id of a wake's message, drawn as its first attempt is claimed and the same for all of them. A restored
-- backup counts the same wakes again, and the CLI would take a new message with an old id for done. Null: the first attempt
-- was claimed by a runner that did not know of it, and the id has none.
alter table turns add column message_salt uuid;

-- Whose a Claude session is or was, closed ones included.
create index session_ids_of_claude on session_ids (claude_session_id);
