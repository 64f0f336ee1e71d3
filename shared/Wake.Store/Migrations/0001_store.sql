-- The store that the coordinator, the runners and the gateway share. One store rather than one each, because a claim binds
-- the inbox to the turn in one transaction. Foreign keys stand only off the hot path: intake, claim and sweep are bounded by
-- round trips and index writes.

-- One conversation, known by the key its owner chose.
create table sessions (
    id          uuid primary key,
    key         text collate "C" not null,
    workspace   text not null,
    profile     text collate "C" not null,
    created_at  timestamptz not null default now(),
    closed_at   timestamptz
);

-- A key may be taken again once its session is closed; the id, and with it every message id, is then a new one.
create unique index sessions_open on sessions (key) where closed_at is null;

-- The Claude sessions a session has had, newest last. The last one is resumed.
create table session_ids (
    session_id         uuid not null references sessions,
    position           int  not null,
    claude_session_id  uuid not null,
    -- why it came into use: 'registered', 'first', or why its predecessor could not be resumed
    reason             text not null,
    -- the wake that began it; null when it was registered
    wake_number        int,
    -- whether the CLI has ever opened it: an id that was only chosen is begun, not resumed
    opened             boolean not null,
    closed             boolean not null default false,
    since              timestamptz not null default now(),
    primary key (session_id, position)
);

-- Two sessions on one Claude session would be two writers, and fork its history without a word.
create unique index session_ids_one_owner on session_ids (claude_session_id) where not closed;

-- At most one fresh session per wake.
create unique index session_ids_one_fresh on session_ids (session_id, wake_number) where wake_number is not null;

-- "Wake this session when events match."
create table watches (
    id             uuid primary key,
    session_id     uuid not null references sessions,
    subject        text collate "C" not null,
    -- the subject as a LIKE pattern when it holds a *, else null: exact watches are found by index
    pattern        text collate "C",
    -- the pattern up to its first *, by which patterns are found
    prefix         text collate "C",
    types          text[] collate "C",
    -- the types as LIKE patterns; null matches all
    type_patterns  text[] collate "C",
    -- what else must hold, as it was written, and as satisfies() takes it; null: nothing
    conditions     text[],
    terms          text[] collate "C",
    -- the types whose first event ends it, and as LIKE patterns
    until          text[] collate "C",
    until_patterns text[] collate "C",
    -- the first event it routes ends it
    once           boolean not null default false,
    intent         text,
    created_at     timestamptz not null default clock_timestamp(),
    expires_at     timestamptz,
    -- when to look back once more, for events whose intake was in flight as the watch was written
    look_again_at  timestamptz
);

create index watches_exact on watches (subject) where pattern is null;
create index watches_pattern on watches (prefix) where pattern is not null;
create index watches_of_session on watches (session_id);
create index watches_look_again on watches (look_again_at) where look_again_at is not null;
create index watches_expire on watches (expires_at) where expires_at is not null;

-- Whether an event is as all the terms say: field, = or !=, and a LIKE pattern, one after the other. A field that is not there
-- equals nothing; of a list in the data any entry may match.
create function satisfies(terms text[], type text, subject text, source text, actor text, data text) returns boolean
language plpgsql immutable as $$
declare
    readable json;
    found json;
    matches boolean;
begin
    for i in 1 .. cardinality(terms) by 3 loop
        if terms[i] like 'data.%' then
            -- Escapes that json allows and text does not would fail the whole batch, wherever in the data they stand.
            readable := coalesce(readable, regexp_replace(data, '\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})', '\\ufffd', 'g')::json);
            found := readable #> string_to_array(substr(terms[i], 6), '.');
            matches := case json_typeof(found)
                when 'array' then exists (select from json_array_elements_text(found) entry where entry like terms[i + 2])
                else found #>> '{}' like terms[i + 2]
            end;
        else
            matches := case terms[i] when 'type' then type when 'subject' then subject when 'source' then source when 'actor' then actor end
                like terms[i + 2];
        end if;

        if coalesce(matches, false) <> (terms[i + 1] = '=') then
            return false;
        end if;
    end loop;
    return true;
end
$$;

-- "Events like these belong to the session of this key." Never changed: a route that is becomes another row, so that what was
-- routed keeps the words it was routed with.
create table routes (
    id               uuid primary key,
    name             text collate "C" not null,
    -- it stands in the configuration, and goes with it
    configured       boolean not null,
    subject          text,
    -- the subject as a LIKE pattern
    pattern          text collate "C" not null,
    types            text[] collate "C",
    type_patterns    text[] collate "C",
    conditions       text[],
    terms            text[] collate "C",
    -- the session's key, with {subject} in it
    session          text collate "C" not null,
    -- the same as a LIKE pattern
    session_pattern  text collate "C" not null,
    profile          text collate "C" not null,
    -- the session's directory, with {session} in it
    workspace        text not null,
    full_prompt      text,
    delta_prompt     text,
    created_at       timestamptz not null default clock_timestamp(),
    ended_at         timestamptz
);

