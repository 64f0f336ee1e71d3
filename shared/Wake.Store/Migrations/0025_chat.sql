-- Chats that answer back: what stands in them, what was taken from them, and who answered a question.

-- Who answered, for people; null where that is not known.
alter table questions add column answered_by text;

-- Where the reading of a chat goes on, as the chat itself says it, and when it last told something.
alter table notification_targets
    add column chat_cursor text collate "C",
    add column chat_cursor_at timestamptz;

-- Messages of Wake's in a chat. A row is there before its message is sent: one without a message id may stand there or not.
create table chat_messages (
    target        text collate "C" not null,
    -- what it tells: the id of the fact, or what else it is about
    about         text collate "C" not null,
    -- A long one is sent in several.
    part          int not null,
    session_id    uuid,
    -- the question that it asks, and that a reply to it answers
    question_id   uuid,
    -- the chat's name for it
    message_id    text collate "C",
    -- sends of which nobody knows whether they arrived
    unsure        int not null default 0,
    begun_at      timestamptz not null default clock_timestamp(),
    -- the choices that it shows, and whether it shows how its question was settled, after which it stays as it is
    shown         int not null default 0,
    final         boolean not null default true,
    edit_attempts int not null default 0,
    edit_due_at   timestamptz,
    primary key (target, about, part)
);

create unique index chat_messages_by_id on chat_messages (target, message_id) where message_id is not null;
create index chat_messages_of_session on chat_messages (target, session_id, begun_at);
create index chat_messages_changing on chat_messages (target) where not final;

-- What was taken from a chat: told again, it is known.
create table chat_updates (
    target     text collate "C" not null,
    update_id  text collate "C" not null,
    at         timestamptz not null default clock_timestamp(),
    primary key (target, update_id)
);

-- What is chosen so far of a call that takes more than one choice; in all chats the same.
create table question_drafts (
    question_id  uuid primary key references questions,
    -- of each question its choices, in their order: a list of lists of texts
    choices      json not null,
    -- rises with every change
    revision     int not null
);
