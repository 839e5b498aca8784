"""Jobs in SQLite beyond the contract (tests/contracts): the schema, many jobs, several workers, workers that are killed."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.contracts.check_jobs import RUN, batch_of, bound_of, job_of
from tests.contracts.check_ledger import entry_of, hold_of
from tests.sqlite_books import reader_of, writer_of
from thriftgate.core.errors import LedgerError
from thriftgate.ledger.jobs import QUEUE, Answer, BatchRow, Body, Fenced, Group, Job, Lease, Outcome, Run
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_jobs import SqlJobs


async def opened(path: Path | str) -> tuple[SqlLedger, SqlJobs, Lease]:
    ledger = SqlLedger.open(path)
    jobs = SqlJobs(ledger)
    await jobs.open_run(RUN)
    lease = await jobs.take(RUN.id, "worker_1", 0, 60_000_000)
    assert lease is not None
    return ledger, jobs, lease


@pytest.mark.parametrize(
    ("table", "kind", "more"),
    [("runs", Run, ()), ("batches", BatchRow, ()), ("jobs", Job, ()), ("groups", Group, ()), ("bodies", Body, ("run",)),
     ("answers", Answer, ("run",))],
)  # fmt: skip
async def test_a_table_has_the_columns_of_its_rows(table: str, kind: type[msgspec.Struct], more: tuple[str, ...]) -> None:
    ledger = SqlLedger.open(":memory:")
    columns = await ledger.ask(lambda connection: [row[1] for row in connection.execute(f"pragma table_info({table})")])
    assert sorted(columns) == sorted((*kind.__struct_fields__, *more))
    await ledger.close()


QUESTIONS: list[tuple[str, str]] = [
    ("run = ? and state = 'waiting' and grp = ? and seq > ? order by seq", "jobs_waiting (run=? AND grp=? AND seq>?)"),
    ("run = ? and state = 'waiting' and deadline_us > 0 and deadline_us < ?", "jobs_due (run=? AND deadline_us>? AND"),
    (
        "run = ? and state in ('direct', 'calling') and state = ? and deadline_us > 0 order by deadline_us, seq",
        "jobs_direct (run=? AND deadline_us>?)",
    ),
    ("run = 'queue' and name = ?", "jobs_of_queues (name=?"),
]


@pytest.mark.parametrize(("question", "index"), QUESTIONS)
async def test_what_is_asked_in_every_step_is_looked_up(question: str, index: str) -> None:
    """Not searched for among all jobs, and not sorted."""
    ledger = SqlLedger.open(":memory:")
    plan = await ledger.ask(
        lambda connection: [
            str(row[3])
            for row in connection.execute(
                f"explain query plan select * from jobs where {question}", [1] * question.count("?")
            )
        ]
    )
    assert len(plan) == 1
    assert index in plan[0]
    await ledger.close()


async def test_twenty_thousand_jobs(tmp_path: Path) -> None:
    ledger, jobs, lease = await opened(tmp_path / "books.db")
    for start in range(0, 20_000, 1_000):
        page = [job_of(seq) for seq in range(start, start + 1_000)]
        bounds = [bound_of(one.seq, b"%d" % (one.seq % 500), 1_000) for one in page]
        await jobs.add_jobs(lease, 0, page, bounds)
    assert await jobs.group(lease, 0) == 500
    assert await jobs.doubles(RUN.id, 5) == []
    after, seen = -1, 0
    while found := await jobs.waiting(RUN.id, 7, after=after, limit=16):
        after, seen = found[-1].seq, seen + len(found)
    assert seen == 40
    await ledger.close()


async def test_of_many_that_want_a_run_one_gets_it(tmp_path: Path) -> None:
    books = [SqlLedger.open(tmp_path / "books.db") for _ in range(4)]
    await SqlJobs(books[0]).open_run(RUN)
    leases = await asyncio.gather(
        *(SqlJobs(ledger).take(RUN.id, f"worker_{n}", 0, 60) for n, ledger in enumerate(books * 3) for _ in range(2))
    )
    taken = {lease.worker for lease in leases if lease is not None}
    assert len(taken) == 1
    fences = [lease.fence for lease in leases if lease is not None]
    assert sorted(fences) == list(range(1, len(fences) + 1))
    for ledger in books:
        await ledger.close()


async def test_a_fenced_worker_fails_alone(tmp_path: Path) -> None:
    """What others write at the same time is written, and who was fenced can tell."""
    ledger, jobs, lease = await opened(tmp_path / "books.db")
    stale = msgspec.structs.replace(lease, fence=0)
    results = await asyncio.gather(
        ledger.settle(entry_of("a")),
        jobs.book(stale, 0, [], [entry_of("b")]),
        ledger.hold(hold_of("c")),
        jobs.book(lease, 0, [], [entry_of("d")]),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), Fenced, tuple, type(None)]
    assert [entry.id for entry in await ledger.entries()] == ["a", "d"]
    await ledger.close()


async def test_only_a_queues_jobs_are_found_by_name() -> None:
    ledger, jobs, _ = await opened(":memory:")
    assert await jobs.named(QUEUE, "job-1") is None
    with pytest.raises(AssertionError):
        await jobs.named(RUN.id, "job-1")
    await ledger.close()


async def test_a_full_disk_undoes_what_was_begun(tmp_path: Path) -> None:
    ledger, jobs, lease = await opened(tmp_path / "books.db")
    pages = writer_of(ledger).execute("pragma page_count").fetchone()[0]
    writer_of(ledger).execute(f"pragma max_page_count = {pages + 1}")
    with pytest.raises(LedgerError, match="database or disk is full") as caught:
        await jobs.add_jobs(lease, 0, [job_of(seq, name="x" * 1_000) for seq in range(100)])
    assert not isinstance(caught.value, Fenced)
    assert await jobs.in_order(RUN.id, -1, 10) == []
    writer_of(ledger).execute("pragma max_page_count = 100000")
    await jobs.add_jobs(lease, 0, [job_of(1)])
    await ledger.close()


KILLED = """
import asyncio, sys
from tests.contracts.check_jobs import RUN, batch_of, job_of
from tests.contracts.check_ledger import entry_of, hold_of
from thriftgate.ledger.jobs import Outcome
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_jobs import SqlJobs