create unique index routes_current on routes (name) where ended_at is null;

-- The key a route gives the session of a subject. One that is too long for a key ends in its hash.
create function session_key(template text, subject text) returns text language sql immutable as $$
    select case when octet_length(key) <= 512 then key
                else left(key, 200) || '~' || encode(sha256(convert_to(key, 'UTF8')), 'hex') end
    from (select replace(template, '{subject}', subject) as key) filled
$$;

-- A session's own directory. Whatever its key holds becomes one name in which nothing has a meaning to a file system, and
-- which no other key has.
create function session_folder(template text, key text) returns text language sql immutable as $$
    select replace(template, '{session}',
        left(regexp_replace(key, '[^A-Za-z0-9_]+', '-', 'g'), 80) || '-' || left(encode(sha256(convert_to(key, 'UTF8')), 'hex'), 12))
$$;

-- Wakes that sessions or people have put off to a date. Each becomes an event when its time has come.
create table scheduled_wakes (
    id          uuid primary key,
    session_id  uuid not null references sessions,
    reason      text not null,
    due_at      timestamptz not null
);

create index scheduled_wakes_due on scheduled_wakes (due_at);
create index scheduled_wakes_of_session on scheduled_wakes (session_id);

-- The facts, in the order observed.
create sequence events_seq;

create table events (
    seq          bigint primary key,
    id           text collate "C" not null,
    source       text not null,
    type         text collate "C" not null,
    subject      text collate "C" not null,
    related      text[] collate "C",
    dedup_key    text collate "C" not null,
    reason       text not null,
    wakes        boolean not null,
    urgent       boolean not null,
    sessions     text[] collate "C",
    actor        text,
    happened_at  timestamptz,
    expires_at   timestamptz,
    -- json, not jsonb: kept byte for byte, and never looked into
    data         json,
    traceparent  text,
    -- the id of the event this one repeats
    replay_of    text collate "C",
    accepted_at  timestamptz not null default now()
);

create unique index events_fact on events (dedup_key);
create index events_id on events (id);
create index events_recent on events using brin (accepted_at) with (pages_per_range = 16);

-- Events routed to a session. wake_number is null until a turn takes them; the rows stay, as the record of who heard what.
create table inbox (
    event        bigint not null,
    session_id   uuid not null,
    -- null when the event named the session itself, or a route did
    watch_id     uuid,
    route_id     uuid,
    wakes        boolean not null,
    intent       text,
    routed_at    timestamptz not null default now(),
    wake_number  int,
    primary key (event, session_id)
);

-- Null is found by index like any value: what is pending of a session is one probe, however old the session.
create index inbox_of_session on inbox (session_id, wake_number);

-- The alarm clock, and the lock, of a session: whoever changes what it owes or is owed takes this row first.
create table wake_timers (
    session_id     uuid primary key references sessions,
    -- the end of the quiet window of what is pending; set by the intake, cleared by the claim
    events_due_at  timestamptz,
    -- the ceiling of that window, counted from the first pending event
    ceiling_at     timestamptz,
    -- a person is waiting for what is pending
    urgent         boolean not null default false,
    -- a person has woken the session while a turn was open; ends a backoff or a park, once
    nudged         boolean not null default false,
    -- where its next wake is best sent, and until when: its last runner has it at hand
    near           text,
    near_until     timestamptz,
    -- When to look at this session again because something is owed: a command nobody claimed, a lease, an ending nobody
    -- heard. While it is set, pending events wait. Cleared by the turn's end, never by sending.
    owed_at        timestamptz,
    due_at         timestamptz generated always as (coalesce(owed_at, events_due_at)) stored
);

-- Sleeping sessions are not in it.
create index wake_timers_due on wake_timers (due_at) where due_at is not null;

create sequence lease_epochs;

-- The execution of wakes.
create table turns (
    session_id         uuid not null,
    wake_number        int not null,
    dispatched_at      timestamptz not null default clock_timestamp(),
    -- counts claims
    attempt            int not null default 0,
    -- counts the attempts that say nothing about the turn (a runner shut down, a limit, a budget); no failures
    interruptions      int not null default 0,
    -- whether the model has called a tool in an attempt that no person has looked at since: a fresh session would do it again
    acted              boolean not null default false,
    -- the last attempt whose runner said how it ended; those after it died without a word
    settled            int not null default 0,
    -- a person has ended its park: it may run although a budget is used up
    insisted           boolean not null default false,
    -- the last attempt that the CLI answered without the turn being over (interrupted, a failing API): it will not act on
    -- that message again, so the attempts after it need another id
    answered           int not null default 0,
    runner             text,
    -- the fencing token: whoever holds an older one has lost the turn
    epoch              bigint,
    started_at         timestamptz,
    -- null when nobody holds it
    lease_until        timestamptz,
    -- not before this moment again: a backoff, or a park ('infinity': until a person wakes the session)
    not_before         timestamptz,
    parked             boolean not null default false,
    note               text,
    ended_at           timestamptz,
    outcome            text,
    claude_session_id  uuid,
    cost_usd               numeric not null default 0,
    duration_ms            bigint not null default 0,
    input_tokens           bigint not null default 0,
    output_tokens          bigint not null default 0,
    cache_read_tokens      bigint not null default 0,
    cache_creation_tokens  bigint not null default 0,
    primary key (session_id, wake_number)
);

