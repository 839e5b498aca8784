-- Books of settled calls. Money is integer pico-USD. Rows are written once and never changed.

create table meta (
    name  text primary key,
    value text not null
) without rowid;

-- A call about to be sent. Open until an entry with the same id exists.
create table holds (
    id            text primary key,
    opened_us     integer not null,
    key           text not null,
    model         text not null,
    worst_pico    integer not null,
    forecast_pico integer not null
) without rowid;

-- A settled call. The primary key is what makes each call be booked once and each hold resolve once.
create table entries (
    id                  text primary key,
    opened_us           integer not null,
    settled_us          integer not null,
    key                 text not null,
    model               text not null,
    endpoint            text not null,
    outcome             text not null,
    resolution          text not null,
    usage_source        text not null,
    input_tokens        integer not null,
    write_5m_tokens     integer not null,
    write_1h_tokens     integer not null,
    read_tokens         integer not null,
    output_tokens       integer not null,
    thinking_tokens     integer not null,
    web_searches        integer not null,
    iterations          text not null,
    served_model        text not null,
    provider            text not null,
    mode                text not null,
    geo                 text not null,
    stream              integer not null,
    status              integer not null,
    price_book          text not null,
    forecast_pico       integer not null,
    decisions           text not null,
    upstream_request_id text not null,
    message_id          text not null,
    stop_reason         text not null,
    note                text not null,
    attempts            integer not null,
    ttfb_ms             integer not null,
    latency_ms          integer not null
) without rowid;

create table postings (
    entry   text not null references entries (id),
    account text not null,
    pico    integer not null,
    primary key (entry, account)
) without rowid;

create index entries_by_time on entries (opened_us);
