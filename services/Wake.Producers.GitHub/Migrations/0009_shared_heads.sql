-- Commits that are the head of several pull requests and were not asked about yet: hardly any. By the list that names one
-- pull request they are not found.
create index heads_shared on github.heads (repository) where awaited like '%,%';
