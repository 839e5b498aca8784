-- Who a call is for (ids of user, team and organisation, and tags as a JSON list), and the name of the provider's key that
-- served it; of a hold also what else its budgets are found by.
alter table entries add column user_id text not null default '';
alter table entries add column team text not null default '';
alter table entries add column org text not null default '';
alter table entries add column tags text not null default '[]';
alter table entries add column upstream text not null default '';

alter table holds add column user_id text not null default '';
alter table holds add column team text not null default '';
alter table holds add column org text not null default '';
alter table holds add column tags text not null default '[]';
alter table holds add column task text not null default '';
alter table holds add column provider text not null default '';
