"""Look for batches that exist twice: something on the way has repeated a POST, and the provider has billed both.

Nothing here can prevent that: creating a batch knows no idempotency key. But the results of such a batch bear the custom ids
of ours, so it is found, and what it cost stands in the books, against the saving of batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import aclosing
from hashlib import sha256
from typing import NamedTuple

from msgspec.structs import replace

from thriftgate.batch.booking import entry_of
from thriftgate.batch.posting import SKEW_US
from thriftgate.batch.remote import ResultsGone
from thriftgate.batch.work import PAGE, Work
from thriftgate.core.errors import InputError, UpstreamError
from thriftgate.core.levers.batch_defer import BatchDefer
from thriftgate.ledger.entries import UPSTREAM, Entry, balanced
from thriftgate.ledger.jobs import BatchRow, BatchState, Job
from thriftgate.logs import log
from thriftgate.wire.anthropic_batches import MessageBatch, ResultLine, job_name, read_result

POSTED: tuple[BatchState, ...] = ("running", "canceling", "ended", "booked", "dropped", "gone")


class Swept(NamedTuple):
    """What a sweep has found: copies that are in the books now, and batches that may be copies and have not ended, which
    alone would tell."""

    copies: int = 0
    suspects: tuple[str, ...] = ()


class Surplus:
    """Sweeps the provider's list for second copies of a run's batches."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._foreign: set[str] = set()
        self._from_us = 0  # what is older was looked for already: a queue is through many times

    async def sweep(self) -> Swept:
        """Book the results of second copies that have ended; what cannot be asked now is left for another time."""
        work = self._work
        posted = await work.book.batches(work.lease.run, POSTED)
        ours = {batch.fingerprint: batch for batch in posted if batch.made_us >= self._from_us}
        if not ours:
            return Swept()
        listed, said = await work.remote.since(min(batch.made_us for batch in ours.values()) - SKEW_US)
        known = await work.book.known_batches([one.id for one in listed])
        alike = [one for one in listed if one.id not in known | self._foreign and _is_like(one, ours.values())]
        copies = sum([await self._book(one, ours) for one in alike if one.ended])
        suspects = tuple(one.id for one in alike if not one.ended)
        if said.kind == "ok" and not suspects:
            self._from_us = work.now_us() - SKEW_US
        return Swept(copies, suspects)

    async def _book(self, remote: MessageBatch, ours: Mapping[str, BatchRow]) -> int:
        """Book a batch that may be a copy; 1 if it is one."""
        work = self._work
        original: BatchRow | None = None
        page: list[ResultLine] = []
        try:
            async with aclosing(work.remote.results(remote.id)) as pages:
                async for lines in pages:
                    for raw in lines:
                        line = read_result(raw)
                        name = job_name(line.custom_id)
                        original = original or (ours.get(name.fingerprint) if name is not None else None)
                        if original is None:
                            self._foreign.add(remote.id)
                            return 0
                        page.append(line)
                    if original is not None and len(page) >= PAGE:
                        await self._put(original, remote, page)
                        page = []
        except (ResultsGone, InputError):
            self._foreign.add(remote.id)
            return 0
        except UpstreamError:
            return 0  # another time
        if original is None:
            return 0
        await self._put(original, remote, page)
        copy = replace(
            original,
            id=f"{original.id}_{remote.id[-6:]}",
            state="booked",
            remote_id=remote.id,
            created_us=remote.created_us,
            ended_us=remote.ended_us,
            jobs=0,
            worst_pico=0,
            note=f"a second copy of {original.id}: its POST was repeated on the way",
        )
        await work.book.set_batch(work.lease, work.now_us(), copy)
        log.error("batch billed twice", batch=original.id, remote=remote.id)
        return 1

    async def _put(self, batch: BatchRow, remote: MessageBatch, lines: list[ResultLine]) -> None:
        """Book what was billed of these lines. Ids are made of theirs, so a second reading books nothing anew."""
        work = self._work
        entries: list[Entry] = []
        for line in lines:
            name = job_name(line.custom_id)
            if line.kind != "succeeded" or name is None:
                continue
            entry_id = "tgs_" + sha256(f"{remote.id}/{line.custom_id}".encode()).hexdigest()[:25]
            if await work.book.is_booked(entry_id):
                continue
            job = Job(batch.run, name.seq, line.custom_id, "done", batch=batch.id, entry=entry_id, attempt=1)
            entry = entry_of(work.desk, job, batch, line, now_us=work.now_us())
            paid = -entry.posted(UPSTREAM)
            entries.append(
                replace(
                    entry,
                    postings=balanced(0, paid, {BatchDefer.id: -paid}),
                    upstream_request_id=remote.id,
                    note=f"a second answer: {batch.id} was created twice",
                )
            )
        await work.book.book(work.lease, work.now_us(), (), entries)
        work.progress.count(entries)


def _is_like(one: MessageBatch, ours: Iterable[BatchRow]) -> bool:
    """Whether a batch may be a copy of one of ours: of its size, created within minutes of it."""
    return any(
        one.request_counts.total == batch.jobs and abs(one.created_us - (batch.created_us or batch.made_us)) < SKEW_US
        for batch in ours
    )
