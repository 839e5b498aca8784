"""The gateway's queue: calls whose callers can wait are taken, and their answers handed out.

A call is taken only where a batch is expected to be cheaper than calling now, and to end in time; everything else is called
at once. What was taken is in the job book, body and all: any gateway takes calls and hands out answers, whichever of them
works on it (`queue_worker.py`). A call that is sent again, because its connection broke, is given the job that was made of
it and not a second one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from thriftgate.batch import build
from thriftgate.batch.booking import OURS
from thriftgate.batch.judging import Now, judge
from thriftgate.batch.queue_store import dialect_in, digest_of, encode_headers
from thriftgate.batch.settling import FINAL
from thriftgate.batch.waiters import Waiters
from thriftgate.batch.webhooks import check_allowed
from thriftgate.batch.work import Options
from thriftgate.core.deadline import Completions, Window, choose
from thriftgate.core.errors import InputError, LedgerError, ThriftgateError
from thriftgate.core.request import Request
from thriftgate.core.splice import Edit, apply
from thriftgate.engine import purse
from thriftgate.engine.call import Call
from thriftgate.engine.engine import Engine
from thriftgate.ledger.jobs import QUEUE, Answer, Body, Bound, Job, JobBook, Run
from thriftgate.logs import log
from thriftgate.providers.transport import header
from thriftgate.wire import DIALECTS
from thriftgate.wire.anthropic_batches import KEPT_S

WATCH_S = 1.0  # between two looks for answers, where another process works on the queue
LOOK_S = 5.0  # between two looks how that one is doing
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


class _Elsewhere(NamedTuple):
    """How the process that works on the queue is doing, and until when that holds (monotonic seconds)."""

    until_s: float = 0.0
    open_jobs: int | None = None


class LetGo(ThriftgateError):
    """A connection is held no longer, though its job is not answered. The same call sent again is given the same job."""

    status_hint = 503
    label = "let_go"


class Worker(Protocol):
    """Who works on the queue in this process."""

    @property
    def open_jobs(self) -> int: ...

    def bounds(self, body: bytes, seq: int = 0) -> list[Bound]: ...

    def comes(self, name: str, rescue_at_s: float) -> None: ...

    def comes_not(self, name: str) -> None: ...


class Queue:
    """One per gateway, whichever of them works on it. `credential` is the key that batches are sent with. `news` is set when
    a call was taken, or somebody asks: there may be something to do."""

    def __init__(self, engine: Engine, credential: str, options: QueueOptions) -> None:
        self.credential = credential
        self.options = options
        self.book = build.job_book(engine)
        self.completions = Completions()
        self.news = asyncio.Event()
        self._engine = engine
        self._planner = build.planner(engine, credential)
        self._worker: Worker | None = None
        self._waiters = Waiters()
        self._watch: asyncio.Task[None] | None = None
        self._claims: dict[int, None] = {}  # jobs that somebody has, though nobody waits: the latest last
        self._elsewhere = _Elsewhere()
        self._let_go = ""  # why no connection is held any longer

    async def open(self) -> Run:
        """The queue in the books, made where it is not there. Raises LedgerError."""
        key = self._engine.key_of(self.credential)
        return await self.book.open_run(Run(QUEUE, "queue", "running", key, b"{}", int(self._engine.clock.now_s() * 1e6)))

    def serves(self, call: Call) -> bool:
        """Whether the key that batches are sent with pays for the call."""
        return bool(self._engine.own_key) or call.credential == self.credential

    def worked(self, *, by: Worker | None) -> None:
        """Who works on it in this process; None: another one does, or nobody. Those who wait look again."""
        self._worker = by
        self._waiters.tell_all()

    def tell(self, jobs: Sequence[Job]) -> None:
        """These are answered."""
        self._waiters.tell(job.seq for job in jobs)

    async def offer(self, call: Call, deadline_s: float, webhook: str = "") -> Ticket | Now:
        """Take a call, or say why it is better made now. `deadline_s` is in unix seconds. Raises InputError for a webhook
        that is not allowed, BudgetExceeded where a purse has no room, LedgerError where the queue cannot be written. A call
        with a `parent` is one of our own."""
        if webhook:
            check_allowed(webhook, self.options.webhooks)
        now_s = self._engine.clock.now_s()
        try:
            body = self._body(call, webhook)
        except InputError as error:
            return Now(str(error))
        known = await self._sent_before(call, body.digest, now_s)
        if known is not None:
            return known
        open_jobs = await self._open_jobs()
        if open_jobs is None:
            return Now("no gateway works on the queue just now")
        choice = choose(now_s, deadline_s, self.completions, self.options.options.reserve, jobs=open_jobs + 1)
        if not choice.batch:
            return Now(choice.reason)
        worth = judge(self._planner, body.body, body.key, choice, now_s=now_s, cost_limit_pico=call.cost_limit_pico)
        if isinstance(worth, Now):
            return worth
        name = OURS + call.parent if call.parent else "job_" + self._engine.new_id().removeprefix("tg_")
        due_us = (
            0 if call.parent else int(deadline_s * 1e6)
        )  # nobody waits for ours: at the full price it can be done without
        job = Job(QUEUE, 0, name, "waiting", model=worth.model, deadline_us=due_us)
        purse.take(call.purses, name, worth.worst_pico)
        worker, bounds = self._worker, list[Bound]()
        if worker is not None:  # one elsewhere reads them off the body
            bounds = worker.bounds(body.body)
            worker.comes(name, choice.rescue_at_s)
        try:
            job = await self.book.enqueue(QUEUE, job, body, bounds)
        except ThriftgateError:
            purse.drop(call.purses, name)
            if worker is not None:
                worker.comes_not(name)
            raise
        finally:  # broken off, it may be in the book as well
            self.news.set()
        return Ticket(job, choice.reason, worth.forecast_pico, worth.saved_pico)

    async def wait(self, job: Job) -> Told:
        """The answer of a job, whenever it comes. Raises LetGo when the gateway stops first."""
        with self._waiters.holding(job.seq) as told:
            self._claims.pop(job.seq, None)
            while True:
                told.clear()
                if self._worker is None and (self._watch is None or self._watch.done()):
                    self._watch = self._engine.tasks.spawn(self._watched())
                found = await _look(self.book, job.name)
                if found is None:
                    raise LetGo(f"the answer of {job.name} is not kept any more")
                if found.answer is not None:
                    return found
                if self._let_go:
                    raise LetGo(f"{self._let_go}; the job goes on, ask for it by its id, {job.name}, or send the call again")
                await told.wait()

    async def find(self, name: str, key: str) -> Told | None:
        """A job by its name, for the key that it belongs to. Who asks is a reason to look whether anything is due."""
        self.news.set()
        found = await find_job(self.book, name, key, int((self._engine.clock.now_s() - self.kept_s) * 1e6))
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

    @property
    def kept_s(self) -> float:
        """How long answers can be asked for."""
        return min(self.options.answers_kept_s, KEPT_S)

    async def _open_jobs(self) -> int | None:
        """Jobs that are not answered yet; None where nobody works on them."""
        if self._worker is not None:
            return self._worker.open_jobs
        now_s, known = self._engine.clock.monotonic_s(), self._elsewhere
        if now_s >= known.until_s:
            if known.open_jobs is not None:  # others go by that meanwhile
                self._elsewhere = known._replace(until_s=now_s + LOOK_S)
            run, tallies = await self.open(), await self.book.tally(QUEUE)
            self._elsewhere = known = _Elsewhere(
                now_s + LOOK_S,
                sum(one.jobs for one in tallies if one.state not in FINAL) if run.worker else None,
            )
            await build.restore(self._engine, {build.COMPLETIONS: self.completions})
        return known.open_jobs

    async def _watched(self) -> None:
        """Another process works on the queue: look for the answers that are waited for here."""
        while self._worker is None and (held := self._waiters.held()):
            await self._engine.clock.sleep(WATCH_S)
            try:
                self.tell([job for job in await self.book.jobs(QUEUE, held) if job.state in FINAL])
            except LedgerError as error:
                log.warning("nobody can tell whether jobs are answered", error=str(error))

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
        found = await self.book.alike(QUEUE, digest, 0 if named else int((now_s - SENT_AGAIN_S) * 1e6))
        if not found:
            return None

        def rank(one: Job) -> tuple[bool, bool, int]:
            return self._waiters.holds(one.seq) or one.seq in self._claims, one.state in FINAL, one.seq

        job = min(found, key=rank)
        self.handed(job)
        return Ticket(job, "sent again: this is the job that was made of it")


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
