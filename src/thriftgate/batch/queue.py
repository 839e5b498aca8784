"""The gateway's queue: calls whose callers can wait, gathered into batches, answered before their deadlines.

A call is taken only where a batch is expected to be cheaper than calling now, and to end in time; everything else is called
at once. What was taken is in the job book, body and all, until it is answered: a gateway that is killed takes it up again.
A call that is sent again, because its connection broke, is given the job that was made of it and not a second one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from thriftgate.batch import build
from thriftgate.batch.booking import OURS
from thriftgate.batch.judging import Now, judge
from thriftgate.batch.queue_store import QueueOutlet, QueueSource, dialect_in, digest_of, encode_headers
from thriftgate.batch.runner import Runner
from thriftgate.batch.settling import FINAL
from thriftgate.batch.waiters import Waiters
from thriftgate.batch.webhooks import Webhooks, check_allowed, receivers_of
from thriftgate.batch.work import Options, Stopped, Work
from thriftgate.core.deadline import Window, choose
from thriftgate.core.errors import InputError, ThriftgateError
from thriftgate.core.request import Request
from thriftgate.core.splice import Edit, apply
from thriftgate.engine import purse
from thriftgate.engine.call import Call
from thriftgate.engine.engine import Engine
from thriftgate.ledger.jobs import QUEUE, Answer, Body, Bound, Fenced, Job, JobBook, Run
from thriftgate.logs import log, where_raised
from thriftgate.providers.transport import header
from thriftgate.wire import DIALECTS
from thriftgate.wire.anthropic_batches import KEPT_S

RATE_OF = 64  # arrivals whose rate is looked at
TROUBLE_S = 30.0  # after the provider has refused a batch
FORGET_S = 60.0  # between two looks for answers that were kept for long enough
# After an answer, a call sent again is taken for one that was lost on the way: an SDK waits at most 8 s between its tries
# (anthropic-sdk-python v0.121.0, `_constants.py`).
SENT_AGAIN_S = 120.0
_CLAIMS_MAX = 10_000


class QueueOptions(NamedTuple):
    """How the queue works. `answers_kept_s`: how long answers can be asked for. Webhooks go only to URLs that are one of
    `webhooks` or below it, signed with `secret`; hosts among `allow_hosts` may be in the own network."""

    window: Window = Window()
    options: Options = Options()
    answers_kept_s: float = 72 * 3600.0
    webhooks: tuple[str, ...] = ()
    secret: bytes = b""
    allow_hosts: tuple[str, ...] = ()


class Ticket(NamedTuple):
    """A call that was taken. `forecast_pico` is what it is expected to cost in its batch, `saved_pico` what that saves; None
    for one that was taken before."""

    job: Job
    reason: str
    forecast_pico: int | None = None
    saved_pico: int | None = None


class Told(NamedTuple):
    """What can be said of a job: the row, what was answered (None: not yet), and the name of the dialect that it came in
    ("": it was not asked for)."""

    job: Job
    answer: Answer | None
    dialect: str = ""


class LetGo(ThriftgateError):
    """A connection is held no longer, though its job is not answered. The same call sent again is given the same job."""

    status_hint = 503
    label = "let_go"


class Queue:
    """One per gateway. `credential` is the key that batches are sent with; `folder` holds their bodies on their way."""

    def __init__(self, engine: Engine, credential: str, folder: Path, options: QueueOptions) -> None:
        self._engine = engine
        self._credential = credential
        self._folder = folder
        self._options = options
        self._book = build.job_book(engine)
        self._arrivals: deque[float] = deque(maxlen=RATE_OF)
        self._waiters = Waiters()
        self._claims: dict[int, None] = {}  # jobs that somebody has, though nobody waits: the latest last
        self._wake, self._wake_teller = asyncio.Event(), asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._work: Work | None = None
        self._runner: Runner | None = None
        self._webhooks: Webhooks | None = None
        self._window_opened_s = 0.0
        self._urgent_s = 0.0
        self._entered: set[str] = set()  # young jobs that are in the book: the next look is at them, too
        self._in_trouble = False
        self._forget_at_s = 0.0
        self._let_go = ""  # why no connection is held any longer
        self._closed = False

    async def start(self) -> None:
        """Take up what an earlier gateway left, and begin. Raises LedgerError where another one has the queue."""
        work = await self.take_up()
        options = self._options
        self._webhooks = Webhooks(work, options.secret, receivers_of(options.webhooks, options.allow_hosts))
        self._tasks = [
            self._engine.tasks.spawn(self._repeat(self.turn, self._wake)),
            self._engine.tasks.spawn(self._repeat(self._webhooks.send_due, self._wake_teller)),
        ]

    def serves(self, call: Call) -> bool:
        """Whether the key that batches are sent with pays for the call."""
        return bool(self._engine.own_key) or call.credential == self._credential

    @property
    def open_jobs(self) -> int:
        """Jobs that are not answered yet."""
        progress = self._work.progress if self._work is not None else None
        return progress.jobs - progress.settled if progress is not None else 0

    @property
    def open_batches(self) -> int:
        return len(self._work.batches) if self._work is not None else 0

    async def offer(self, call: Call, deadline_s: float, webhook: str = "") -> Ticket | Now:
        """Take a call, or say why it is better made now. `deadline_s` is in unix seconds. Raises InputError for a webhook
        that is not allowed, BudgetExceeded where a purse has no room, LedgerError where the queue cannot be written. A call
        with a `parent` is one of our own."""
        work = self._work
        if work is None:
            return Now("the queue is not ready")
        if webhook:
            check_allowed(webhook, self._options.webhooks)
        now_s = self._engine.clock.now_s()
        try:
            body = self._body(call, webhook)
        except InputError as error:
            return Now(str(error))
        known = await self._sent_before(call, body.digest, now_s)
        if known is not None:
            return known
        choice = choose(now_s, deadline_s, work.completions, work.options.reserve, jobs=self.open_jobs + 1)
        if not choice.batch:
            return Now(choice.reason)
        worth = judge(work.planner, body.body, body.key, choice, now_s=now_s, cost_limit_pico=call.cost_limit_pico)
        if isinstance(worth, Now):
            return worth
        name = OURS + call.parent if call.parent else "job_" + self._engine.new_id().removeprefix("tg_")
        due_us = (
            0 if call.parent else int(deadline_s * 1e6)
        )  # nobody waits for ours: at the full price it can be done without
        job = Job(QUEUE, 0, name, "waiting", model=worth.model, deadline_us=due_us)
        bounds = self._bounds(work, body.body, now_s)
        self._gather(work, now_s, choice.rescue_at_s)
        purse.take(call.purses, name, worth.worst_pico)
        work.young.add(name)  # first: once it is in the book it might leave alone
        try:
            job = await self._book.enqueue(work.lease, work.now_us(), job, body, bounds)
        except ThriftgateError:
            purse.drop(call.purses, name)
            raise
        finally:  # broken off, it may be in the book as well
            self._entered.add(name)
            self._window_opened_s = self._window_opened_s or now_s  # closed while this one was written: look once more
        work.progress.jobs += 1
        self._wake.set()
        return Ticket(job, choice.reason, worth.forecast_pico, worth.saved_pico)

    async def wait(self, job: Job) -> Told:
        """The answer of a job, whenever it comes. Raises LetGo when the gateway stops first."""
        with self._waiters.holding(job.seq) as told:
            self._claims.pop(job.seq, None)
            while True:
                told.clear()
                found = await _look(self._book, job.name)
                if found is None:
                    raise LetGo(f"the answer of {job.name} is not kept any more")
                if found.answer is not None:
                    return found
                if self._let_go:
                    raise LetGo(f"{self._let_go}; the job goes on, ask for it by its id, {job.name}, or send the call again")
                await told.wait()

    async def find(self, name: str, key: str) -> Told | None:
        """A job by its name, for the key that it belongs to. Who asks is a reason to look whether anything is due."""
        self._wake.set()
        found = await find_job(self._book, name, key, int((self._engine.clock.now_s() - self._kept_s) * 1e6))
        if found is not None and found.answer is not None:
            self.handed(found.job)
        return found

    def handed(self, job: Job) -> None:
        """The answer of a job was handed over: a call sent again is for another one, if there is one."""
        self._claims[job.seq] = None
        if len(self._claims) > _CLAIMS_MAX:
            del self._claims[next(iter(self._claims))]

    def let_go(self, why: str) -> None:
        """Hold no connection any longer: the gateway is about to stop. Work goes on until it is closed."""
        self._let_go = why
        self._waiters.tell_all()

    async def close(self) -> None:
        """Stop working; what is open goes on when a gateway starts again."""
        self._closed = True
        self.let_go("the gateway is stopping")
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
                await build.keep_learned(self._engine, self._work)
                await self._book.release(self._work.lease)
            except ThriftgateError as error:
                log.warning("queue not released", error=str(error))

    @property
    def _kept_s(self) -> float:
        return min(self._options.answers_kept_s, KEPT_S)

    async def take_up(self) -> Work:
        engine = self._engine
        key = engine.key_of(self._credential)
        made = Run(QUEUE, "queue", "running", key, b"{}", int(engine.clock.now_s() * 1e6))
        lease = await build.take(engine, self._book, await self._book.open_run(made))
        work = await build.worker(
            engine,
            self._book,
            lease,
            source=QueueSource(self._book, QUEUE),
            outlet=QueueOutlet(self._answered),
            folder=self._folder,
            options=self._options.options,
            credential=self._credential,
        )
        self._runner = Runner(work, build.asking(engine, self._credential))
        await self._runner.start()
        self._work = work
        return work

    def _body(self, call: Call, webhook: str) -> Body:
        """The call as it is kept. Raises InputError."""
        told_in = call.dialect.name if call.dialect.name != DIALECTS[0].name else ""
        key, headers, body = self._engine.payer_of(call), encode_headers(call.headers, told_in), _unstreamed(call)
        name = OURS + call.parent if call.parent else header(call.headers, b"thriftgate-idempotency-key")
        whose = msgspec.json.encode(call.whose)
        return Body(0, key, headers, body, webhook, digest=digest_of(key, headers, body, name), whose=whose)

    async def _sent_before(self, call: Call, digest: bytes, now_s: float) -> Ticket | None:
        """The job that was made of this call when it was sent before: its caller says so, by a name for it or by the SDK's
        count of tries. Of several alike, one that nobody has. A call of our own has the headers of the client's, and is none
        that was sent again."""
        if call.parent:
            return None
        named = header(call.headers, b"thriftgate-idempotency-key")
        if not named and header(call.headers, b"x-stainless-retry-count") in ("", "0"):
            return None
        found = await self._book.alike(QUEUE, digest, 0 if named else int((now_s - SENT_AGAIN_S) * 1e6))
        if not found:
            return None

        def rank(one: Job) -> tuple[bool, bool, int]:
            return self._waiters.holds(one.seq) or one.seq in self._claims, one.state in FINAL, one.seq

        job = min(found, key=rank)
        self.handed(job)
        return Ticket(job, "sent again: this is the job that was made of it")

    def _bounds(self, work: Work, body: bytes, now_s: float) -> list[Bound]:
        """The prefixes that the call may share: with calls of any key, since all are sent with the same one."""
        if not work.options.prime:
            return []
        return work.planner.bounds(work.planner.draft(body, now_s), 0)

    def _gather(self, work: Work, now_s: float, rescue_at_s: float) -> None:
        """A call comes: it opens the window, or makes it close sooner."""
        self._arrivals.append(now_s)
        if not self._window_opened_s:
            self._window_opened_s, self._urgent_s = now_s, rescue_at_s
        self._urgent_s = min(self._urgent_s, rescue_at_s)
        closes = self._options.window.closes_at_s(self._window_opened_s, self._urgent_s, list(self._arrivals))
        work.open_at_s = closes

    def _answered(self, jobs: Sequence[Job]) -> None:
        self._waiters.tell(job.seq for job in jobs)
        self._wake_teller.set()

    async def turn(self) -> float | None:
        """Do what is due; the seconds until something is again, None with nothing open."""
        work, runner = self._work, self._runner
        assert work is not None
        assert runner is not None
        if self._in_trouble:  # what was broken off in the middle is taken up as after a death
            await runner.start()
            self._in_trouble = False
            self._window_opened_s = self._window_opened_s or (work.clock.now_s() if self._entered else 0.0)
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
        looked_at = frozenset(self._entered)
        self._window_opened_s = 0.0
        await runner.gathered()
        work.young -= looked_at
        self._entered -= looked_at

    async def _forget(self, work: Work) -> None:
        """Drop answers that were kept for long enough. With nothing open that waits for the next call: nobody is told an
        answer that is too old, and nothing has to wake up for it."""
        now_s = work.clock.now_s()
        if now_s < self._forget_at_s:
            return
        self._forget_at_s = now_s + FORGET_S
        gone = await self._book.forget_answers(work.lease, work.now_us(), int((now_s - self._kept_s) * 1e6))
        work.progress.jobs -= gone
        work.progress.done -= gone

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
                self.let_go("another gateway has the queue now")
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


async def find_job(book: JobBook, name: str, key: str, since_us: int) -> Told | None:
    """A job of the queue by its name, for the key that it belongs to; None also where its answer was given before that."""
    job = await book.named(QUEUE, name)
    body = await book.body(QUEUE, job.seq) if job is not None else None
    if body is None or body.key != key:
        return None
    found = await _look(book, name)
    if found is None or found.answer is None:
        return found
    return found._replace(dialect=dialect_in(body.headers)) if found.answer.at_us >= since_us else None


async def _look(book: JobBook, name: str) -> Told | None:
    """What stands in the book now. The job first: it and its answer are written as one."""
    row = await book.named(QUEUE, name)
    if row is None:
        return None
    if row.state not in FINAL:
        return Told(row, None)
    answer = await book.answer(QUEUE, row.seq)
    return Told(row, answer) if answer is not None else None  # forgotten just now


def _unstreamed(call: Call) -> bytes:
    """The body as a batch takes it: without `stream`. Raises InputError."""
    try:
        request: Request = call.dialect.parse(call.body)
        return apply(request.body, [Edit(("stream",), None)]) if "stream" in request.members else request.body
    except RecursionError:
        raise InputError("the request body is nested too deeply") from None
