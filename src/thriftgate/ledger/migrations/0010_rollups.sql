-- Sums of the entries by hour and by day (UTC), added to in the transaction that writes the entry. What a call was by name
-- stands once in rollup_dims; a call with tags is counted in one cell without a tag, and in one for each tag. Made from the
-- entries that are there already when the file is next opened (`meta`: rollups).

-- With the upstream, endpoint, mode and outcome of a call, and without: `who` is the row that is the same without them (0: this).
create table rollup_dims (
    id        integer primary key,
    who       integer not null,
    key       text not null,
    user_id   text not null,
    team      text not null,
    org       text not null,
    model     text not null,
    task      text not null,
    provider  text not null,
    tag       text not null,
    upstream  text not null,
    endpoint  text not null,
    mode      text not null,
    outcome   text not null
);

create unique index rollup_dims_by_name on rollup_dims (
    key, user_id, team, org, model, task, provider, tag, upstream, endpoint, mode, outcome
);

-- A cell is so many hours long (1 or 24); slots are counted from 1970. rollup_cells are by who calls were for and what they
-- were, rollup_ways also by upstream, endpoint, mode and outcome.
create table rollup_cells (
    hours              integer not null,
    slot               integer not null,
    dims               integer not null references rollup_dims (id),
    calls              integer not null,
    errors             integer not null,
    estimated          integer not null,
    used               integer not null,
    own_calls          integer not null,
    baseline_high      integer not null,
    baseline_low       integer not null,
    paid_high          integer not null,
    paid_low           integer not null,
    own_paid_high      integer not null,
    own_paid_low       integer not null,
    missed_high        integer not null,
    missed_low         integer not null,
    input              integer not null,
    write_5m           integer not null,
    write_1h           integer not null,
    read               integer not null,
    output             integer not null,
    thinking           integer not null,
    web_searches       integer not null,
    primary key (hours, slot, dims)
) without rowid;

create table rollup_ways (
    hours              integer not null,
    slot               integer not null,
    dims               integer not null references rollup_dims (id),
    calls              integer not null,
    errors             integer not null,
    estimated          integer not null,
    used               integer not null,
    own_calls          integer not null,
    baseline_high      integer not null,
    baseline_low       integer not null,
    paid_high          integer not null,
    paid_low           integer not null,
    own_paid_high      integer not null,
    own_paid_low       integer not null,
    missed_high        integer not null,
    missed_low         integer not null,
    input              integer not null,
    write_5m           integer not null,
    write_1h           integer not null,
    read               integer not null,
    output             integer not null,
    thinking           integer not null,
    web_searches       integer not null,
    latency_ms         integer not null,
    ttfb_ms            integer not null,
    latency_0          integer not null,
    latency_1          integer not null,
    latency_2          integer not null,
    latency_3          integer not null,
    latency_4          integer not null,
    latency_5          integer not null,
    latency_6          integer not null,
    latency_7          integer not null,
    latency_8          integer not null,
    latency_9          integer not null,
    latency_10         integer not null,
    ttfb_0             integer not null,
    ttfb_1             integer not null,
    ttfb_2             integer not null,
    ttfb_3             integer not null,
    ttfb_4             integer not null,
    ttfb_5             integer not null,
    ttfb_6             integer not null,
    ttfb_7             integer not null,
    ttfb_8             integer not null,
    ttfb_9             integer not null,
    ttfb_10            integer not null,
    primary key (hours, slot, dims)
) without rowid;

-- What each lever saved, and what was missed by cause.
create table rollup_parts (
    hours          integer not null,
    slot           integer not null,
    dims           integer not null references rollup_dims (id),
    part           text not null,
    calls          integer not null,
    tokens         integer not null,
    pico_high      integer not null,
    pico_low       integer not null,
    avoidable_high integer not null,
    avoidable_low  integer not null,
    primary key (hours, slot, dims, part)
) without rowid;

-- Prompt tokens of calls that share a rate card.
create table rollup_prompts (
    hours    integer not null,
    slot     integer not null,
    served   text not null,
    mode     text not null,
    geo      text not null,
    above    integer not null,
    input    integer not null,
    write_5m integer not null,
    write_1h integer not null,
    read     integer not null,
    primary key (hours, slot, served, mode, geo, above)
) without rowid;

-- How many day cells each key has, and all have together (whose = ''): names beyond a bound share a cell.
create table rollup_room (
    slot  integer not null,
    whose text not null,
    cells integer not null,
    primary key (slot, whose)
) without rowid;

insert into meta (name, value) values ('rollups', 'to be made');

-- Open holds are found without looking at those that were resolved.
alter table holds add column settled integer not null default 0;
update holds set settled = 1 where exists (select 1 from entries where entries.id = holds.id);
create index holds_open on holds (id) where settled = 0;
