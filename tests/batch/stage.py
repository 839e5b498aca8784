"""A stage for the batch worker: books in a real file, the simulator as the provider, simulated time, and lives that end by a
kill in the middle of whatever was going on."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args

import msgspec

from tests.fixtures import TestClock
from thriftgate.batch.build import FileJobs, Opened, file_jobs, open_file
from thriftgate.batch.intake import Intake, Taken
from thriftgate.batch.runner import Runner
from thriftgate.batch.work import Options, Work
from thriftgate.core.money import pico_from_usd
from thriftgate.engine.build import build_engine
from thriftgate.engine.engine import Engine
from thriftgate.ledger.jobs import BatchRow, BatchState
from thriftgate.ledger.liveness import Liveness
from thriftgate.ledger.sql import SqlLedger
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts
from thriftgate.settings import load
from thriftgate.simulator import SimClock, Simulator, SimulatorConfig
from thriftgate.simulator.config import BatchRules, LimitRules
from thriftgate.simulator.faults import ConnectionDropped, Faults
from thriftgate.wire.anthropic_batches import job_name

_T = TypeVar("_T")

KEY = "sk-ant-sim-batch-1"
MODEL = "claude-haiku-4-5"
STEPS_MAX = 8_000
BATCHES = "/v1/messages/batches"

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]
Script = Callable[[str, str], App | None]


class Killed(BaseException):
    """The process is gone: nobody catches this but the stage."""


def params(number: int, prefix: str = "", **members: Any) -> dict[str, Any]:
    """The body of a call that no other job has."""
    body: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 40,
        "messages": [{"role": "user", "content": f"Review {number}: it was fine. [[sim: out=12]]"}],
    }
    return body | ({"system": prefix} if prefix else {}) | members


def write_file(path: Path, bodies: Sequence[dict[str, Any] | bytes]) -> Path:
    """A jobs file: one job a body, named `job 0`, `job 1` ...; bytes are written as they are."""
    with path.open("wb") as file:
        for number, body in enumerate(bodies):
            line = body if isinstance(body, bytes) else msgspec.json.encode({"id": f"job {number}", "params": body})
            file.write(line + b"\n")
    return path


def says(status: int, document: Any = None, headers: dict[str, str] | None = None) -> App:
    """An app that gives one answer."""
    told = {"content-type": "application/json"} | (headers or {})
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)

    async def app(_scope: Message, _receive: Any, send: Any) -> None:
        head = [(name.encode(), value.encode()) for name, value in told.items()]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    return app


def error(kind: str, message: str = "as the test will have it") -> dict[str, Any]:
    """An error body of the API."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


async def drops(_scope: Message, _receive: Any, _send: Any) -> None:
    """An app that never answers."""
    raise ConnectionDropped("as the test will have it")


def changed(app: App, change: Callable[[bytes], bytes]) -> App:
    """The answer of an app with another body."""

    async def altered(scope: Message, receive: Any, send: Any) -> None:
        pieces: list[bytes] = []

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [one for one in message["headers"] if one[0].lower() != b"content-length"]
                await send(message)
                return
            pieces.append(message.get("body", b""))
            if not message.get("more_body", False):
                await send({"type": "http.response.body", "body": change(b"".join(pieces)), "more_body": False})

        await app(scope, receive, keep)

    return altered


