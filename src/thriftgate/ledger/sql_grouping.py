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
_CHOSEN = """
create temp table chosen as
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
# Only into those just made: jobs of an earlier group with the same prefix may all have been sent.
_JOIN = """
update jobs set grp = found.id from (
  select c.seq as seq, g.id as id from temp.chosen c join groups g on g.run = ?1 and g.id > ?2 and g.digest = c.digest
) as found where jobs.run = ?1 and jobs.seq = found.seq and jobs.state = 'waiting' and jobs.grp = 0
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
        connection.execute(_CHOSEN, (run_id,))
        connection.execute(_MAKE, (run_id, last))
        connection.execute(_JOIN, (run_id, last))
        connection.execute("drop table temp.chosen")
    connection.execute("drop table temp.shared")
    connection.execute(_FORGET, (run_id,))
    counted: int = connection.execute("select count(*) from groups where run = ?", (run_id,)).fetchone()[0]
    return counted
