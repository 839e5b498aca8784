-- Which model the client named where another one served, and why; what the call was for; the side of an experiment that its
-- conversation is on, and how likely that was; the call on whose behalf a call of our own was made.
alter table entries add column asked_model text not null default '';
alter table entries add column task text not null default '';
alter table entries add column arm text not null default '';
alter table entries add column propensity real not null default 1.0;
alter table entries add column conversation text not null default '';
alter table entries add column choice text not null default '';
alter table entries add column parent text not null default '';

create index entries_by_parent on entries (parent) where parent <> '';
create index entries_by_conversation on entries (conversation, opened_us) where conversation <> '';
