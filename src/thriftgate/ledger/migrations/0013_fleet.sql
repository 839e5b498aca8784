-- Books that several processes write, on one machine or many.

-- Budgets are read again where this has changed (`meta`: budgets).
insert into meta (name, value) select 'budgets', '1' where exists (select 1 from budgets);

-- Processes that write these books from elsewhere: each counts up its beats while it is alive.
create table processes (
    token text primary key,
    beats integer not null
) without rowid;
