-- Budgets, what is spent, held and in doubt of each in each slot of its window, and what calls under way have taken. Unlike
-- entries these rows change. Money is pico-USD as decimal text: a year of a large company is more than 64 bits hold.

create table budgets (
    id         text primary key,
    name       text not null,
    limit_pico text not null,
    scope      text not null,
    "window"   text not null,
    zone       text not null,
    hard       integer not null,
    stages     text not null,
    created_us integer not null,
    ended_us   integer not null
) without rowid;

create unique index budgets_by_name on budgets (name) where ended_us = 0;

create table budget_slots (
    budget     text not null references budgets (id),
    member     text not null,
    slot_us    integer not null,
    spent_pico text not null,
    held_pico  text not null,
    doubt_pico text not null,
    primary key (budget, member, slot_us)
) without rowid;

create table claims (
    hold      text not null,
    budget    text not null references budgets (id),
    member    text not null,
    slot_us   integer not null,
    held_pico text not null,
    primary key (hold, budget)
) without rowid;
