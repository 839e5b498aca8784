-- What clients' calls of a task cost, by who they were for, model asked for and model sent: `dims` without a tag. `calls`
-- counts ours too, as rollup_cells does: where a slot has fewer of them here than there, as one from before this step has,
-- or one that a process of the version before has written to, the entries are asked instead, until it is filled.
create table rollup_tasks (
    hours         integer not null,
    slot          integer not null,
    dims          integer not null references rollup_dims (id),
    asked         text not null,
    calls         integer not null,
    client_calls  integer not null,
    baseline_high integer not null,
    baseline_low  integer not null,
    paid_high     integer not null,
    paid_low      integer not null,
    output        integer not null,
    latency_ms    integer not null,
    primary key (hours, slot, dims, asked)
) without rowid;
