"""Runs, batches and jobs beside the books: a job and its entry are written in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeVar

import msgspec
from msgspec.structs import astuple, replace

from thriftgate.core.errors import LedgerError
from thriftgate.ledger.connection import Connection, upsert
from thriftgate.ledger.entries import Entry, Hold
from thriftgate.ledger.jobs import (
    OPEN_BATCHES,
    QUEUE,
    Answer,
    BatchRow,
    BatchState,
    Body,
    Bound,
    Fenced,
    Group,
    Job,
    JobState,
    Lease,
    Outcome,
    Run,
    Spent,
    Tally,
)
from thriftgate.ledger.queries import SUM, summed
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_grouping import add_bounds, forget_bounds, make_groups
from thriftgate.ledger.sql_writing import Booking

_T = TypeVar("_T")
_S = TypeVar("_S", bound=msgspec.Struct)


def _insert(table: str, kind: type[msgspec.Struct]) -> str:
    marks = ", ".join("?" * len(kind.__struct_fields__))
    return f"insert into {table} ({_fields(kind)}) values ({marks})"


def _fields(kind: type[msgspec.Struct]) -> str:
    return ", ".join(kind.__struct_fields__)


_ADD_JOB = _insert("jobs", Job)
_ADD_BODY = f"insert into bodies (run, {', '.join(Body.__struct_fields__)}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ADD_ANSWER = upsert("answers", ("run", *Answer.__struct_fields__), ("run", "seq"))
_JOB = f"select {_fields(Job)} from jobs"
_PUT_BATCH = upsert("batches", BatchRow.__struct_fields__, ("id",))
_PUT_GROUP = upsert("groups", Group.__struct_fields__, ("run", "id"))
_LISTED = "(select cast(each.value as bigint) from json_each(?) each)"
_BATCH = f"select {_fields(BatchRow)} from batches"
_RUN = f"select {_fields(Run)} from runs"
_GROUP = f"select {_fields(Group)} from groups"
_SETTLE = """
update jobs set state = ?, cause = ?, entry = ?, out_place = ?, out_size = ?, attempt = attempt + ? where run = ? and seq = ?
"""
_RECALL = f"""
update groups set state = 'cold', way = case when leads >= ?2 then 'plain' else way end
where run = ?1 and way = 'primed' and state in ('leading', 'sent')
and exists (select 1 from jobs where jobs.run = ?1 and jobs.grp = groups.id and jobs.state = 'waiting')
and not exists (
  select 1 from batches where batches.run = ?1 and batches.wave = groups.wave and batches.role = 'lead'
  and batches.state in ({", ".join(f"'{state}'" for state in OPEN_BATCHES)})
)
"""
_FORGET_BATCHES = f"""
delete from batches where run = ?1 and made_us < ?2 and id not in (select batch from jobs where run = ?1)
and state not in ({", ".join(f"'{state}'" for state in OPEN_BATCHES)})
"""
_FORGET_GROUPS = "delete from groups where run = ?1 and id not in (select grp from jobs where run = ?1)"


class SqlJobs:
    """See `jobs.JobBook`."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger

    async def open_run(self, run: Run) -> Run:
        def work(connection: Connection) -> Run:
            found = _one(connection, _RUN + " where id = ?", (run.id,), Run)
            if found is None:
                connection.execute(_insert("runs", Run), astuple(run))
            return found or run

        return await self._ledger.transact(work)

    async def run(self, run_id: str) -> Run | None:
        return await self._ledger.ask(lambda connection: _one(connection, _RUN + " where id = ?", (run_id,), Run))

    async def runs(self) -> Sequence[Run]:
        return await self._ledger.ask(lambda connection: _all(connection, _RUN + " order by created_us, id", (), Run))

    async def take(self, run_id: str, worker: str, now_us: int, length_us: int, *, dead: str = "") -> Lease | None:
        def work(connection: Connection) -> Lease | None:
            row = connection.execute(
                "update runs set worker = ?, fence = fence + 1, lease_until_us = ? "
                "where id = ? and (worker in ('', ?, ?) or lease_until_us <= ?) returning fence",
                (worker, now_us + length_us, run_id, worker, dead, now_us),
            ).fetchone()
            return Lease(run_id, worker, row[0], length_us) if row is not None else None

        return await self._ledger.transact(work)

    async def release(self, lease: Lease) -> None:
        def work(connection: Connection) -> None:
            connection.execute(
                "update runs set worker = '', lease_until_us = 0 where id = ? and fence = ?", (lease.run, lease.fence)
            )

        await self._ledger.transact(work)

    async def want(self, run_id: str, wanted: Literal["", "cancel"]) -> None:
        await self._ledger.transact(
            lambda connection: connection.execute("update runs set wanted = ? where id = ?", (wanted, run_id))
        )

    async def set_run(self, lease: Lease, now_us: int, **changes: object) -> None:
        await self._write(lease, now_us, lambda connection: _set_run(connection, lease.run, changes))

    async def add_jobs(self, lease: Lease, now_us: int, jobs: Sequence[Job], bounds: Sequence[Bound] = ()) -> None:
        def work(connection: Connection) -> None:
            connection.executemany(_ADD_JOB, map(astuple, jobs))
            connection.execute("update runs set jobs = jobs + ? where id = ?", (len(jobs), lease.run))
            if bounds:
                add_bounds(connection, lease.run, bounds)

        await self._write(lease, now_us, work)

    async def forget_jobs(self, lease: Lease, now_us: int) -> None:
        def work(connection: Connection) -> None:
            forget_bounds(connection, lease.run)
            for table in ("jobs", "groups"):
                connection.execute(f"delete from {table} where run = ?", (lease.run,))
            connection.execute("update runs set jobs = 0 where id = ?", (lease.run,))

        await self._write(lease, now_us, work)

    async def doubles(self, run_id: str, limit: int) -> Sequence[tuple[str, int, int]]:
        question = (
            "select name, first, (select min(seq) from jobs where run = ?1 and name = twice.name and seq > first) from ("
            "select name, min(seq) as first from jobs where run = ?1 group by name having count(*) > 1 order by 2 limit ?2"
            ") as twice"
        )
        return await self._ledger.ask(lambda connection: connection.execute(question, (run_id, limit)).fetchall())

    async def group(self, lease: Lease, now_us: int) -> int:
        return await self._write(lease, now_us, lambda connection: make_groups(connection, lease.run))

    async def groups(self, run_id: str, limit: int, *, state: str, way: str) -> Sequence[Group]:
        question = _GROUP + " where run = ? and state = ? and way = ? order by wave, id limit ?"
        return await self._ledger.ask(lambda connection: _all(connection, question, (run_id, state, way, limit), Group))

    async def wave(self, run_id: str, wave: int) -> Sequence[Group]:
        question = _GROUP + " where run = ? and wave = ? order by id"
        return await self._ledger.ask(lambda connection: _all(connection, question, (run_id, wave), Group))

    async def last_wave(self, run_id: str) -> int:
        question = "select coalesce(max(wave), 0) from groups where run = ?"
        return await self._ledger.ask(lambda connection: int(connection.execute(question, (run_id,)).fetchone()[0]))

    async def set_groups(self, lease: Lease, now_us: int, groups: Sequence[Group]) -> None:
        def work(connection: Connection) -> None:
            connection.executemany(_PUT_GROUP, map(astuple, groups))

        await self._write(lease, now_us, work)

    async def recall(self, lease: Lease, now_us: int, leads_max: int) -> int:
        values = (lease.run, leads_max)
        return await self._write(lease, now_us, lambda connection: connection.execute(_RECALL, values).rowcount)

    async def waiting(self, run_id: str, group: int | None, *, after: int, limit: int) -> Sequence[Job]:
        mine = _JOB + " indexed by jobs_waiting where run = ? and state = 'waiting'"
        if group is None:
            return await self._ledger.ask(lambda connection: _all(connection, mine + " limit ?", (run_id, limit), Job))
        question = mine + " and grp = ? and seq > ? order by seq limit ?"
        return await self._ledger.ask(lambda connection: _all(connection, question, (run_id, group, after, limit), Job))

    async def part_ways(self, lease: Lease, now_us: int) -> int:
        which = "run = ?1 and grp in (select id from groups where run = ?1 and way = ?2) and state = 'waiting'"

        def work(connection: Connection) -> int:
            connection.execute(f"update jobs set grp = 0 where {which}", (lease.run, "plain"))
            called = f"update jobs set grp = 0, state = 'direct' where {which}"
            return connection.execute(called, (lease.run, "calls")).rowcount

        return await self._write(lease, now_us, work)

    async def jobs(self, run_id: str, seqs: Sequence[int]) -> Sequence[Job]:
        wanted = msgspec.json.encode(list(seqs)).decode()
        question = _JOB + f" where run = ? and seq in {_LISTED} order by seq"
        return await self._ledger.ask(lambda connection: _all(connection, question, (run_id, wanted), Job))

    async def jobs_of(self, batch: str, after: int, limit: int) -> Sequence[Job]:
        question = _JOB + (
            " where run = (select run from batches where id = ?) and batch = ? and state = 'packed' and seq > ?"
            " order by seq limit ?"
        )
        return await self._ledger.ask(lambda connection: _all(connection, question, (batch, batch, after, limit), Job))

    async def in_order(self, run_id: str, after: int, limit: int) -> Sequence[Job]:
        question = _JOB + " where run = ? and seq > ? order by seq limit ?"
        return await self._ledger.ask(lambda connection: _all(connection, question, (run_id, after, limit), Job))

    async def direct(self, run_id: str, state: JobState, limit: int) -> Sequence[Job]:
        those = _JOB + " where run = ? and state in ('direct', 'calling') and state = ? and deadline_us"

        def find(connection: Connection) -> list[Job]:
            urgent = _all(connection, those + " > 0 order by deadline_us, seq limit ?", (run_id, state, limit), Job)
            rest = limit - len(urgent)
            return urgent + _all(connection, those + " = 0 order by seq limit ?", (run_id, state, rest), Job)

        return await self._ledger.ask(find)

    async def post(self, lease: Lease, now_us: int, batch: BatchRow, jobs: Sequence[Job], holds: Sequence[Hold]) -> None:
        def work(connection: Connection) -> None:
            connection.execute(_PUT_BATCH, astuple(batch))
            connection.executemany(
                "update jobs set state = 'packed', batch = ?, entry = ?, attempt = ?, model = ?, forecast_pico = ?, "
                "plan = ? "
                "where run = ? and seq = ?",
                (
                    (batch.id, job.entry, job.attempt, job.model, job.forecast_pico, job.plan, lease.run, job.seq)
                    for job in jobs
                ),
            )
            booking = Booking(connection, self._ledger.shelf)
            for hold in holds:
                booking.hold(hold)
            booking.write()

        await self._write(lease, now_us, work)

    async def set_batch(self, lease: Lease, now_us: int, batch: BatchRow) -> None:
        await self._write(lease, now_us, lambda connection: connection.execute(_PUT_BATCH, astuple(batch)))

    async def batches(self, run_id: str, states: Sequence[BatchState] = OPEN_BATCHES) -> Sequence[BatchRow]:
        question = _BATCH + f" where run = ? and state in ({', '.join('?' * len(states))}) order by id"
        return await self._ledger.ask(lambda connection: _all(connection, question, (run_id, *states), BatchRow))

    async def known_batches(self, remote_ids: Sequence[str]) -> frozenset[str]:
        wanted = msgspec.json.encode(list(remote_ids)).decode()
        question = "select remote_id from batches where remote_id in (select each.value from json_each(?) each)"
        return await self._ledger.ask(
            lambda connection: frozenset(row[0] for row in connection.execute(question, (wanted,)))
        )

    async def book(
        self,
        lease: Lease,
        now_us: int,
        outcomes: Sequence[Outcome],
        entries: Sequence[Entry],
        *,
        batch: BatchRow | None = None,
        answers: Sequence[Answer] = (),
        run_changes: Mapping[str, object] | None = None,
    ) -> None:
        def work(connection: Connection) -> None:
            connection.executemany(
                _SETTLE,
                (
                    (one.state, one.cause, one.entry, one.out_place, one.out_size, one.attempts, lease.run, one.seq)
                    for one in outcomes
                ),
            )
            booking = Booking(connection, self._ledger.shelf)
            for entry in entries:
                booking.entry(entry)
            booking.write()
            if answers:
                connection.executemany(_ADD_ANSWER, ((lease.run, *astuple(one)) for one in answers))
                connection.executemany(
                    "update bodies set body = x'', tell_us = case webhook when '' then 0 else ? end "
                    "where run = ? and seq = ?",
                    ((now_us, lease.run, one.seq) for one in answers),
                )
            if batch is not None:
                connection.execute(_PUT_BATCH, astuple(batch))
            if run_changes:
                _set_run(connection, lease.run, run_changes)

        await self._write(lease, now_us, work)
        for entry in entries:
            self._ledger.settled(entry)

    async def hurry(self, lease: Lease, now_us: int, before_us: int) -> int:
        question = (
            "update jobs set state = 'direct' where run = ? and state = 'waiting' and deadline_us > 0 and deadline_us < ?"
        )
        return await self._write(
            lease, now_us, lambda connection: connection.execute(question, (lease.run, before_us)).rowcount
        )

    async def enqueue(self, run_id: str, job: Job, body: Body, bounds: Sequence[Bound] = ()) -> Job:
        def work(connection: Connection) -> Job:
            found = connection.execute("update runs set jobs = jobs + 1 where id = ? returning jobs", (run_id,)).fetchone()
            if found is None:
                raise LedgerError(f"there is no queue {run_id} in the ledger")
            numbered = replace(job, run=run_id, seq=found[0])  # never the number of a job that was forgotten
            connection.execute(_ADD_JOB, astuple(numbered))
            connection.execute(_ADD_BODY, (run_id, *astuple(replace(body, seq=numbered.seq))))
            if bounds:
                add_bounds(connection, run_id, (replace(one, seq=numbered.seq) for one in bounds))
            return numbered

        return await self._ledger.transact(work)

    async def add_bounds(self, lease: Lease, now_us: int, bounds: Sequence[Bound]) -> None:
        await self._write(lease, now_us, lambda connection: add_bounds(connection, lease.run, bounds))

    async def body(self, run_id: str, seq: int) -> Body | None:
        question = f"select {_fields(Body)} from bodies where run = ? and seq = ?"
        return await self._ledger.ask(lambda connection: _one(connection, question, (run_id, seq), Body))

    async def bodies(self, run_id: str, seqs: Sequence[int]) -> Sequence[Body]:
        wanted = msgspec.json.encode(list(seqs)).decode()
        question = f"select {_fields(Body)} from bodies where run = ? and seq in {_LISTED}"
        return await self._ledger.ask(lambda connection: _all(connection, question, (run_id, wanted), Body))

    async def to_tell(self, run_id: str, now_us: int, limit: int) -> Sequence[tuple[Job, Body]]:
        question = (
            f"select {_fields(Body)} from bodies where run = ? and tell_us > 0 and tell_us <= ? order by tell_us limit ?"
        )

        def find(connection: Connection) -> list[tuple[Job, Body]]:
            found = _all(connection, question, (run_id, now_us, limit), Body)
            jobs = {one.seq: _one(connection, _JOB + " where run = ? and seq = ?", (run_id, one.seq), Job) for one in found}
            return [(job, one) for one in found if (job := jobs[one.seq]) is not None]

        return await self._ledger.ask(find)

    async def tell_again(self, lease: Lease, now_us: int, seq: int, told: int, tell_us: int) -> None:
        question = "update bodies set told = ?, tell_us = ? where run = ? and seq = ?"
        await self._write(lease, now_us, lambda connection: connection.execute(question, (told, tell_us, lease.run, seq)))

    async def named(self, run_id: str, name: str) -> Job | None:
        assert run_id == QUEUE, "only a queue's jobs are found by name"
        question = _JOB + " where run = 'queue' and name = ?"
        return await self._ledger.ask(lambda connection: _one(connection, question, (name,), Job))

    async def alike(self, run_id: str, digest: bytes, since_us: int) -> Sequence[Job]:
        question = (
            _JOB + " where run = ?1 and seq in (select seq from bodies where run = ?1 and digest = ?2) and not exists "
            "(select 1 from answers where run = ?1 and seq = jobs.seq and at_us < ?3) order by seq"
        )
        return await self._ledger.ask(lambda connection: _all(connection, question, (run_id, digest, since_us), Job))

    async def answer(self, run_id: str, seq: int) -> Answer | None:
        question = f"select {_fields(Answer)} from answers where run = ? and seq = ?"
        return await self._ledger.ask(lambda connection: _one(connection, question, (run_id, seq), Answer))

    async def forget_answers(self, lease: Lease, now_us: int, before_us: int) -> int:
        def work(connection: Connection) -> int:
            old = (lease.run, before_us)
            seqs = "select seq from answers where run = ?1 and at_us < ?2"
            for table in ("bodies", "jobs"):
                connection.execute(f"delete from {table} where run = ?1 and seq in ({seqs})", old)
            gone = connection.execute("delete from answers where run = ? and at_us < ?", old).rowcount
            if gone:
                connection.execute(_FORGET_BATCHES, old)
                connection.execute(_FORGET_GROUPS, (lease.run,))
            return gone

        return await self._write(lease, now_us, work)

    async def is_booked(self, entry_id: str) -> bool:
        question = "select 1 from entries where id = ?"
        return await self._ledger.ask(lambda connection: connection.execute(question, (entry_id,)).fetchone() is not None)

    async def tally(self, run_id: str, *, up_to: int | None = None) -> Sequence[Tally]:
        some, values = ("", (run_id,)) if up_to is None else (" and seq <= ?", (run_id, up_to))
        question = f"select state, cause, count(*) from jobs where run = ?{some} group by state, cause order by state, cause"
        return await self._ledger.ask(lambda connection: _all(connection, question, values, Tally))

    async def spent(self, run_id: str) -> Spent:
        return await self._ledger.ask(lambda connection: _spent(connection, run_id))

    async def _write(self, lease: Lease, now_us: int, work: Callable[[Connection], _T]) -> _T:
        """Within the lease, which is renewed. Raises Fenced where it was lost."""

        def fenced(connection: Connection) -> _T:
            renewed = connection.execute(
                "update runs set lease_until_us = ? where id = ? and fence = ? and worker = ?",
                (now_us + lease.length_us, lease.run, lease.fence, lease.worker),
            )
            if renewed.rowcount != 1:
                raise Fenced(f"another worker has taken over the run {lease.run}")
            return work(connection)

        return await self._ledger.transact(fenced)


