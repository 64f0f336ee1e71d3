-- When the call that a person has allowed was made: one that was cut off is not made a second time.
alter table questions add column begun_at timestamptz;

-- The MCP servers that the session's newest turn had, whether they worked or not; null before the first that said so.
alter table sessions add column mcp_servers text[];

-- Whether a wake has begun a Claude session, rather than its owner.
create index session_ids_begun on session_ids (claude_session_id) where wake_number is not null;
