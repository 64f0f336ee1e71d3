-- The whole call that a person is asked to allow, and the SHA-256 of it by which it is allowed. Null: AskUserQuestion, or kept by a
-- runner that kept only what it showed. Of its own column, because lists do not read it.
alter table questions
    add column call         text,
    add column call_sha256  text;