def _set_run(connection: Connection, run_id: str, changes: Mapping[str, object]) -> None:
    unknown = set(changes) - set(Run.__struct_fields__)
    assert not unknown, unknown
    columns = ", ".join(f"{name} = ?" for name in changes)
    connection.execute(f"update runs set {columns} where id = ?", (*changes.values(), run_id))


_MINE = "from entries join jobs on jobs.entry = entries.id and jobs.entry <> '' where jobs.run = ?"


# What second copies of a run's batches have cost: rows of batches without jobs of their own. Entries of copies have ids of
# their own kind, so that not all entries there are need to be looked at.
_COPIES = f"""
select account, {SUM.format("pico")} from entries cross join postings on postings.entry = entries.id
where entries.id >= 'tgs_' and entries.id < 'tgt' and entries.upstream_request_id in (
  select remote_id from batches where run = ? and jobs = 0 and remote_id <> ''
) group by account
"""


def _spent(connection: Connection, run_id: str) -> Spent:
    calls, prompt, read = connection.execute(
        "select count(*), coalesce(sum(input_tokens + write_5m_tokens + write_1h_tokens + read_tokens), 0), "
        f"coalesce(sum(read_tokens), 0) {_MINE}",
        (run_id,),
    ).fetchone()
    rows = connection.execute(
        f"select account, {SUM.format('pico')} from postings join jobs on jobs.entry = postings.entry and jobs.entry <> '' "
        "where jobs.run = ? group by account",
        (run_id,),
    )
    accounts = {account: summed(high, low) for account, high, low in rows}
    for account, high, low in connection.execute(_COPIES, (run_id,)):
        accounts[account] = accounts.get(account, 0) + summed(high, low)
    return Spent(
        calls=calls,
        baseline_pico=accounts.get("baseline", 0),
        paid_pico=-accounts.get("upstream", 0),
        prompt_tokens=prompt,
        read_tokens=read,
        by_lever={name.removeprefix("saved:"): -pico for name, pico in accounts.items() if name.startswith("saved:")},
    )


def _all(connection: Connection, question: str, values: Sequence[object], kind: type[_S]) -> list[_S]:
    return [kind(*row) for row in connection.execute(question, values)]


def _one(connection: Connection, question: str, values: Sequence[object], kind: type[_S]) -> _S | None:
    row = connection.execute(question, values).fetchone()
    return None if row is None else kind(*row)