-- What a session asks a person: one row for each call of AskUserQuestion, and for each of another tool that needs to be
-- allowed. Its turn is parked while the row is open.
create table questions (
    id           uuid primary key,
    session_id   uuid not null references sessions,
    wake_number  int not null,
    -- the CLI's name for the call
    tool_use_id  text collate "C" not null,
    tool         text not null,
    -- json, not jsonb: the CLI gets back what it gave. Of another tool: what a person is shown
    input        json not null,
    asked_at     timestamptz not null default clock_timestamp(),
    -- when the turn goes on without an answer
    deadline     timestamptz,
    -- the text of each question and what was answered; of another tool, whether it is allowed
    answers      json,
    -- 'answered', 'noAnswer' or 'superseded'; null while it is open
    outcome      text,
    settled_at   timestamptz
);

create unique index questions_call on questions (session_id, wake_number, tool_use_id);
create index questions_open on questions (asked_at) where outcome is null;

-- What sessions cost per day in UTC. The turns have their own sums; which days an attempt was paid on only this tells.
create table spending (
    session_id             uuid not null,
    day                    date not null,
    usd                    numeric not null,
    input_tokens           bigint not null,
    output_tokens          bigint not null,
    cache_read_tokens      bigint not null,
    cache_creation_tokens  bigint not null,
    primary key (session_id, day)
);

create index spending_of_day on spending (day);

-- One writer per session: a second open turn cannot be written.
create unique index turns_open on turns (session_id) where ended_at is null;

-- What the CLI wrote down of a Claude session, so that any runner can go on with it.
create table transcripts (
    claude_session_id  uuid primary key,
    session_id         uuid not null references sessions,
    -- counts the saves
    version            int not null,
    wake_number        int not null,
    epoch              bigint not null,
    saved_at           timestamptz not null default clock_timestamp()
);

-- The files of a transcript. The CLI only appends to them, and so does a save; when it finds another beginning than the one
-- it knows, it keeps what was and starts a new copy.
create table transcript_files (
    copy               bigint generated always as identity primary key,
    claude_session_id  uuid not null references transcripts on delete cascade,
    -- empty for the transcript itself, else below the folder that has its name
    path               text collate "C" not null,
    bytes              bigint not null,
    rows               int not null,
    sha256             bytea not null,
    replaced_at        timestamptz
);

create unique index transcript_files_current on transcript_files (claude_session_id, path) where replaced_at is null;
create index transcript_files_replaced on transcript_files (replaced_at) where replaced_at is not null;

create table transcript_segments (
    copy     bigint not null references transcript_files on delete cascade,
    -- where in the file it begins
    start    bigint not null,
    -- compressed with zlib
    content  bytea not null,
    primary key (copy, start)
);

alter table transcript_segments alter column content set storage external;

-- Later observations of a fact. Most of what comes in is one, and hardly any is ever asked for: the row and its indexes cost
-- as little as they can.
create table duplicates (
    event        bigint not null,
    observation  text collate "C" not null,
    source       text not null,
    at           timestamptz not null default now()
);

create index duplicates_of_event on duplicates (event);
create index duplicates_recent on duplicates
    using brin (at, observation text_bloom_ops (n_distinct_per_range = 1500)) with (pages_per_range = 16);

-- The ledger of the sessions: decisions that no other row tells, in the order they were taken.
create table decisions (
    seq          bigint generated always as identity,
    at           timestamptz not null default clock_timestamp(),
    kind         text not null,
    session_id   uuid not null,
    wake_number  int,
    note         text
);

create index decisions_of_session on decisions (session_id, wake_number);
create index decisions_recent on decisions using brin (at) with (pages_per_range = 16);

-- The keys of the API. A hash is enough to know one again.
create table api_keys (
    id          uuid primary key,
    name        text not null,
    sha256      bytea not null unique,
    scopes      text[] not null,
    created_at  timestamptz not null default clock_timestamp(),
    used_at     timestamptz,
    -- set when another takes its place, later than that by the overlap
    ends_at     timestamptz
);

-- Requests with an Idempotency-Key, and how they were answered, for a day.
create table idempotency_keys (
    -- in the order they were begun, by which the oldest are found
    seq       bigint generated always as identity unique,
    key       bytea primary key,
    request   bytea not null,
    -- names what is done, so that doing it again after a crash is the same
    work      uuid not null default gen_random_uuid(),
    begun_at  timestamptz not null default now(),
    -- when it has no answer by then, its gateway died over it
    patience  timestamptz not null,
    status    int,
    location  text,
    body      bytea
);
