-- Conditions that people are told of; what is to be told through which sink; silences; rules made at run time.

create table alerts (
    id            integer primary key,
    signature     text not null,
    kind          text not null,
    state         text not null,
    severity      text not null,
    sentence      text not null,
    rule          text not null,
    labels        text not null,
    evidence      text not null,
    action        text not null,
    pico_per_h    integer not null,
    level         real not null,
    since_us      integer not null,
    opened_us     integer not null,
    seen_us       integer not null,
    until_us      integer not null,
    closed_us     integer not null,
    count         integer not null,
    flaps         integer not null,
    told_us       integer not null,
    told_level    real not null,
    told_severity text not null,
    "by"          text not null
);
create index alerts_by_signature on alerts (signature, opened_us);
create index alerts_standing on alerts (seen_us) where state <> 'resolved';
create index alerts_closed on alerts (closed_us) where state = 'resolved';

-- Written with the alert, before anything is sent. `message` is given when it is about to be, and is what receivers know it
-- by; notices of one message leave as one digest. States: due, sent, dead (given up, `error` says why).
create table notices (
    id      integer primary key,
    sink    text not null,
    why     text not null,
    made_us integer not null,
    alert   blob not null,
    state   text not null default 'due',
    message text not null default '',
    tries   integer not null default 0,
    due_us  integer not null,
    sent_us integer not null default 0,
    error   text not null default ''
);
create index notices_due on notices (sink, due_us) where state = 'due';
create index notices_done on notices (state, made_us) where state <> 'due';
create index notices_sent on notices (sink, sent_us) where state = 'sent';

create table silences (
    id       integer primary key,
    matchers text not null,
    until_us integer not null,
    made_us  integer not null,
    "by"     text not null,
    why      text not null
);

create table alert_rules (
    name    text primary key,
    rule    text not null,
    made_us integer not null,
    "by"    text not null
) without rowid;
