-- What the events of a key may say, by their beginnings; null: anything.
alter table api_keys
    add column sources    text[],
    add column types      text[],
    add column subjects   text[],
    -- the name under which its dedup keys count; null: its own id
    add column namespace  text;
