"""Lines of results find the jobs they belong to, and no others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from tests.fixtures import engine_on, simulator
from thriftgate.batch.build import job_book
from thriftgate.batch.client_run import ClientRun
from thriftgate.batch.matching import ClientNames, OwnNames, seq_of
from thriftgate.batch.packing import fingerprint
from thriftgate.ledger.jobs import BatchRow, Job, Run
from thriftgate.wire.anthropic_batches import ResultLine, custom_id, read_result


def line(name: str) -> ResultLine:
    return read_result(msgspec.json.encode({"custom_id": name, "result": {"type": "canceled"}}))


def row(batch: str) -> BatchRow:
    return BatchRow(batch, f"client_{batch}", "plain", "running", fingerprint(batch), f"remote_{batch}", 0, headers=b"[]")


@asynccontextmanager
async def run_of(batch: BatchRow, *, found: bool = False) -> AsyncIterator[ClientRun]:
    async with engine_on(simulator()) as engine:
        book = job_book(engine)
        run = await book.open_run(Run(batch.run, "client", "running", "key_1", b'{"found":true}' if found else b"{}", 0))
        one = await ClientRun.open(engine, book, run, batch)
        await one.put_down()
        yield one


async def test_our_own_names() -> None:
    batch = row("tgb_1")
    async with run_of(batch) as run:
        work = run.work
        jobs = [Job(batch.run, seq, f"job {seq}", "packed", batch=batch.id) for seq in (1, 300)]
        await work.book.add_jobs(work.lease, 0, jobs)
        lines = [line(custom_id(batch.fingerprint, seq)) for seq in (300, 1, 7)]
        other = [line(custom_id(fingerprint("tgb_2"), 1)), line("one of a client's")]
        pairs = await OwnNames(work).jobs(batch, [*lines, *other])
        assert [(job.seq, found) for job, found in pairs] == [(1, lines[1]), (300, lines[0])]
        assert await OwnNames(work).jobs(batch, other) == []


async def test_a_clients_names() -> None:
    batch = row("tgb_1")
    async with run_of(batch) as run:
        work = run.work
        jobs = [Job(batch.run, seq_of(batch, name), name, "packed", batch=batch.id) for name in ("a", "b")]
        await work.book.add_jobs(work.lease, 0, jobs)
        pairs = await ClientNames(work, adds=False).jobs(batch, [line("b"), line("a"), line("c")])
        assert {(job.name, found.custom_id) for job, found in pairs} == {("a", "a"), ("b", "b")}


async def test_a_line_that_makes_its_job() -> None:
    batch = row("tgb_1")
    async with run_of(batch, found=True) as run:
        names = ClientNames(run.work, adds=True)
        first = await names.jobs(batch, [line("a"), line("b")])
        second = await names.jobs(batch, [line("b"), line("c")])
        entries = {job.name: job.entry for job, _ in first}
        assert sorted(entries) == ["a", "b"]
        assert entries["b"] in [job.entry for job, _ in second]
        assert len({job.entry for job, _ in [*first, *second]}) == 3


def test_numbers_of_names() -> None:
    """Within 63 bits, the same each time, and others in each batch."""
    one, two = row("tgb_1"), row("tgb_2")
    assert 0 <= seq_of(one, "a") < 2**63
    assert seq_of(one, "a") == seq_of(one, "a")
    assert len({seq_of(batch, name) for batch in (one, two) for name in ("a", "b", "c")}) == 6
