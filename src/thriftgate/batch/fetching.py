"""Watch batches, and take their results home: read as they come, booked page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing

from msgspec.structs import replace

from thriftgate.batch.booking import entry_of, is_passing, lost_entry
from thriftgate.batch.machine import BatchEvent, JobEvent
from thriftgate.batch.matching import Names, OwnNames
from thriftgate.batch.planning import read_plans
from thriftgate.batch.remote import ResultsGone, ResultsRefused
from thriftgate.batch.settling import Verdict, settle
from thriftgate.batch.work import PAGE, Stopped, Work, moved
from thriftgate.core.errors import InputError, UpstreamError
from thriftgate.core.plan import Decision
from thriftgate.ledger.jobs import BatchRow, Job
from thriftgate.logs import log
from thriftgate.wire.anthropic_batches import MessageBatch, ResultLine, errored, read_result

_STATES: Mapping[str, BatchEvent] = {"in_progress": "seen_running", "canceling": "seen_canceling", "ended": "seen_ended"}
RETRY_S = 5.0  # before broken-off results are asked for again
SHORT_MAX = 5  # readings that hold no line for some job, before it is given up


class Fetched:
    """What the results of one batch said, added up as they were booked."""

    def __init__(self) -> None:
        self.led: set[int] = set()
        self.returned: set[int] = set()
        self.followers = 0
        self.reads = 0
        self.short = 0


class Fetcher:
    """Polls batches and books their results. `names` tells which job a line of them belongs to."""

    def __init__(self, work: Work, names: Names | None = None) -> None:
        self._work = work
        self._names = names or OwnNames(work)
        self._counts: dict[str, Fetched] = {}

    async def poll(self, batch: BatchRow) -> BatchRow:
        """Ask how a running batch is getting on."""
        work = self._work
        said = await work.remote.retrieve(batch.remote_id)
        if said.kind == "missing":
            self._check_key(batch)
            return await self.give_up(moved(batch, "missing")[0], "the provider does not know this batch any more")
        if said.kind == "refused":
            raise Stopped(f"the provider refuses to tell how the batch {batch.remote_id} is getting on: {said.why}")
        if said.kind != "ok" or said.batch is None:
            return await self._later(batch, said.wait_s)
        batch, commands = moved(batch, _event(said.batch))
        if batch.state == "ended":
            batch = replace(batch, ended_us=said.batch.ended_us or work.now_us(), poll_us=work.now_us())
            if said.batch.request_counts.canceled == 0:
                work.completions.observe((batch.ended_us - batch.created_us) / 1e6)
            return await work.keep(batch)
        if "ask_to_cancel" in commands:
            await work.remote.cancel(batch.remote_id)
        return await self._later(batch, self._wait_s(batch))

    def _check_key(self, batch: BatchRow) -> None:
        """Another key may be of another workspace, where batches of this run cannot be seen. Raises Stopped."""
        work = self._work
        if work.begun_by not in ("", work.desk.key):
            raise Stopped(
                f"the provider does not show {batch.remote_id} to {work.desk.key}; the run was begun with {work.begun_by}: "
                "go on with that key, or one of the same workspace"
            )

    async def cancel(self, batch: BatchRow) -> BatchRow:
        """Ask a running batch to stop; what it has answered by then stays answered, and is billed."""
        work = self._work
        batch, commands = moved(batch, "cancel", rescue_us=0)
        if "ask_to_cancel" in commands:
            said = await work.remote.cancel(batch.remote_id)
            log.info("batch canceled", batch=batch.id, remote=batch.remote_id, answer=said.kind)
            batch = replace(batch, poll_us=work.now_us() + int(work.options.poll_s[0] * 1e6))
        return await work.keep(batch)

    async def fetch(self, batch: BatchRow) -> tuple[BatchRow, Fetched]:
        """Book the results of a batch that has ended. Broken off, they are asked for again: what was booked is booked."""
        work = self._work
        counts = self._counts.setdefault(batch.id, Fetched())
        plans = read_plans(batch.plans)
        page: list[bytes] = []
        try:
            async with aclosing(work.remote.results(batch.remote_id)) as pages:
                async for lines in pages:
                    page += lines
                    while len(page) >= PAGE:
                        await self.book(batch, page[:PAGE], plans, counts)
                        page = page[PAGE:]
            await self.book(batch, page, plans, counts)
        except ResultsGone as error:
            del self._counts[batch.id]
            return await self.give_up(moved(batch, "missing")[0], str(error)), counts
        except ResultsRefused as error:
            raise Stopped(str(error)) from None
        except UpstreamError as error:
            log.warning("results broke off", batch=batch.id, error=str(error))
            return await self._later(moved(batch, "cut")[0], RETRY_S), counts
        if counts.short < SHORT_MAX and await work.book.jobs_of(batch.id, -1, 1):
            counts.short += 1
            log.warning("results hold no line for some jobs", batch=batch.id, reading=counts.short)
            return await self._later(moved(batch, "cut")[0], RETRY_S * 2**counts.short), counts
        return await self.close(batch), self._counts.pop(batch.id)

    async def close(self, batch: BatchRow) -> BatchRow:
        """The results of a batch that has ended were booked to the last line."""
        await self._lost(batch, "no_result", "the results hold no line for this job")
        return await self._work.keep(moved(batch, "read")[0])

    async def book(
        self, batch: BatchRow, lines: Sequence[bytes], plans: Sequence[tuple[Decision, ...]], counts: Fetched
    ) -> None:
        """Book a page of results. Lines of jobs that are settled already, from a reading that was cut, are passed over."""
        work = self._work
        read: list[ResultLine] = []
        for raw in lines:
            try:
                read.append(read_result(raw))
            except InputError as error:
                log.error("result line not readable", batch=batch.id, error=str(error))
        pairs = await self._names.jobs(batch, read)
        await work.source.load([job for job, _ in pairs])
        now_us = work.now_us()
        verdicts = []
        for job, line in pairs:
            if job.state == "packed" and job.batch == batch.id:
                decisions = plans[job.plan] if job.plan < len(plans) else ()
                verdicts.append(self._verdict(job, batch, line, decisions, now_us=now_us))
        states = await settle(work, verdicts)
        for one, state in zip(verdicts, states, strict=True):
            self._count(batch, one, waits=state == "waiting", counts=counts)

    def _verdict(
        self, job: Job, batch: BatchRow, line: ResultLine, decisions: tuple[Decision, ...], *, now_us: int
    ) -> Verdict:
        work = self._work
        entry = entry_of(work.desk_of(job), job, batch, line, now_us=now_us, decisions=decisions)
        if line.kind == "succeeded":
            return Verdict(job, "succeeded", line.result, entry=entry)
        more = job.attempt < work.options.attempts_max and not work.canceling
        again = line.kind in ("canceled", "expired") or is_passing(line.error)
        due = bool(job.deadline_us) or work.options.call_refused  # by itself it still gets its answer in time
        last: JobEvent = "hurry" if again and due and not work.canceling else "fail"
        event: JobEvent = "again" if again and more else last
        return Verdict(job, event, line.result, line.error.type or line.kind, entry)

    def _count(self, batch: BatchRow, one: Verdict, *, waits: bool, counts: Fetched) -> None:
        work, job, entry = self._work, one.job, one.entry
        if waits:
            counts.returned.add(job.grp)
        if one.event != "succeeded" or entry is None:
            return
        total = entry.usage.total
        for key in {work.desk.key, entry.key}:
            work.planner.knowledge.memory.answered(key, job.model, total.output)
        if batch.role == "lead":
            counts.led.add(job.grp)
        elif batch.role == "follow":
            counts.followers += 1
            counts.reads += total.read > 0

    async def _lost(self, batch: BatchRow, kind: str, why: str) -> None:
        """Jobs of a batch that is through which have no result: maybe they were billed, and nobody will ever read them. Sent
        again they might be billed twice, so that is for people to decide."""
        work = self._work
        after = -1
        while page := await work.book.jobs_of(batch.id, after, PAGE):
            after = page[-1].seq
            await work.source.load(page)
            now_us = work.now_us()
            result = errored(kind, why)
            entries = [lost_entry(work.desk_of(job), job, batch, why, now_us) for job in page]
            await settle(work, [Verdict(job, "fail", result, kind, entry) for job, entry in zip(page, entries, strict=True)])

    async def give_up(self, batch: BatchRow, why: str) -> BatchRow:
        """The results cannot be had any more."""
        log.error("results are gone", batch=batch.id, remote=batch.remote_id, why=why)
        await self._lost(batch, "results_gone", why)
        return await self._work.keep(replace(batch, note=why))

    def _wait_s(self, batch: BatchRow) -> float:
        """A tenth of the age of a batch, within bounds, and never past its rescue."""
        work, (least, most) = self._work, self._work.options.poll_s
        now_us = work.now_us()
        wait_s = min(most, max(least, (now_us - batch.created_us) / 1e7))
        if batch.rescue_us:
            wait_s = min(wait_s, max(least, (batch.rescue_us - now_us) / 1e6))
        return wait_s

    async def _later(self, batch: BatchRow, wait_s: float) -> BatchRow:
        work = self._work
        return await work.keep(replace(batch, poll_us=work.now_us() + int(wait_s * 1e6), polls=batch.polls + 1))


def _event(batch: MessageBatch) -> BatchEvent:
    return _STATES.get(batch.processing_status, "seen_running")
