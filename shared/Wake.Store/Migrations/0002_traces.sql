-- The rest of the W3C trace context an event came with.
alter table events add column tracestate text;

-- The W3C trace context of the decision, which every attempt belongs to.
alter table turns
    add column traceparent  text,
    add column tracestate   text;
