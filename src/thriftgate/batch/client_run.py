"""One batch that a client created itself: written ahead, watched, and booked line by line, whoever reads its results first.

Its calls are the client's: they are never sent again, and what the client pays is what it would have paid without us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from thriftgate.batch.booking import Desk, void_entry
from thriftgate.batch.build import WAITS, take
from thriftgate.batch.client_intake import Draft
from thriftgate.batch.fetching import Fetched, Fetcher
from thriftgate.batch.machine import BatchEvent
from thriftgate.batch.matching import ClientNames, seq_of
from thriftgate.batch.planning import Planner
from thriftgate.batch.queue_store import decode_headers
from thriftgate.batch.remote import Remote, ResultsGone
from thriftgate.batch.settling import Verdict, settle
from thriftgate.batch.waves import Reads
from thriftgate.batch.work import PAGE, Options, Placed, Progress, Work, moved
from thriftgate.core.control.whose import NOBODY, Payer, Whose
from thriftgate.core.deadline import Completions
from thriftgate.core.errors import InputError, UpstreamError
from thriftgate.core.plan import Decision
from thriftgate.engine.engine import Engine
from thriftgate.ledger.entries import Hold
from thriftgate.ledger.jobs import OPEN_BATCHES, BatchRow, Job, JobBook, Run
from thriftgate.logs import log
from thriftgate.providers.transport import Headers, Timeouts
from thriftgate.wire.anthropic_batches import KEPT_S, MessageBatch, read_result

POLL_S = (60.0, 3600.0)  # between two looks at one batch: a tenth of its age, within these
GRACE_S = 600.0  # an ended batch is left to its client for so long before its results are fetched for the books alone
SKEW_US = 300_000_000  # how far the provider's clock may be off
LOST_US = 3_600_000_000  # a POST takes no longer
_ASKING = Timeouts(10.0, 120.0)


class ClientRun:
    """A client's batch that is not booked yet. `found`: it was not created here, and what it holds is learned from its
    results. `due_s` is when to look after it again."""

    def __init__(self, engine: Engine, work: Work, batch: BatchRow, *, found: bool) -> None:
        self.batch = batch
        self.due_s = 0.0
        self.readers = 0  # clients that are reading its results now
        self._engine = engine
        self.work = work
        self._names = ClientNames(work, adds=found)
        self._lock = asyncio.Lock()
        self._fetcher = _Fetcher(work, self._names, self._lock)
        self._counts = Fetched()
        self._doubted_s: float | None = None

    @classmethod
    async def open(cls, engine: Engine, book: JobBook, run: Run, batch: BatchRow) -> ClientRun:
        """Take a run into this process's hands. Raises LedgerError."""
        options = msgspec.json.decode(run.options, type=ClientOptions)
        work = Work(
            book=book,
            lease=await take(engine, book, run),
            clock=engine.clock,
            remote=Remote(engine.provider, engine.transport, (), _ASKING),
            desk=Desk(run.key, engine.provider.name, engine.knowledge.book, deferred=False, whose=options.whose),
            planner=Planner(engine.knowledge, engine.policy, run.key, WAITS, upstream=engine.upstreams.first),
            source=_NoSource(),
            outlet=_NoOutlet(),
            folder=Path(),
            new_id=engine.new_id,
            options=Options(attempts_max=1, poll_s=POLL_S),
            completions=Completions(),
            reads=Reads(),
            progress=Progress(),
        )
        return cls(engine, work, batch, found=options.found)

    @property
    def is_open(self) -> bool:
        return self.batch.state in OPEN_BATCHES

    @property
    def key(self) -> str:
        """Whose it is in the books."""
        return self.work.desk.key

    # --- creating it -----------------------------------------------------------------------------------------------------

    async def write_ahead(self, drafts: Sequence[Draft]) -> None:
        """Put its jobs and their holds down: from here on a killed process leaves a batch that may exist."""
        work = self.work
        for page in _pages(drafts):
            jobs = [self._job(draft) for draft in page]
            now_us = work.now_us()
            await work.book.add_jobs(work.lease, now_us, sorted(jobs, key=lambda job: job.seq))
            holds = [
                Hold(
                    job.entry,
                    now_us,
                    self.key,
                    job.model,
                    draft.worst_pico,
                    job.forecast_pico,
                    self.batch.id,
                    whose=work.desk.whose,
                    provider=work.desk.provider,
                )
                for job, draft in zip(jobs, page, strict=True)
            ]
            await work.book.post(work.lease, now_us, self.batch, (), holds)
        await self._move("complete")

    async def put_down(self) -> None:
        """A batch that was created elsewhere: from here on its results are to be booked."""
        self.batch = await self.work.keep(self.batch)
        self._later(self.work.clock.now_s())

    async def created(self, remote: MessageBatch) -> None:
        """The provider has taken it."""
        await self._move("accepted", remote_id=remote.id, created_us=remote.created_us or self.work.now_us())

    async def refused(self, why: str) -> None:
        """The provider has not taken it: nothing was billed."""
        await self._drop("refused", why)

    async def doubted(self, why: str) -> None:
        """Nobody knows whether the provider has taken it."""
        self._doubted_s = self.work.clock.now_s()
        await self._move("unsure", note=why)
        log.warning("answer to a client's batch lost", batch=self.batch.id, jobs=self.batch.jobs)

    def _job(self, draft: Draft) -> Job:
        return Job(
            run=self.batch.run,
            seq=seq_of(self.batch, draft.name),
            name=draft.name,
            state="packed",
            batch=self.batch.id,
            attempt=1,
            entry=self.work.new_id(),
            model=draft.model,
            forecast_pico=draft.forecast_pico,
        )

    # --- booking it ------------------------------------------------------------------------------------------------------

    async def book(self, lines: Sequence[bytes]) -> None:
        """Book lines of its results; those that are booked already are passed over."""
        if not self.is_open:
            return
        async with self._lock:
            if self.batch.state in ("running", "canceling"):
                await self._move("seen_ended", ended_us=self.work.now_us())
        await self._fetcher.book(self.batch, lines, (), self._counts)

    async def finish(self) -> None:
        """All lines of its results were booked."""
        async with self._lock:
            if self.batch.state == "ended":
                self.batch = await self._fetcher.close(self.batch)
                await self._end()

    async def fits(self, lines: Sequence[bytes]) -> bool:
        """Whether these results may be its own: every line names a request of it that has no answer yet."""
        try:
            read = [read_result(line) for line in lines]
        except InputError:
            return False
        pairs = await self._names.jobs(self.batch, read)
        return len(pairs) == len(lines) > 0 and all(job.state == "packed" for job, _ in pairs)

    async def adopt(self, remote: MessageBatch) -> None:
        """The provider's batch whose creation was in doubt is this one."""
        log.info("lost batch found", batch=self.batch.id, remote=remote.id)
        await self._move("found", remote_id=remote.id, created_us=remote.created_us or self.batch.made_us, note="")

    # --- watching it -----------------------------------------------------------------------------------------------------

    async def take_up(self) -> None:
        """The process that held it before has died."""
        before = self.batch.state
        if moved(self.batch, "killed")[0].state == "dropped":
            await self._drop("killed", "its process died before it was sent")
            return
        await self._move("killed")
        if before != self.batch.state:
            log.warning("client's batch in doubt", batch=self.batch.id, was=before)

    async def drive(self, headers: Headers, claiming: asyncio.Lock, *, now: bool = False) -> None:
        """Look after it: ask how it is getting on, or fetch its results for the books; `now` where its client will not.
        `claiming` is held while it is decided which of the provider's batches is whose."""
        work, now_s = self.work, self.work.clock.now_s()
        work.remote = Remote(
            self._engine.provider, self._engine.transport, (*headers, *decode_headers(self.batch.headers)), _ASKING
        )
        if self.batch.state == "doubtful":
            await self._search(claiming)
        if self.batch.state in ("running", "canceling"):
            async with self._lock:
                if self.batch.state in ("running", "canceling"):
                    self.batch = await self._fetcher.poll(self.batch)
            if self.batch.state == "ended" and not now:
                self._later(now_s)
                return
        if self.batch.state == "ended" and not self.readers:
            after, _ = await self._fetcher.fetch(self.batch)
            self.batch = after if self.is_open else self.batch
        self._later(now_s)
        if not self.is_open:
            await self._end()

    async def give_up_late(self) -> bool:
        """Book as lost what nobody can read any more: its results are kept no longer. Whether that was so."""
        work, batch = self.work, self.batch
        kept_until_s = (batch.created_us or batch.made_us) / 1e6 + KEPT_S
        if work.clock.now_s() < kept_until_s or batch.state in ("drafting", "posting"):
            return False
        async with self._lock:
            why = "its results were not fetched while they were kept"
            self.batch = await self._fetcher.give_up(moved(batch, "missing")[0], why)
            await self._end()
        return True

    async def _search(self, claiming: asyncio.Lock) -> None:
        """Look among the provider's batches for this one: as large, created then, known to nobody, with the same names."""
        work, batch = self.work, self.batch
        listed, said = await work.remote.since(batch.made_us - SKEW_US)
        if said.kind != "ok":
            return
        known = await work.book.known_batches([one.id for one in listed])
        near = [
            one
            for one in listed
            if one.id not in known and one.request_counts.total == batch.jobs and one.created_us <= batch.made_us + LOST_US
        ]
        for remote in near:
            first = await self._first_lines(remote) if remote.ended else None
            if first and await self.fits(first):
                async with claiming:
                    if self.batch.state == "doubtful" and not await work.book.known_batches([remote.id]):
                        await self.adopt(remote)
                return
        undecided = any(not one.ended for one in near)
        if self._doubted_s is None:
            self._doubted_s = work.clock.now_s()
        if not undecided and work.clock.now_s() > self._doubted_s + work.options.settle_s:
            await self._drop("absent", "its POST was never taken")

    async def _first_lines(self, remote: MessageBatch) -> list[bytes] | None:
        """None where they cannot be read now."""
        try:
            async for lines in self.work.remote.results(remote.id):
                return lines
        except ResultsGone:
            return []
        except UpstreamError:
            return None
        return []

    def _later(self, now_s: float) -> None:
        if self.batch.state == "ended":
            self.due_s = now_s + GRACE_S
            return
        age_s = now_s - (self.batch.created_us or self.batch.made_us) / 1e6
        self.due_s = now_s + min(POLL_S[1], max(POLL_S[0], age_s / 10))

    async def _drop(self, event: BatchEvent, why: str) -> None:
        """The batch does not exist. Its jobs first: a batch that is dropped is never looked at again."""
        await self._release(why)
        await self._move(event, note=why)

    async def _release(self, why: str) -> None:
        """Nothing of it was billed."""
        work, after = self.work, -1
        while page := await work.book.jobs_of(self.batch.id, after, PAGE):
            after, now_us = page[-1].seq, work.now_us()
            void = [void_entry(work.desk, job, self.batch, why, now_us) for job in page]
            await settle(
                work, [Verdict(job, "fail", b"", "not created", entry) for job, entry in zip(page, void, strict=True)]
            )
        await self._end()

    async def _end(self) -> None:
        await self.work.book.set_run(self.work.lease, self.work.now_us(), state="done")

    async def _move(self, event: BatchEvent, **changes: object) -> None:
        self.batch = await self.work.keep(moved(self.batch, event, **changes)[0])
        self._later(self.work.clock.now_s())


class ClientOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of a run of a client's: whether the batch was `found`, and whose it is."""

    found: bool = False
    whose: Whose = NOBODY


class _Fetcher(Fetcher):
    """Two may read the results of one batch at a time: its client, and we. Whoever has a line first books it."""

    def __init__(self, work: Work, names: ClientNames, lock: asyncio.Lock) -> None:
        super().__init__(work, names)
        self._lock = lock

    async def book(
        self, batch: BatchRow, lines: Sequence[bytes], plans: Sequence[tuple[Decision, ...]], counts: Fetched
    ) -> None:
        async with self._lock:
            await super().book(batch, lines, plans, counts)


class _NoSource:
    """Calls of clients are not kept."""

    async def load(self, jobs: Sequence[Job]) -> None:
        """There is nothing to load."""

    def params(self, job: Job) -> bytes:
        raise InputError(f"the body of {job.name!r} is not kept")

    def headers(self, job: Job) -> Headers:
        del job
        return ()

    def payer(self, job: Job) -> Payer:
        del job
        return Payer()


class _NoOutlet:
    """Results go to the client as they come; nothing of them is kept."""

    def add(self, results: Sequence[tuple[Job, bytes]], now_us: int) -> Placed:
        del now_us
        return Placed([(0, 0)] * len(results), ())

    def changes(self) -> dict[str, object]:
        return {}

    async def told(self, jobs: Sequence[Job]) -> None:
        """Nobody waits for it."""


def _pages(drafts: Sequence[Draft]) -> Iterator[Sequence[Draft]]:
    for at in range(0, len(drafts), PAGE):
        yield drafts[at : at + PAGE]