async def main():
    ledger = SqlLedger.open(sys.argv[1])
    jobs = SqlJobs(ledger)
    await jobs.open_run(RUN)
    lease = await jobs.take(RUN.id, "worker_1", 0, 60_000_000)
    await jobs.add_jobs(lease, 0, [job_of(seq) for seq in range(3000)])
    for start in range(0, 3000, 3):
        mine = [job_of(seq, entry=f"e{seq:04}") for seq in range(start, start + 3)]
        batch = batch_of(f"tgb_{start:04}", jobs=3)
        await jobs.post(lease, 0, batch, mine, [hold_of(one.entry, batch=batch.id) for one in mine])
        outcomes = [Outcome(one.seq, "done", entry=one.entry) for one in mine]
        await jobs.book(lease, 0, outcomes, [entry_of(one.entry, paid=1) for one in mine])
        print(start, flush=True)

asyncio.run(main())
"""


async def test_a_worker_killed_anywhere_leaves_jobs_and_entries_agreeing(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while int(process.stdout.readline()) < 300:
        pass
    process.kill()
    told = [int(line) for line in process.stdout.read().splitlines()] or [300]
    process.stdout.close()
    process.wait()
    ledger = SqlLedger.open(path)
    jobs = SqlJobs(ledger)
    done = {job.entry for job in await jobs.in_order(RUN.id, -1, 5_000) if job.state == "done"}
    assert done == {entry.id for entry in await ledger.entries(limit=5_000)}
    assert {f"e{seq:04}" for seq in range(told[-1] + 3)} <= done
    packed = {job.entry for job in await jobs.in_order(RUN.id, -1, 5_000) if job.state == "packed"}
    assert packed == {hold.id for hold in await ledger.open_holds()}
    assert await ledger.unbalanced() == []
    assert await jobs.take(RUN.id, "worker_2", 1, 60_000_000) is None
    lease = await jobs.take(RUN.id, "worker_2", 1, 60_000_000, dead="worker_1")
    assert lease is not None
    await jobs.book(lease, 1, [Outcome(2_999, "failed", "canceled")], [])
    await ledger.close()


async def test_another_program_may_hold_the_file_for_a_while(tmp_path: Path) -> None:
    ledger, jobs, lease = await opened(tmp_path / "books.db")
    other = sqlite3.connect(tmp_path / "books.db", isolation_level=None)
    other.execute("begin immediate")
    writing = asyncio.ensure_future(jobs.set_batch(lease, 0, batch_of()))
    assert await jobs.batches(RUN.id) == []  # reading goes on
    assert not writing.done()
    other.execute("rollback")
    other.close()
    await writing
    assert await jobs.batches(RUN.id) == [batch_of()]
    await ledger.close()


async def test_no_question_looks_at_all_entries_there_are(tmp_path: Path) -> None:
    """A ledger has entries of many runs and of calls, and a worker asks such things each time it starts."""
    ledger, jobs, _ = await opened(tmp_path / "books.db")
    asked: list[str] = []
    reader_of(ledger).set_trace_callback(asked.append)
    await jobs.spent(RUN.id)
    await jobs.tally(RUN.id)
    await jobs.in_order(RUN.id, 0, 10)
    await jobs.waiting(RUN.id, 0, after=-1, limit=10)
    await jobs.jobs(RUN.id, [1, 2])
    await jobs.direct(RUN.id, "direct", 10)
    reader_of(ledger).set_trace_callback(None)
    questions = [one for one in asked if one.lstrip().startswith("select")]
    assert len(questions) >= 8
    for question in questions:
        plan = reader_of(ledger).execute(f"explain query plan {question}").fetchall()
        assert not [step for *_, step in plan if step.startswith("SCAN") and not step.startswith("SCAN each VIRTUAL")], (
            question,
            plan,
        )
    await ledger.close()
