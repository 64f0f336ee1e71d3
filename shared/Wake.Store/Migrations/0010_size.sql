-- What runs by itself reads as much in a store of millions as in a new one.

-- A number below which no event was accepted after this moment, or hardly below. Numbers are given in the order of acceptance,
-- but for transactions that were open at the same time; none is for longer than a minute. So the newest events, and the oldest,
-- are a range of the primary key.
create function events_before(moment timestamptz) returns bigint language plpgsql stable as $$
declare
    high bigint := coalesce((select max(seq) from events), 0) + 1;
    low bigint := high;
    step bigint := 64;
    middle bigint;
begin
    -- Back from the newest in growing steps, then halving the last of them: what is deleted at the old end is not touched.
    loop
        low := greatest(high - step, 0);
        exit when low = 0 or (select accepted_at from events where seq >= low order by seq limit 1) < moment - interval '1 minute';
        high := low;
        step := step * 2;
    end loop;
    while low < high loop
        middle := low + (high - low) / 2;
        if (select accepted_at from events where seq >= middle order by seq limit 1) < moment - interval '1 minute' then
            low := middle + 1;
        else
            high := middle;
        end if;
    end loop;
    return low;
end
$$;

-- Events of a subject among the newest. Begun anew every 32,768 events: all that is written lies close together, where an index
-- by subject alone would write everywhere.
create index events_of_subject on events ((seq >> 15), subject);
create index events_with_related on events (seq) where related is not null;

create index watches_created on watches (created_at, id);

-- A session by its key, the open one first, then the one closed last.
create index sessions_of_key on sessions (key, closed_at desc);
create index sessions_in_workspace on sessions ((workspace collate "C"));

create index questions_of_session on questions (session_id) where outcome is null;

-- Followers of the ledger ask for the newest lines four times a second. An index of block ranges answers that by reading all that
-- was written since the last vacuum; where an ordinary one costs too much, autovacuum is asked for the ranges as they fill.
create index decisions_since on decisions (at);
alter index events_recent set (autosummarize = on);
alter index duplicates_recent set (autosummarize = on);
