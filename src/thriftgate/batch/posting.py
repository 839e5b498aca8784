"""Bring batches to the provider: written ahead, posted once, and searched for where the answer was lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, aclosing
from itertools import zip_longest
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from thriftgate.batch.booking import void_entry
from thriftgate.batch.machine import BatchEvent, JobEvent
from thriftgate.batch.packing import Bounds, Packing, Page, fingerprint
from thriftgate.batch.remote import Kind, ResultsGone, ResultsRefused, Said
from thriftgate.batch.settling import Verdict, settle
from thriftgate.batch.work import PAGE, Stopped, Work, moved
from thriftgate.core.deadline import rescue_at_s, urgency
from thriftgate.core.errors import BudgetExceeded, InputError, UpstreamError
from thriftgate.ledger.jobs import BatchRow, Group, Job, Role
from thriftgate.logs import log
from thriftgate.providers.transport import FileBody, Headers
from thriftgate.wire.anthropic_batches import MessageBatch, errored, job_name, read_result

MIN_BYTES = 2**16  # a batch refused as too large is not cut below that
FEW = 4  # jobs of a group that are asked for at once, at least
SKEW_US = 2 * 86_400_000_000
"""How wrong our clock may be: a batch that is looked for no further back than it was made would be posted a second time."""
_EVENTS: Mapping[Kind, BatchEvent] = {
    "ok": "accepted", "refused": "refused", "missing": "refused", "later": "put_off", "unsure": "unsure",
}  # fmt: skip


class Lane(NamedTuple):
    """Which jobs are next: those of these groups (0: those without one), of each group at most `each`."""

    role: Role
    groups: Sequence[Group]
    wave: int = 0
    each: int = 2**62


class _Kind(NamedTuple):
    """What the jobs of one batch have in common: the headers of its POST, and how urgent they are."""

    headers: bytes
    urgency: int


class Poster:
    """Forms batches and posts them. Bodies wait in files until they are taken."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._bodies: dict[str, FileBody] = {}
        self._doubted_s: dict[str, float] = {}
        self.again_at_s = 0.0  # not before that: the provider has asked for a pause
        self.too_dear = False  # what is left may cost more than the run is allowed
        self.why = ""  # which budget that is; the run's own bound where none is named
        self.groups: set[int] = set()  # of the jobs in the batch that was drafted last
        self._size_bytes = work.options.size_bytes_max

    async def draft(self, lane: Lane) -> BatchRow | None:
        """Write the next batch of a lane ahead, all but its POST. None where no job of it is left, or none may be sent."""
        work = self._work
        packing: Packing | None = None
        batch: BatchRow | None = None
        urgent_us, now_s = 0, work.clock.now_s()
        self.too_dear, self.why, self.groups = False, "", set()
        left_pico, budget = await work.room()
        with ExitStack() as undo:
            async for page in self._pages(lane):
                await work.source.load(page)
                if packing is None or batch is None:
                    kind = self._kind(page[0], now_s)
                    batch = self._blank(lane, kind.headers)
                    packing = self._packing(batch, lane.role, left_pico)
                    undo.callback(packing.drop)
                fitting = [job for job in page if self._kind(job, now_s) == kind]
                packed = packing.add(fitting, {group.id: group for group in lane.groups}, now_s)
                urgent_us = _most_urgent(urgent_us, packed.jobs)
                self.groups.update(job.grp for job in packed.jobs)
                batch = replace(batch, jobs=packing.count, worst_pico=packing.worst_pico)
                try:
                    await self._put_down(batch, packed)
                except BudgetExceeded as error:  # others were quicker
                    await self.drop(moved(batch, "killed")[0], str(error))
                    self.too_dear, self.why = True, str(error)
                    return None
                if packed.full:
                    self.too_dear, self.why = packed.too_dear, budget if packing.within(left_pico) else ""
                    break
            if packing is None or batch is None:
                return None
            if not packing.count:
                await work.keep(moved(batch, "killed")[0])
                return None
            body, plans = packing.close()
            undo.pop_all()
        self._bodies[batch.id] = body
        rescue_us = 0
        if urgent_us:
            left = work.progress.jobs - work.progress.settled if work.deadline_s is not None else 0  # all due together
            rescue_s = rescue_at_s(work.clock.now_s(), urgent_us / 1e6, work.options.reserve, max(packing.count, left))
            rescue_us = max(1, int(rescue_s * 1e6))
        batch, _ = moved(batch, "complete", plans=plans, rescue_us=rescue_us, poll_us=work.now_us())
        return await work.keep(batch)

    async def post(self, batch: BatchRow) -> BatchRow:
        """POST a batch that is `posting`: once, or again where the last time surely was in vain."""
        work = self._work
        body = self._bodies.get(batch.id)
        if body is None:  # another process wrote it ahead, and died
            return await work.keep(moved(batch, "killed")[0])
        headers = tuple((name.encode(), value.encode()) for name, value in _decoded(batch.headers))
        said = await work.remote.create(body, headers)
        event = _EVENTS[said.kind]
        if event == "accepted" and said.batch is not None:
            batch = _taken(batch, said.batch, event, work.now_us())
            log.info("batch created", batch=batch.id, remote=batch.remote_id, jobs=batch.jobs, role=batch.role)
        elif event == "put_off":
            self.again_at_s = work.clock.now_s() + said.wait_s
            batch = moved(batch, event, poll_us=work.now_us() + int(said.wait_s * 1e6), note=said.why)[0]
        else:
            batch = moved(batch, event, note=said.why)[0]
        if batch.state == "dropped":
            smaller = said.status == 413 and body.length > MIN_BYTES
            await self.drop(batch, said.why, call=work.options.call_refused and not smaller)
            self._refused(batch, said, body, smaller=smaller)
            return batch
        if batch.state != "posting":
            self._forget(batch.id)
        return await work.keep(batch)

    async def withdraw(self, batch: BatchRow) -> None:
        """Give up a batch that was put off: it surely does not exist, and its jobs wait again."""
        await self.drop(moved(batch, "refused")[0], "it was put off for too long")

    async def search(self, batch: BatchRow) -> BatchRow:
        """Look among the provider's batches for one that may be ours: of the same size, created since, and unknown to us.

        Only results tell whose a batch is, and they come at its end: a suspect is watched until then. Where there is none,
        and none has shown up for `settle_s`, there never was one.
        """
        work = self._work
        doubted_s = self._doubted_s.setdefault(batch.id, work.clock.now_s())
        listed, said = await work.remote.since(min(batch.made_us, work.now_us()) - SKEW_US)
        if said.kind == "refused":
            raise Stopped(f"the provider refuses to list its batches: {said.why}")
        if said.kind != "ok":
            return await self._later(batch, said.wait_s)
        strangers = set(msgspec.json.decode(batch.suspects, type=list[str]))
        known = await work.book.known_batches([one.id for one in listed])
        suspects = [one for one in listed if one.id not in known | strangers and one.request_counts.total == batch.jobs]
        for one in suspects:
            if not one.ended:
                continue
            name = await self._whose(one)
            if name == batch.fingerprint:
                log.info("lost batch found", batch=batch.id, remote=one.id)
                return await work.keep(_taken(batch, one, "found", work.now_us()))
            if name is not None:
                strangers.add(one.id)
                suspects = [other for other in suspects if other.id != one.id]
        batch = replace(batch, suspects=msgspec.json.encode(sorted(strangers)))
        if suspects:
            return await self._later(batch, work.options.poll_s[1])
        if work.clock.now_s() < doubted_s + work.options.settle_s:
            return await self._later(batch, work.options.settle_s / 2)
        return await self.drop(moved(batch, "absent")[0], "its POST was never taken")

    async def drop(self, batch: BatchRow, why: str, *, call: bool = False) -> BatchRow:
        """Write down that a batch does not exist, and let its jobs wait again; nothing was billed for them. The jobs first:
        a batch that is dropped is never looked at again."""
        await self._release(batch, why, call=call)
        self._forget(batch.id)
        return await self._work.keep(batch)

    async def _release(self, batch: BatchRow, why: str, *, call: bool) -> None:
        work = self._work
        event: JobEvent = "cancel" if work.canceling else "hurry" if call else "again"
        after = -1
        while page := await work.book.jobs_of(batch.id, after, PAGE):
            after = page[-1].seq
            await work.source.load(page)
            now_us = work.now_us()
            result = errored("canceled", "the run was canceled") if work.canceling else b""
            await settle(
                work,
                [
                    Verdict(
                        job, event, result, "canceled", void_entry(work.desk_of(job), job, batch, why, now_us), tried=False
                    )
                    for job in page
                ],
            )

    def clear(self) -> None:
        """Remove bodies that a process left behind: none of them will be sent."""
        for path in self._work.folder.glob("tgb_*.json"):
            path.unlink(missing_ok=True)

    async def _pages(self, lane: Lane) -> AsyncIterator[Sequence[Job]]:
        """The waiting jobs of a lane, page by page; of groups one job each in turn: so a prefix is read again and again
        until the batch has ended, and lives as long, however slowly that goes."""
        run, book = self._work.lease.run, self._work.book
        open_groups = [(one.id, -1, lane.each) for one in lane.groups] or [(0, -1, lane.each)]
        few = max(FEW, PAGE // len(open_groups))
        while open_groups:
            pages = [await book.waiting(run, group, after=after, limit=min(few, left)) for group, after, left in open_groups]
            last = self._work.looked_at
            every = (job for turn in zip_longest(*pages) for job in turn if job is not None)
            in_turn = [job for job in every if last is None or job.seq <= last]
            for at in range(0, len(in_turn), PAGE):
                yield in_turn[at : at + PAGE]
            open_groups = [
                (group, page[-1].seq, left - len(page))
                for (group, _, left), page in zip(open_groups, pages, strict=True)
                if page and left > len(page)
            ]

    def _kind(self, job: Job, now_s: float) -> _Kind:
        headers = _encoded(self._work.source.headers(job))
        return _Kind(headers, urgency(job.deadline_us / 1e6 - now_s) if job.deadline_us else -1)

    def _blank(self, lane: Lane, headers: bytes) -> BatchRow:
        work = self._work
        batch_id = "tgb_" + work.new_id().removeprefix("tg_")
        return BatchRow(
            id=batch_id,
            run=work.lease.run,
            role=lane.role,
            state="drafting",
            fingerprint=fingerprint(batch_id),
            remote_id="",
            jobs=0,
            wave=lane.wave,
            headers=headers,
            made_us=work.now_us(),
        )

    def _packing(self, batch: BatchRow, role: Role, budgets_pico: int | None) -> Packing:
        work, limit_pico = self._work, self._work.options.max_cost_pico
        own_pico = None if limit_pico is None else limit_pico - work.progress.paid_pico - work.held_pico()
        left_pico = min((one for one in (own_pico, budgets_pico) if one is not None), default=None)
        room = work.options.queue_jobs - work.progress.in_batches
        bounds = Bounds(min(work.options.requests_max, max(1, room)), self._size_bytes, left_pico)
        path = work.folder / f"{batch.id}.json"
        return Packing(work.planner, work.source, work.new_id, path, batch=batch.id, role=role, bounds=bounds)

    async def _put_down(self, batch: BatchRow, page: Page) -> None:
        work = self._work
        await work.book.post(work.lease, work.now_us(), batch, page.jobs, page.holds)
        await settle(
            work,
            [
                Verdict(one.job, "fail", errored("invalid_request_error", one.why), "invalid_request_error")
                for one in page.misfits
            ],
        )

    def _refused(self, batch: BatchRow, said: Said, body: FileBody, *, smaller: bool) -> None:
        """The provider will not have this batch. A smaller one it may; anything else is for people to mend, or each job by
        itself gets its answer or its own error."""
        if smaller:
            self._size_bytes = body.length // 2
            log.warning("batch too large", batch=batch.id, size_bytes_max=self._size_bytes)
            return
        if self._work.options.call_refused:
            log.error("batch refused, its jobs are called", batch=batch.id, why=said.why)
            return
        raise Stopped(f"the provider refused a batch of {batch.jobs} jobs: {said.why}")

    async def _whose(self, batch: MessageBatch) -> str | None:
        """The fingerprint in the results of a batch, "" where they are not ours; None where they cannot be read now."""
        try:
            async with aclosing(self._work.remote.results(batch.id)) as pages:
                async for lines in pages:
                    name = job_name(read_result(lines[0]).custom_id)
                    return name.fingerprint if name is not None else ""
        except ResultsGone:
            return ""
        except ResultsRefused as error:
            raise Stopped(str(error)) from None
        except InputError:
            return ""
        except UpstreamError:
            return None
        return ""

    async def _later(self, batch: BatchRow, wait_s: float) -> BatchRow:
        return await self._work.keep(replace(batch, poll_us=self._work.now_us() + int(wait_s * 1e6)))

    def _forget(self, batch_id: str) -> None:
        self._doubted_s.pop(batch_id, None)
        body = self._bodies.pop(batch_id, None)
        if body is not None:
            body.path.unlink(missing_ok=True)


def _taken(batch: BatchRow, remote: MessageBatch, event: BatchEvent, now_us: int) -> BatchRow:
    """The batch, now that it is known at the provider."""
    return moved(batch, event, remote_id=remote.id, created_us=remote.created_us or now_us, poll_us=now_us, note="")[0]


def _most_urgent(known_us: int, jobs: Sequence[Job]) -> int:
    deadlines = [job.deadline_us for job in jobs if job.deadline_us]
    return min([*deadlines, *([known_us] if known_us else [])], default=0)


def _encoded(headers: Headers) -> bytes:
    return msgspec.json.encode([(name.decode(), value.decode()) for name, value in headers])


def _decoded(data: bytes) -> list[tuple[str, str]]:
    return msgspec.json.decode(data, type=list[tuple[str, str]])
