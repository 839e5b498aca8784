-- When a call was planned and sent, which is later than it came in where it had to wait; and the boundaries of its prompt,
-- for replays: digests and token estimates, no text (core/trail.py). Empty for none.

alter table entries add column sent_us integer not null default 0;
alter table entries add column trail blob not null default x'';
