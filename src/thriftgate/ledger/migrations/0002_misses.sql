-- What the forecast counted on, and what the cache did not serve: a JSON object, '' for none.

alter table entries add column read_expected_tokens integer not null default 0;
alter table entries add column write_expected_tokens integer not null default 0;
alter table entries add column miss text not null default '';
