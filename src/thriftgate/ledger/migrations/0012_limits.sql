-- Limits of callers: what may be asked for in a short time, or at once. How much of each is used stands nowhere in the books.
-- Amounts are decimal text: pico-USD where the metric is usd.

create table limits (
    id         text primary key,
    name       text not null,
    metric     text not null,
    amount     text not null,
    per        text not null,
    burst      text not null,
    scope      text not null,
    created_us integer not null,
    ended_us   integer not null
) without rowid;

create unique index limits_by_name on limits (name) where ended_us = 0;
