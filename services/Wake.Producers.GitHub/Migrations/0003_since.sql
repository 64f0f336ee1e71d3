-- Since when each of the subjects in watched is waited for, in their order; empty where an older version wrote them. A first look
-- may be late: what came before it and after this is news.
alter table github.cursors add column since timestamptz[] not null default '{}';
