-- Calls to be served later, through the provider's batches. A run is one file of jobs, or the queue of a gateway; one worker
-- at a time holds its lease, and whatever it writes carries the lease's fence. Unlike entries, these rows change.

-- The batch a hold waits for; '' for a call under way, whose hold dies with its process.
alter table holds add column batch text not null default '';

create table runs (
    id             text primary key,
    kind           text not null,
    state          text not null,
    key            text not null,
    options        blob not null,
    created_us     integer not null,
    worker         text not null,
    lease_until_us integer not null,
    fence          integer not null,
    wanted         text not null,
    jobs           integer not null,
    out_bytes      integer not null,
    out_seq        integer not null,
    spool_bytes    integer not null,
    note           text not null
) without rowid;

create table batches (
    id          text primary key,
    run         text not null references runs (id),
    role        text not null,
    state       text not null,
    fingerprint text not null,
    remote_id   text not null,
    jobs        integer not null,
    wave        integer not null,
    headers     blob not null,
    made_us     integer not null,
    created_us  integer not null,
    ended_us    integer not null,
    poll_us     integer not null,
    polls       integer not null,
    rescue_us   integer not null,
    suspects    blob not null,
    plans       blob not null,
    worst_pico  integer not null,
    note        text not null
) without rowid;

create index batches_by_run on batches (run, state);

create table jobs (
    run           text not null references runs (id),
    seq           integer not null,
    name          text not null,
    state         text not null,
    cause         text not null,
    grp           integer not null,
    batch         text not null,
    attempt       integer not null,
    entry         text not null,
    model         text not null,
    forecast_pico integer not null,
    plan          integer not null,
    place         integer not null,
    size          integer not null,
    out_place     integer not null,
    out_size      integer not null,
    deadline_us   integer not null,
    primary key (run, seq)
) without rowid;

create index jobs_waiting on jobs (run, grp, seq) where state = 'waiting';
create index jobs_due on jobs (run, deadline_us) where state = 'waiting' and deadline_us > 0;
create index jobs_direct on jobs (run, deadline_us, seq) where state in ('direct', 'calling');

create unique index jobs_of_queues on jobs (name) where run = 'queue';

-- Calls of a queue, kept until they are answered, and their answers, kept until they are forgotten.
create table bodies (
    run     text not null,
    seq     integer not null,
    key     text not null,
    headers blob not null,
    body    blob not null,
    webhook text not null,
    tell_us integer not null,
    told    integer not null,
    digest  blob not null,
    primary key (run, seq)
) without rowid;

create index bodies_by_digest on bodies (run, digest);
create index bodies_to_tell on bodies (run, tell_us) where tell_us > 0;

create table answers (
    run    text not null,
    seq    integer not null,
    at_us  integer not null,
    status integer not null,
    body   blob not null,
    primary key (run, seq)
) without rowid;

create index answers_by_time on answers (run, at_us);

-- Jobs that share a prompt prefix: its digest, how many they are, and how they are to be sent.
create table groups (
    run           text not null references runs (id),
    id            integer not null,
    digest        blob not null,
    model         text not null,
    items         integer not null,
    prefix_tokens integer not null,
    rest_tokens   integer not null,
    state         text not null,
    way           text not null,
    ttl           text not null,
    wave          integer not null,
    leads         integer not null,
    primary key (run, id)
) without rowid;

create index groups_by_wave on groups (run, wave);
