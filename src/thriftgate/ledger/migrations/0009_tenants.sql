-- Who may call: organisations, teams, users and their keys; the provider's keys, sealed; sessions of the dashboard; and who
-- changed what. Nothing is ever deleted here: the books keep ids, and these rows keep their names.

create table access_version (one integer primary key check (one = 1), version integer not null);
insert into access_version values (1, 0);

create table orgs (
    id         text primary key,
    name       text not null,
    created_us integer not null,
    gone_us    integer not null
) without rowid;

create table teams (
    id         text primary key,
    name       text not null,
    org        text not null,
    created_us integer not null,
    gone_us    integer not null
) without rowid;

create table users (
    id         text primary key,
    name       text not null,
    org        text not null,
    team       text not null,
    email      text not null,
    role       text not null,
    created_us integer not null,
    gone_us    integer not null
) without rowid;

-- `changed` is the access version with which a row was last written: whoever knows an older one reads only what is newer.
create table virtual_keys (
    id           text primary key,
    name         text not null,
    user_id      text not null,
    team         text not null,
    org          text not null,
    role         text not null,
    scopes       text not null,
    models       text not null,
    tasks        text not null,
    tags         text not null,
    tags_allowed text not null,
    priority     text not null,
    created_us   integer not null,
    expires_us   integer not null,
    rotated_us   integer not null,
    gone_us      integer not null,
    used_us      integer not null,
    changed      integer not null
) without rowid;

create index virtual_keys_by_change on virtual_keys (changed);
create index virtual_keys_by_team on virtual_keys (team);
create index virtual_keys_by_user on virtual_keys (user_id) where user_id <> '';

-- Keyed hashes of the secrets of keys; after a rotation the old one lives on until `ends_us` (0: no end).
create table key_secrets (
    digest  blob primary key,
    key     text not null references virtual_keys (id),
    made_us integer not null,
    ends_us integer not null
) without rowid;

create index key_secrets_by_key on key_secrets (key);

create table provider_keys (
    id         text primary key,
    name       text not null,
    provider   text not null,
    created_us integer not null,
    gone_us    integer not null,
    sealed     blob not null
) without rowid;

-- What was drawn once and is kept under the master key, such as the pepper of the hashes above.
create table sealed (name text primary key, value blob not null) without rowid;

-- Sessions of the dashboard, by the hash of what the cookie holds. `who` is the key or the user that logged in.
create table sessions (
    digest     blob primary key,
    id         text not null,
    who        text not null,
    name       text not null,
    role       text not null,
    writes     integer not null,
    team       text not null,
    org        text not null,
    created_us integer not null,
    seen_us    integer not null,
    ends_us    integer not null
) without rowid;

create index sessions_by_who on sessions (who);

create table deeds (
    id      integer primary key,
    at_us   integer not null,
    who     text not null,
    via     text not null,
    action  text not null,
    subject text not null,
    detail  text not null
);

-- Whose a call of a queue is, as JSON.
alter table bodies add column whose blob not null default x'7b7d';
