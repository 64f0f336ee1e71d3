-- Whether what a request makes has been made, written with it: of what is deleted again in the meantime no row says so.
alter table idempotency_keys add column done boolean not null default false;

create index idempotency_keys_work on idempotency_keys (work);
