-- What is told of an event beside what it says itself. Both are null for events of before.
alter table events
    -- whose own reading of genuine deliveries it comes from ('github'); empty where only the word of who published it stands
    -- behind it; null where that was not known
    add column scope text collate "C",
    -- what of it was not taken as it came
    add column warnings text[];

-- Events that came under the dedup key of another fact: another type or subject, or without the proof that the other one has.
-- They are stored under a key made of theirs and of what else makes the fact, so that keys stay unique for every version.
create table collisions (
    event      bigint primary key,
    -- the key it came with
    dedup_key  text collate "C" not null,
    -- the event that has it
    held_by    bigint not null,
    at         timestamptz not null default now()
);
