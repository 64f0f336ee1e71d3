-- What runs in a turn speaks for its session alone: the token it shows to the API is known by its hash, in the row of the turn, and
-- counts while that runs.
alter table turns add column run_token bytea;

create unique index turns_run_token on turns (run_token) where run_token is not null and ended_at is null;
