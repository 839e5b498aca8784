"""The gateway that works on the queue: calls that waited are gathered into batches, and answered before their deadlines.

Any gateway takes calls (`queue.py`); one of them, the one that leads, sends them. What was taken is in the job book, body
and all, until it is answered: where the one that works is killed, the next one takes it up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from thriftgate.batch import build
from thriftgate.batch.queue import Queue
from thriftgate.batch.queue_store import QueueOutlet, QueueSource
from thriftgate.batch.runner import Runner
from thriftgate.batch.webhooks import Webhooks, receivers_of
from thriftgate.batch.work import PAGE, Stopped, Work
from thriftgate.core.deadline import DAY_S, rescue_at_s
from thriftgate.core.errors import InputError, ThriftgateError, UnknownPrice
from thriftgate.engine.engine import Engine
from thriftgate.ledger.jobs import QUEUE, Bound, Fenced, Job
from thriftgate.logs import log, where_raised

RATE_OF = 64  # arrivals whose rate is looked at
TROUBLE_S = 30.0  # after the provider has refused a batch
FORGET_S = 60.0  # between two looks for answers that were kept for long enough


class QueueWorker:
    """One at a time, of all gateways on the same books. `folder` holds the bodies of batches on their way."""

    def __init__(self, engine: Engine, queue: Queue, folder: Path) -> None:
        self._engine = engine
        self._queue = queue
        self._book = queue.book
        self._folder = folder
        self._arrivals: deque[float] = deque(maxlen=RATE_OF)
        self._wake, self._wake_teller = queue.news, asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._work: Work | None = None
        self._runner: Runner | None = None
        self._webhooks: Webhooks | None = None
        self._window_opened_s = 0.0
        self._urgent_s = 0.0
        self._coming: set[str] = set()  # names of jobs that opened the window, and were not noticed yet
        self._in_trouble = False
        self._forget_at_s = 0.0
        self._learned: tuple[bytes, bytes] | None = None
        self._closed = False

    async def start(self) -> None:
        """Take up what an earlier gateway left, and begin. Raises LedgerError where another one works."""
        work = await self.take_up()
        options = self._queue.options
        self._webhooks = Webhooks(work, options.secret, receivers_of(options.webhooks, options.allow_hosts))
        self._tasks = [
            self._engine.tasks.spawn(self._repeat(self.turn, self._wake)),
            self._engine.tasks.spawn(self._repeat(self._webhooks.send_due, self._wake_teller)),
        ]

    @property
    def open_jobs(self) -> int:
        """Jobs that are not answered yet."""
        progress = self._work.progress if self._work is not None else None
        return progress.jobs - progress.settled if progress is not None else 0

    @property
    def open_batches(self) -> int:
        return len(self._work.batches) if self._work is not None else 0

    def bounds(self, body: bytes, seq: int = 0) -> list[Bound]:
        """The prefixes that a call may share: with calls of any key, since all are sent with the same one."""
        work = self._work
        if work is None or not work.options.prime:
            return []
        try:
            return work.planner.bounds(work.planner.draft(body, work.clock.now_s()), seq)
        except (InputError, UnknownPrice):  # it will be called, or fail, by itself
            return []

    def comes(self, name: str, rescue_at_s: float) -> None:
        """A job of that name is about to be written by this process."""
        if self._work is not None:
            self._coming.add(name)
            self._gather(self._work, rescue_at_s)

    def comes_not(self, name: str) -> None:
        """It could not be written."""
        self._coming.discard(name)

    async def look(self) -> None:
        """Whether calls came to another gateway. To be called every second or so. Raises LedgerError."""
        work = self._work
        if work is not None and await self._number() > (work.known or 0):
            self._wake.set()

    async def close(self) -> None:
        """Stop working; what is open goes on when the next one begins."""
        self._closed = True
        self._queue.worked(by=None)
        self._wake.set()
        self._wake_teller.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self._engine.limits.shutdown_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._webhooks is not None:
            await self._webhooks.close()
        if self._work is not None:
            try:
                await self._keep_learned(self._work)
                await self._book.release(self._work.lease)
            except ThriftgateError as error:
                log.warning("queue not released", error=str(error))

    async def take_up(self) -> Work:
        engine, queue = self._engine, self._queue
        lease = await build.take(engine, self._book, await queue.open())
        work = await build.worker(
            engine,
            self._book,
            lease,
            source=QueueSource(self._book, QUEUE),
            outlet=QueueOutlet(self._answered),
            folder=self._folder,
            options=queue.options.options,
            credential=queue.credential,
        )
        work.known = work.looked_at = await self._number()
        queue.completions = work.completions
        self._runner = Runner(work, build.asking(engine, queue.credential))
        await self._runner.start()
        self._work = work
        queue.worked(by=self)
        return work

    async def _number(self) -> int:
        """Of the job that came last, to whichever gateway."""
        run = await self._book.run(QUEUE)
        return run.jobs if run is not None else 0

    async def _notice(self, work: Work) -> None:
        """See what came since, to whichever gateway."""
        number = await self._number()
        while work.known is not None and work.known < number:
            came = await self._book.in_order(QUEUE, work.known, PAGE)
            theirs = [job for job in came if job.name not in self._coming and job.state == "waiting"]
            await self._look_into(work, theirs)
            for job in came:
                told = job.name in self._coming
                self._coming.discard(job.name)
                if not told or not self._window_opened_s:  # it may have closed while this one was written
                    # Nobody waits for one without a deadline, a second call of ours.
                    due_s = job.deadline_us / 1e6 if job.deadline_us else work.clock.now_s() + DAY_S
                    self._gather(work, rescue_at_s(work.clock.now_s(), due_s, work.options.reserve, self.open_jobs + 1))
            work.known = came[-1].seq if came else number
            work.progress.jobs += len(came)

    async def _look_into(self, work: Work, jobs: Sequence[Job]) -> None:
        """These came to other gateways: what they may share is read off their bodies."""
        found: list[Bound] = []
        for body in await self._book.bodies(QUEUE, [job.seq for job in jobs]) if jobs else ():
            found += self.bounds(body.body, body.seq)
            await asyncio.sleep(0)
        if found:
            await self._book.add_bounds(work.lease, work.now_us(), found)

    def _gather(self, work: Work, rescue_at_s: float) -> None:
        """A call comes: it opens the window, or makes it close sooner."""
        now_s = work.clock.now_s()
        self._arrivals.append(now_s)
        if not self._window_opened_s:
            self._window_opened_s, self._urgent_s = now_s, rescue_at_s
        self._urgent_s = min(self._urgent_s, rescue_at_s)
        work.open_at_s = self._queue.options.window.closes_at_s(self._window_opened_s, self._urgent_s, list(self._arrivals))

    async def _keep_learned(self, work: Work) -> None:
        """Put down what was learned of batches, for the next one who works, and for all who take calls."""
        learned = work.completions.kept(), work.reads.kept()
        if learned != self._learned:
            await build.keep_learned(self._engine, work)
            self._learned = learned

    def _answered(self, jobs: Sequence[Job]) -> None:
        self._queue.tell(jobs)
        self._wake_teller.set()

    async def turn(self) -> float | None:
        """Do what is due; the seconds until something is again, None with nothing open."""
        work, runner = self._work, self._runner
        assert work is not None
        assert runner is not None
        if self._in_trouble:  # what was broken off in the middle is taken up as after a death
            await runner.start()
            self._in_trouble = False
            self._window_opened_s = self._window_opened_s or (work.clock.now_s() if work.known != work.looked_at else 0.0)
        await self._notice(work)
        if self._window_opened_s and work.clock.now_s() >= work.open_at_s:
            await self._look_at_arrivals(work, runner)
        wait_s = await runner.step()
        await self._forget(work)
        if self._window_opened_s:
            closes_in_s = max(0.0, work.open_at_s - work.clock.now_s())
            wait_s = closes_in_s if wait_s is None else min(wait_s, closes_in_s)
        return wait_s

    async def _look_at_arrivals(self, work: Work, runner: Runner) -> None:
        """The window closes: look what those that came share. Who comes meanwhile waits for the next one."""
        known = work.known
        self._window_opened_s = 0.0
        await runner.gathered()
        work.looked_at = known

    async def _forget(self, work: Work) -> None:
        """Drop answers that were kept for long enough. With nothing open that waits for the next call: nobody is told an
        answer that is too old, and nothing has to wake up for it."""
        now_s = work.clock.now_s()
        if now_s < self._forget_at_s:
            return
        self._forget_at_s = now_s + FORGET_S
        gone = await self._book.forget_answers(work.lease, work.now_us(), int((now_s - self._queue.kept_s) * 1e6))
        work.progress.jobs -= gone
        work.progress.done -= gone
        await self._keep_learned(work)

    async def _repeat(self, turn: Callable[[], Awaitable[float | None]], wake: asyncio.Event) -> None:
        """Take turns until closed: each tells in how many seconds the next is due, None for when it is woken."""
        wait_s: float | None
        while not self._closed:
            wake.clear()  # what comes from here on is news for the next turn
            try:
                wait_s = await turn()
            except Fenced:
                log.error("queue taken over by another gateway")
                self._work = None
                self._queue.worked(by=None)
                return
            except Stopped as error:
                log.error("queue stopped for a while", error=str(error))
                wait_s = TROUBLE_S
            except ThriftgateError as error:
                log.error("queue in trouble", error=str(error))
                self._in_trouble = True
                wait_s = TROUBLE_S
            except Exception as error:  # noqa: BLE001  the queue must outlive whatever happens to one batch
                log.error("queue failed", error=type(error).__name__, at=where_raised(error))
                self._in_trouble = True
                wait_s = TROUBLE_S
            await self._rest(wait_s, wake)

    async def _rest(self, seconds: float | None, wake: asyncio.Event) -> None:
        """Until something is due, or there is news; with nothing open, only that."""
        if self._closed or wake.is_set() or (seconds is not None and seconds <= 0):
            await asyncio.sleep(0)
            return
        if seconds is None:
            await wake.wait()
            return
        sleeping = asyncio.ensure_future(self._engine.clock.sleep(min(seconds, 60.0)))
        waking = asyncio.ensure_future(wake.wait())
        try:
            await asyncio.wait([sleeping, waking], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()
