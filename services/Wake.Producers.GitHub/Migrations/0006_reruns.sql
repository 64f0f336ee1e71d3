-- Of each of the subjects in watched, in their order, whether its failed checks are run again before anybody is told: 0 no, 1 those of
-- pull requests that sessions have opened, 2 of everybody's. Empty where an older version wrote them.
alter table github.cursors add column reruns int[] not null default '{}';