class Front:
    """The simulator, behind a script that may answer in its place. `seen` are all requests that arrived."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.script: Script = lambda _method, _path: None
        self.seen: list[str] = []

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        method, path = scope["method"], scope["path"]
        self.seen.append(f"{method} {path}")
        app = self.script(method, path)
        await (app or self.simulator)(scope, receive, send)

    def times(self, what: str) -> int:
        """How many requests begin, and end, like `POST /v1/messages/batches`."""
        return sum(one == what for one in self.seen)

    def next_posts(self, *apps: App | None) -> None:
        """What becomes of the next POSTs of batches; None is the simulator itself."""
        queue = list(apps)
        self.script = lambda method, path: (queue.pop(0) if queue else None) if (method, path) == ("POST", BATCHES) else None


class Wire:
    """The transport: counts its calls, and ends the process at one of them."""

    def __init__(self, inner: AsgiTransport) -> None:
        self._inner = inner
        self.left: int | None = None
        self.after = False

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
        now = self.left == 1
        self.left = None if self.left is None else self.left - 1
        if now and not self.after:
            raise Killed("before a request left")
        incoming = await self._inner.send(outgoing, timeouts)
        if now:
            incoming.close()
            raise Killed("when a request was answered")
        return incoming

    async def close(self) -> None:
        await self._inner.close()


class Line(NamedTuple):
    """A line of results: name and result type."""

    name: str
    kind: str


@dataclass
class Stage:
    """One run over a file, in as many lives as it takes. `open` begins or takes up, `run` goes to the end and closes."""

    folder: Path
    bodies: Sequence[dict[str, Any] | bytes]
    options: Options = field(default_factory=Options)
    rules: BatchRules = field(default_factory=BatchRules)
    faults: Faults = field(default_factory=Faults)
    limits: LimitRules = field(default_factory=LimitRules)
    seed: int = 1
    members: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.time = SimClock.frozen()
        self.clock = TestClock(self.time)
        self.simulator = Simulator(
            SimulatorConfig(
                seed=self.seed,
                clock=self.time,
                tokenizer="estimate",
                batches=self.rules,
                faults=self.faults,
                instance_id="t",
            )
        )
        self.front = Front(self.simulator)
        self.jobs = write_file(self.folder / "jobs.jsonl", self.bodies)
        self.out = self.folder / "out.jsonl"
        self.steps = 0
        self.taken: Taken | None = None
        self.doom: tuple[str, int, bool] | None = None  # of the life that is opened next: see kill_at_call, kill_at_write
        self._engine: Engine | None = None
        self._opened: Opened | None = None
        self._wire: Wire | None = None
        self._runner: Runner | None = None

    @property
    def engine(self) -> Engine:
        assert self._engine is not None
        return self._engine

    @property
    def wire(self) -> Wire:
        assert self._wire is not None
        return self._wire

    @property
    def opened(self) -> Opened:
        assert self._opened is not None
        return self._opened

    @property
    def work(self) -> Work:
        return self.opened.work

    @property
    def runner(self) -> Runner:
        assert self._runner is not None
        return self._runner

    @property
    def files(self) -> FileJobs:
        return file_jobs(self.jobs, self.out, options=self.options, **self.members)

    async def build(self) -> Engine:
        """An engine on these books, beside any other."""
        tables = {"ledger.path": str(self.folder / "books.db"), "upstream.url": "http://sim", "upstream.api_key": KEY}
        self._wire = Wire(AsgiTransport(self.front))
        return await build_engine(load(None, environ={}, flags=tables), transport=self._wire, clock=self.clock, beside=True)

    async def open(self) -> None:
        """Begin the run or take it up, up to where the first step is due."""
        self._engine, self._opened, self._runner = await self.build(), None, None
        files = self.files
        if self.doom is not None:
            where, number, after = self.doom
            self.doom = None
            (self.kill_at_call if where == "call" else self.kill_at_write)(number, after=after)
        self._opened = await open_file(self.engine, files, KEY)
        work = self.work
        if self.opened.run.state == "done":
            return
        if self.opened.run.state == "reading":
            await work.book.forget_jobs(work.lease, work.now_us())
            self.taken = await Intake(work, self.jobs, deadline_us=files.deadline_us).take(skip_bad=files.skip_bad)
            await work.book.group(work.lease, work.now_us())
            await work.book.set_run(work.lease, work.now_us(), state="running")
        work.options = self.options  # told anew, as a command does
        self._runner = Runner(work, self.opened.ask)
        await self._runner.start()

    async def step(self) -> bool:
        """Do what is due, and sleep until something is again. False when all is through."""
        if self._runner is None:
            return False  # it was through before this life began
        self.steps += 1
        wait_s = await self.runner.step()
        if wait_s:
            await self.clock.sleep(wait_s)
        return wait_s is not None

    async def until(self, reached: Callable[[], bool]) -> None:
        """Step until something is so."""
        for _ in range(STEPS_MAX):
            if reached():
                return
            assert await self.step() or reached(), "all is through, but that never came"
        raise AssertionError(f"not reached after {STEPS_MAX} steps: {await self.shown()}")

    async def run(self) -> list[Line]:
        """To the end, in this life: the lines of the results."""
        if self._engine is None:
            await self.open()
        for _ in range(STEPS_MAX):
            if not await self.step():
                break
        else:
            raise AssertionError(f"not through after {STEPS_MAX} steps: {await self.shown()}")
        await self.finish()
        return self.lines()

    async def finish(self) -> None:
        """What a command does when all is through."""
        work = self.work
        if self._runner is not None:
            await work.book.set_run(work.lease, work.now_us(), state="done", **work.outlet.changes())
            self.opened.sink.finish()
        await self.close()

    async def close(self) -> None:
        """An orderly end of this life, through or not."""
        engine, self._engine = self._engine, None
        if engine is not None:
            if self._opened is not None:
                self.opened.close()
                await self.work.book.release(self.work.lease)
            await engine.close()

    async def kill(self) -> None:
        """End this life as SIGKILL does: what is not committed is not, and the lock falls with the process."""
        engine, self._engine = self.engine, None
        await abandon(engine)
        if self._opened is not None:
            self.opened.close()  # as the system closes files; nothing in them waits to be written

    def kill_at_call(self, number: int, *, after: bool) -> None:
        """Die at the call of that number from here on: before it leaves, or with its answer at hand."""
        self.wire.left, self.wire.after = number, after

    def kill_at_write(self, number: int, *, after: bool) -> None:
        """Die at the transaction of that number from here on: before it is begun, or as soon as it is durable."""
        ledger = self.engine.ledger
        assert isinstance(ledger, SqlLedger)
        left, transact = [number], ledger.transact

        async def counted(work: Callable[[Any], _T]) -> _T:
            left[0] -= 1
            if left[0] == 0 and not after:
                raise Killed("before a transaction")
            result = await transact(work)
            if left[0] == 0:
                raise Killed("after a transaction")
            return result

        ledger.transact = counted  # type: ignore[method-assign]

    def lines(self) -> list[Line]:
        """The results file."""
        return [Line(one["custom_id"], one["result"]["type"]) for one in self.documents()]

    def documents(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(line) for line in self.out.read_bytes().splitlines()]

    def names(self) -> list[str]:
        """Of the jobs, in input order."""
        return [f"job {number}" for number in range(len(self.bodies))]

    def billed(self, foreign: Sequence[str] = ()) -> Counter[int]:
        """How often each job was billed in a batch, by the simulator's word, but for these batches of others: jobs count
        from 1."""
        mine = (call for call in self.simulator.bill.calls if call.batch_id not in foreign)
        named = [job_name(call.custom_id) for call in mine if call.custom_id is not None]
        return Counter(one.seq for one in named if one is not None)

    def bill_pico(self, batches: Sequence[str] = ()) -> int:
        """All that was billed, but for these batches of others."""
        return pico_from_usd(sum((call.cost for call in self.simulator.bill.calls if call.batch_id not in batches), start=0))

    async def batches(self) -> Sequence[BatchRow]:
        """All batches of the run, in every state."""
        return await self.work.book.batches(self.work.lease.run, get_args(BatchState))

    async def shown(self) -> str:
        """For people who look for what hangs."""
        book, run = self.work.book, self.work.lease.run
        tally = [(one.state, one.cause, one.jobs) for one in await book.tally(run)]
        return f"{tally}; {[(one.role, one.state, one.jobs) for one in await self.batches()]}; steps {self.steps}"

    async def check(self, *, foreign: Sequence[str] = (), exact: bool = True, doubled: bool = False) -> None:
        """What must hold of a run that is through: one line a job, none billed twice (unless something on the way has
        `doubled` batches), books that balance and, where they can be `exact`, agree with the bill to the pico-dollar, no
        hold left open. `foreign` are batches of others."""
        lines = self.lines()
        assert sorted(line.name for line in lines) == sorted(self.names())
        billed = self.billed(foreign)
        assert doubled or {seq: times for seq, times in billed.items() if times > 1} == {}, "billed twice"
        engine = await self.build()
        try:
            assert not await engine.ledger.unbalanced()
            assert not await engine.ledger.open_holds()
            report = await engine.ledger.report()
            if exact:
                assert report.paid_pico == self.bill_pico(foreign)
            if exact and not doubled:
                succeeded = sum(line.kind == "succeeded" for line in lines)
                assert succeeded == len([one for one in self.simulator.bill.calls if one.batch_id not in foreign])
        finally:
            await engine.close()


async def abandon(engine: Engine) -> None:
    """Leave an engine as a killed process leaves it: nothing more is written, its locks are free, its files still there."""
    ledger = engine.ledger
    assert isinstance(ledger, SqlLedger)
    ledger._closed = True
    ledger._queue.put(None)
    ledger._thread.join()
    ledger._read_pool.shutdown()
    ledger.store.close()
    if isinstance(engine._liveness, Liveness) and engine._liveness._lock is not None:
        engine._liveness._lock.close()
    await engine.transport.close()


async def call(
    simulator: Simulator,
    method: str,
    path: str,
    document: Any = None,
    *,
    key: str = KEY,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    """A request of somebody else: status and decoded body."""
    sent = {"x-api-key": key, "anthropic-version": "2023-06-01"} | (headers or {})
    outgoing = Outgoing(
        method,
        f"http://sim{path}",
        tuple((name.encode(), value.encode()) for name, value in sent.items()),
        b"" if document is None else msgspec.json.encode(document),
    )
    incoming = await AsgiTransport(simulator).send(outgoing, Timeouts())
    return incoming.status, msgspec.json.decode(await incoming.read())


async def foreign_batch(simulator: Simulator, size: int, name: str = "theirs-{}") -> str:
    """A batch of another program in the same workspace. Returns its id."""
    requests = [{"custom_id": name.format(at), "params": params(10_000 + at)} for at in range(size)]
    status, batch = await call(simulator, "POST", BATCHES, {"requests": requests})
    assert status == 200, batch
    return str(batch["id"])


@contextlib.asynccontextmanager
async def staged(folder: Path, count: int, prefix: str = "", **members: Any) -> AsyncIterator[Stage]:
    """A stage with that many jobs, opened; it is closed whatever happens."""
    stage = Stage(folder, [params(number, prefix) for number in range(count)], **members)
    await stage.open()
    try:
        yield stage
    finally:
        await stage.close()
