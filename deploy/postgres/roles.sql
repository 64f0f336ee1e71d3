-- A role for each service, for psql as a superuser in the database of Wake, once; wake migrate then says what each may do. The passwords
-- are files, so that none is on a command line or in a history, and psql quotes what is in them.
\set ON_ERROR_STOP on
\set coordinator `cat /etc/wake/secrets/wake_coordinator`
\set gateway `cat /etc/wake/secrets/wake_gateway`
\set runner `cat /etc/wake/secrets/wake_runner`
\set github `cat /etc/wake/secrets/wake_github`
\set cron `cat /etc/wake/secrets/wake_cron`
\set notifier `cat /etc/wake/secrets/wake_notifier`

begin;
-- Before PostgreSQL 15 everybody might.
revoke create on schema public from public;
create role wake_coordinator login password :'coordinator';
create role wake_gateway login password :'gateway';
create role wake_runner login password :'runner';
create role wake_github login password :'github';
create role wake_cron login password :'cron';
create role wake_notifier login password :'notifier';
-- It asks how long the transactions of the others have been open, and looks back more often than it must where it is not told.
grant pg_read_all_stats to wake_coordinator;
commit;
