"""One worker on one run: step by step, whatever is due is done, and told when the next thing is.

Everything that must survive a crash is in the job book before it happens, or is worked out again from it: so a run is taken
up by running the same command again, by this process or another.
"""

from __future__ import annotations

from thriftgate.batch.direct import Ask, Direct
from thriftgate.batch.fetching import Fetcher
from thriftgate.batch.lanes import Lanes
from thriftgate.batch.posting import Poster
from thriftgate.batch.settling import Verdict, settle
from thriftgate.batch.surplus import Surplus, Swept
from thriftgate.batch.work import PAGE, Stopped, Work, moved
from thriftgate.core.deadline import choose
from thriftgate.core.errors import LedgerError
from thriftgate.core.money import usd_from_pico
from thriftgate.ledger.jobs import OPEN_BATCHES, BatchRow
from thriftgate.logs import log
from thriftgate.wire.anthropic_batches import errored

AHEAD_US = 2 * 3600 * 1_000_000
"""Nothing is ever put off for so long: where it seems so, the clock was set back."""


class Runner:
    """Works on one run. `ask` makes a synchronous call. Call `start` once, then `step` until it returns None."""

    def __init__(self, work: Work, ask: Ask) -> None:
        self._work = work
        self._poster = Poster(work)
        self._fetcher = Fetcher(work)
        self._lanes = Lanes(work)
        self._direct = Direct(work, ask)
        self._surplus = Surplus(work)
        self._direct_left = True
        self._begun_s = 0.0
        self._swept = False
        self.swept = Swept()

    async def start(self) -> None:
        """Take the run up: batches of a process that died are doubted, calls it was making are made again."""
        work, run = self._work, self._work.lease.run
        self._poster.clear()
        for batch in await work.book.batches(run, OPEN_BATCHES):
            after = moved(batch, "killed", poll_us=work.now_us())[0]
            if after.state == "dropped":
                await self._lanes.dropped(await self._poster.drop(after, "its process died before it was sent"))
                continue
            await work.keep(after)
            if after.state != batch.state:
                log.info("batch taken up", batch=batch.id, state=after.state)
        await self._direct.taken_over()
        await self._lanes.decide()
        await self._count()
        self._direct_left = True
        await work.outlet.told(())

    async def gathered(self) -> None:
        """New jobs have come: look which of them share a prefix."""
        await self._work.book.group(self._work.lease, self._work.now_us())
        if await self._lanes.decide():
            self._direct_left = True
        self._lanes.woken()
        self._swept = False

    async def step(self) -> float | None:
        """Do what is due. Returns the seconds until something is due again, None when every job is through.

        Raises Stopped where people must mend something, Fenced where another worker has taken over.
        """
        work = self._work
        await self._look_for_orders()
        worked, trouble = False, None
        for batch in sorted(work.batches.values(), key=lambda one: one.poll_us):
            try:
                worked = await self._drive(batch) or worked
            except Stopped as error:
                if not work.options.call_refused:
                    raise
                trouble = error
        await self._mind_deadlines()
        if work.canceling:
            await self._cancel_waiting()
        worked = await self._fill() or worked
        called = await self._direct.round() if self._direct_left else 0
        if self._direct.too_dear and not work.batches:
            raise Stopped(self._too_dear())
        more = called > 0 or self._direct.too_dear or self._direct.again_at_s > work.clock.now_s()
        self._direct_left = self._direct_left and more
        if trouble is not None and not worked and not called:
            raise trouble
        if work.progress.settled >= work.progress.jobs and not work.batches:
            await self._sweep()
            return None
        return 0.0 if worked or called else self._until_due()

    async def _sweep(self) -> None:
        """All is through: look, once, whether anything was billed twice on the way."""
        if not self._swept:
            self._swept = True
            self.swept = await self._surplus.sweep()

    async def _drive(self, batch: BatchRow) -> bool:
        """Do what is due for one batch; whether anything was."""
        work, now_us = self._work, self._work.now_us()
        hurry = bool(batch.rescue_us) and now_us >= batch.rescue_us
        if batch.state == "running" and (hurry or work.canceling):
            if hurry:
                work.completions.outlasted((now_us - batch.created_us) / 1e6)
            await self._fetcher.cancel(batch)
            return True
        if batch.state == "posting" and batch.note and (hurry or work.canceling):
            await self._poster.withdraw(batch)
            await self._lanes.dropped(batch)
            return True
        if 0 < batch.poll_us - now_us <= AHEAD_US:
            return False
        if batch.state == "posting":
            await self._post(batch)
        elif batch.state == "doubtful":
            await self._settled(await self._poster.search(batch))
        elif batch.state in ("running", "canceling"):
            await self._settled(await self._fetcher.poll(batch))
        elif batch.state == "ended":
            after, counts = await self._fetcher.fetch(batch)
            if after.state == "booked":
                await self._lanes.booked(after, counts)
                self._direct_left = True  # what it has not done may be for calls
            await self._settled(after)
        return True

    async def _post(self, batch: BatchRow) -> None:
        try:
            await self._settled(await self._poster.post(batch))
        except Stopped:  # refused; its jobs wait again
            await self._lanes.dropped(batch)
            raise

    async def _settled(self, batch: BatchRow) -> None:
        if batch.state in ("dropped", "gone"):
            await self._lanes.dropped(batch)
            self._direct_left = True  # a refused batch may leave its jobs to be called

    async def _fill(self) -> bool:
        """Post batches as long as there is room and anything is waiting."""
        work, sent = self._work, False
        while (
            not work.canceling
            and work.clock.now_s() >= work.open_at_s
            and work.progress.in_batches < work.options.queue_jobs
            and work.clock.now_s() >= self._poster.again_at_s
        ):
            lane = await self._lanes.next()
            if lane is None:
                break
            batch = await self._poster.draft(lane)
            if batch is not None:
                await self._lanes.posted(lane, self._poster.groups)
                await self._post(batch)
                sent = True
            elif self._poster.too_dear:
                if not work.batches:
                    raise Stopped(self._too_dear())
                break
            else:
                await self._lanes.emptied(lane)
        return sent

    async def _mind_deadlines(self) -> None:
        """Jobs that wait and whose deadline a batch would not meet are called instead."""
        work = self._work
        now_s, left = work.clock.now_s(), work.progress.jobs - work.progress.settled
        reserve = work.options.reserve
        if work.deadline_s is not None:
            choice = choose(now_s, work.deadline_s, work.completions, reserve, jobs=left, begun_s=self._begun_s)
            before_s = work.deadline_s + 1 if not choice.batch else 0.0
        else:
            before_s = now_s + reserve.seconds(1)
        if before_s and await work.book.hurry(work.lease, work.now_us(), int(before_s * 1e6)):
            self._direct_left = True

    async def _look_for_orders(self) -> None:
        work = self._work
        run = await work.book.run(work.lease.run)
        if run is None:
            raise LedgerError(f"the run {work.lease.run} is gone from the ledger")
        self._begun_s = run.created_us / 1e6
        if run.wanted == "cancel" and not work.canceling:
            work.canceling = True
            log.info("run canceled", run=run.id)

    async def _cancel_waiting(self) -> None:
        work = self._work
        result = errored("canceled", "the run was canceled")
        while jobs := await work.book.waiting(work.lease.run, None, after=-1, limit=PAGE):
            await settle(work, [Verdict(job, "cancel", result, "canceled") for job in jobs])
        self._direct_left = True

    async def _count(self) -> None:
        """How far the run is, from the book."""
        work, progress = self._work, self._work.progress
        progress.jobs = progress.done = progress.direct = 0
        progress.failed = {}
        for one in await work.book.tally(work.lease.run, up_to=work.known):
            progress.jobs += one.jobs
            if one.state == "done":
                progress.done += one.jobs
            elif one.state == "failed":
                progress.failed[one.cause] = progress.failed.get(one.cause, 0) + one.jobs
            elif one.state in ("direct", "calling"):
                progress.direct += one.jobs
        spent = await work.book.spent(work.lease.run)
        progress.paid_pico, progress.baseline_pico = spent.paid_pico, spent.baseline_pico
        progress.prompt_tokens, progress.read_tokens = spent.prompt_tokens, spent.read_tokens
        progress.changed(progress)

    def _until_due(self) -> float:
        """Seconds until the next thing is due, at most a minute: orders and deadlines are looked after that often."""
        work, now_s = self._work, self._work.clock.now_s()
        due = [batch.poll_us / 1e6 for batch in work.batches.values()]
        due += [
            one.rescue_us / 1e6 for one in work.batches.values() if one.rescue_us and one.state in ("running", "posting")
        ]
        due += [at for at in (self._poster.again_at_s, self._direct.again_at_s) if at > now_s]
        return min(60.0, max(0.05, min(due, default=now_s + 1.0) - now_s))

    def _too_dear(self) -> str:
        work = self._work
        limit = work.options.max_cost_pico or 0
        left = work.progress.jobs - work.progress.settled
        budget = self._poster.why or self._direct.why
        if budget:
            return f"stopped: {left} jobs are left, and {budget}; run the same command again once there is room"
        return (
            f"stopped before more was spent than allowed: {left} jobs are left, and the next could cost more than what is "
            f"left of ${usd_from_pico(limit)}; run the same command again with a higher --max-cost"
        )
