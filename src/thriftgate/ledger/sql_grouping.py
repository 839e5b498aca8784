"""Jobs that share a prompt prefix, found by the database: boundaries are gathered in a temporary table of the writing
connection, and used up where jobs are put into groups.

A group is a boundary that several jobs share. Of several a job has, that one counts which saves it most: the tokens before
it, less its share in writing them once.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import astuple

from thriftgate.ledger.connection import Connection
from thriftgate.ledger.jobs import Bound

_BOUNDS = """
create temp table if not exists bounds (run text, seq integer, digest blob, model text, tokens integer, rest integer)
"""
_ADD = f"insert into temp.bounds (run, {', '.join(Bound.__struct_fields__)}) values (?, ?, ?, ?, ?, ?)"
_FORGET = "delete from temp.bounds where run = ?"
_SHARED = """
create temp table shared as
select digest, min(model) as model, count(*) as items, max(tokens) as tokens, avg(rest) as rest from temp.bounds
where run = ?1 group by digest having count(*) > 1
"""
# With keys of their own, so that no planner has to guess how they are best joined: SQLite 3.46 made hours of 20,000 jobs.
_CHOSEN = "create temp table chosen (seq integer primary key, digest blob)"
_CHOOSE = """
insert into temp.chosen
select seq, digest from (
  select b.seq as seq, b.digest as digest,
    row_number() over (partition by b.seq order by s.tokens * (1.0 - 1.0 / s.items) desc, b.digest) as place
  from temp.bounds b join temp.shared s on s.digest = b.digest where b.run = ?1
) as ranked where place = 1
"""
_LAST = "select coalesce(max(id), 0) from groups where run = ?"
_MAKE = """
insert into groups
select ?1, ?2 + row_number() over (order by min(c.seq)),
  c.digest, min(s.model), count(*), min(s.tokens), cast(min(s.rest) as bigint), 'cold', '', '', 0, 0
from temp.chosen c join temp.shared s on s.digest = c.digest group by c.digest having count(*) > 1
"""
_MADE = "create temp table made (digest blob primary key, id integer)"
# Only into those just made: jobs of an earlier group with the same prefix may all have been sent.
_KNOW = "insert into temp.made select digest, id from groups where run = ? and id > ?"
_JOIN = """
update jobs set grp = (select m.id from temp.chosen c join temp.made m on m.digest = c.digest where c.seq = jobs.seq)
where run = ? and state = 'waiting' and grp = 0
and seq in (select c.seq from temp.chosen c join temp.made m on m.digest = c.digest)
"""


def add_bounds(connection: Connection, run_id: str, bounds: Iterable[Bound]) -> None:
    """Remember boundaries of a run's jobs until they are grouped."""
    connection.execute(_BOUNDS)
    connection.executemany(_ADD, ((run_id, *astuple(one)) for one in bounds))


def forget_bounds(connection: Connection, run_id: str) -> None:
    connection.execute(_BOUNDS)
    connection.execute(_FORGET, (run_id,))


def make_groups(connection: Connection, run_id: str) -> int:
    """Group the jobs whose boundaries are remembered. Returns how many groups the run has."""
    connection.execute(_BOUNDS)
    connection.execute(_SHARED, (run_id,))
    if connection.execute("select 1 from temp.shared limit 1").fetchone() is not None:
        (last,) = connection.execute(_LAST, (run_id,)).fetchone()
        connection.execute(_CHOSEN)
        connection.execute(_CHOOSE, (run_id,))
        connection.execute(_MAKE, (run_id, last))
        connection.execute(_MADE)
        connection.execute(_KNOW, (run_id, last))
        connection.execute(_JOIN, (run_id,))
        for table in ("chosen", "made"):
            connection.execute(f"drop table temp.{table}")
    connection.execute("drop table temp.shared")
    connection.execute(_FORGET, (run_id,))
    counted: int = connection.execute("select count(*) from groups where run = ?", (run_id,)).fetchone()[0]
    return counted
