"""A stage for the gateway's queue: books in a real file, the simulator as the provider, time that stands until a test moves
it, and lives that end by a kill."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import msgspec

from tests.batch.stage import MODEL, Front, abandon, params
from tests.fixtures import TestClock, assert_sound, call_of, until
from thriftgate.batch.judging import Now
from thriftgate.batch.queue import Queue, QueueOptions, Ticket, Told
from thriftgate.batch.queue_worker import QueueWorker
from thriftgate.batch.work import Options, Work
from thriftgate.core.money import pico_from_usd
from thriftgate.engine.build import build_engine
from thriftgate.engine.engine import Engine
from thriftgate.gateway.app import Gateway
from thriftgate.ledger.entries import UPSTREAM, Entry
from thriftgate.ledger.jobs import QUEUE, BatchRow, BatchState, Job
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.http1_transport import Http1Transport
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts
from thriftgate.settings import Settings, load
from thriftgate.simulator import SimClock, Simulator, SimulatorConfig
from thriftgate.simulator.config import BatchRules
from thriftgate.simulator.faults import Faults

__all__ = ["CALLER", "GATEWAY", "MODEL", "OTHER", "QueueStage", "Roads", "StandingClock", "ask", "params", "queueing"]

GATEWAY, CALLER, OTHER = "sk-ant-sim-queue-gateway", "sk-ant-sim-queue-a", "sk-ant-sim-queue-b"
SIX_HOURS = 6 * 3600.0
VERSION = {"anthropic-version": "2023-06-01"}


class StandingClock(TestClock):
    """Simulated time that stands until it is moved: a sleeper wakes when it is past his time. While it `flows`, a sleep
    moves it."""

    __test__ = False

    def __init__(self, time: SimClock, *, flows: bool) -> None:
        super().__init__(time)
        self._flows = flows
        self._moved = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        if self._flows:
            await super().sleep(seconds)
            return
        self.slept.append(seconds)
        until_s = self.now_s() + seconds
        while self.now_s() < until_s and not self._flows:
            await self._moved.wait()

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self._wake()

    def flow(self) -> None:
        """From here on every sleep moves it."""
        self._flows = True
        self._wake()

    def stand(self) -> None:
        self._flows = False

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


class Roads:
    """A transport that leads to the simulator in this process, and everywhere else over the network."""

    def __init__(self, app: Any) -> None:
        self._simulated, self._network = AsgiTransport(app), Http1Transport()

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
        transport = self._simulated if outgoing.url.startswith("http://sim/") else self._network
        return await transport.send(outgoing, timeouts)

    async def close(self) -> None:
        await self._simulated.close()
        await self._network.close()


def ask(number: int = 1, **members: Any) -> dict[str, Any]:
    """The body of a call that no other call has."""
    return params(number, **members)


@dataclass
class QueueStage:
    """One queue in as many lives as it takes, on one clock, in front of one simulator."""

    folder: Path
    flows: bool = True
    rules: BatchRules = field(default_factory=lambda: BatchRules(duration_s=(60.0, 600.0)))
    faults: Faults = field(default_factory=Faults)
    options: Options = field(default_factory=lambda: Options(call_refused=True))
    members: dict[str, Any] = field(default_factory=dict)  # of QueueOptions
    flags: dict[str, Any] = field(default_factory=dict)  # of the settings

    def __post_init__(self) -> None:
        self.clock = StandingClock(SimClock.frozen(), flows=self.flows)
        self.simulator = Simulator(
            SimulatorConfig(
                seed=1,
                clock=self.clock.time,
                sleep=self.clock.time.sleep,
                tokenizer="estimate",
                batches=self.rules,
                faults=self.faults,
                instance_id="q",
            )
        )
        self.front = Front(self.simulator)
        self._engine: Engine | None = None
        self._queue: Queue | None = None
        self._worker: QueueWorker | None = None

    @property
    def engine(self) -> Engine:
        assert self._engine is not None
        return self._engine

    @property
    def queue(self) -> Queue:
        assert self._queue is not None
        return self._queue

    @property
    def worker(self) -> QueueWorker:
        assert self._worker is not None
        return self._worker

    @property
    def work(self) -> Work:
        assert self.worker._work is not None
        return self.worker._work

    @property
    def settings(self) -> Settings:
        flags = {
            "ledger.path": str(self.folder / "books.db"),
            "upstream.url": "http://sim",
            "upstream.api_key": GATEWAY,
            "server.shutdown_s": 2.0,
        }
        return load(None, environ={}, flags=flags | self.flags)

    async def build(self) -> Engine:
        """An engine on these books."""
        self._engine = await build_engine(self.settings, transport=Roads(self.front), clock=self.clock)
        return self._engine

    async def open(self) -> None:
        """Begin, or take up what the life before has left."""
        engine = await self.build()
        self._queue = Queue(engine, GATEWAY, QueueOptions(options=self.options, **self.members))
        self._worker = QueueWorker(engine, self._queue, self.folder / "batches")
        await self._worker.start()
        await self.begun()

    def serves(self, gateway: Gateway) -> None:
        """The queue is that of a gateway."""
        duties = gateway._duties
        assert duties is not None
        self._queue, self._worker = duties.queue, duties.worker

    async def begun(self) -> None:
        """Wait until the queue has looked what there is to do: what comes before may leave without a window."""

        async def looked() -> bool:
            return self.worker._forget_at_s > 0

        await until(looked)

    async def close(self) -> None:
        """An orderly end of this life."""
        engine, queue, worker = self._engine, self._queue, self._worker
        self._engine, self._queue, self._worker = None, None, None
        if queue is not None:
            queue.let_go("the gateway is stopping")
        if worker is not None:
            await worker.close()
        if engine is not None:
            await engine.close()

    async def kill(self) -> None:
        """End this life as SIGKILL does: nothing more is written."""
        engine, worker = self.engine, self.worker
        self._engine, self._queue, self._worker = None, None, None
        await abandon(engine)
        for task in worker._tasks:
            task.cancel()
        await asyncio.gather(*worker._tasks, return_exceptions=True)

    async def offer(
        self,
        body: dict[str, Any] | bytes,
        *,
        key: str = CALLER,
        within_s: float = SIX_HOURS,
        headers: Mapping[str, str] | None = None,
        webhook: str = "",
        **members: Any,
    ) -> Ticket | Now:
        """Offer a call to the queue, as the gateway does."""
        sent = {"x-api-key": key} | VERSION | dict(headers or {})
        call = call_of(body, headers=sent, **members)
        return await self.queue.offer(call, self.clock.now_s() + within_s, webhook)

    async def take(self, body: dict[str, Any], **members: Any) -> Job:
        """Offer a call that must be taken; its job."""
        taken = await self.offer(body, **members)
        assert isinstance(taken, Ticket), taken
        return taken.job

    async def reason(self, body: dict[str, Any] | bytes, **members: Any) -> str:
        """Why a call that must not be taken is made at once."""
        taken = await self.offer(body, **members)
        assert isinstance(taken, Now), taken
        return taken.reason

    async def answer(self, job: Job) -> Told:
        """The answer of a job, which must come."""
        async with asyncio.timeout(10):
            return await self.queue.wait(job)

    async def answers(self, jobs: Sequence[Job]) -> list[int]:
        """The statuses of all these answers."""
        told = await asyncio.gather(*(self.answer(job) for job in jobs))
        return [one.answer.status for one in told if one.answer is not None]

    async def find(self, job: Job, key: str = CALLER) -> Told | None:
        return await self.queue.find(job.name, self.engine.key_of(key))

    async def in_state(self, job: Job, *states: str) -> None:
        """Wait until the job is there."""

        async def reached() -> bool:
            row = await self.queue.book.named(QUEUE, job.name)
            return row is not None and row.state in states

        await until(reached)

    async def idle(self) -> None:
        """Wait until nothing is open, and nothing is done any more."""

        async def through() -> bool:
            return not self.worker.open_jobs and not self.worker.open_batches

        await until(through)
        for _ in range(200):
            await asyncio.sleep(0.001)
            if not self.queue.news.is_set():
                break

    async def batches(self) -> list[BatchRow]:
        """All batches, in every state, in order of creation."""
        return sorted(await self.queue.book.batches(QUEUE, get_args(BatchState)), key=lambda one: one.id)

    async def entries(self) -> list[Entry]:
        """What is in the books, which must be sound and agree with the bill to the pico-dollar."""
        ledger = self.engine.ledger
        await assert_sound(ledger)
        entries = list(await ledger.entries(limit=100_000))
        billed = {call.message_id: pico_from_usd(call.cost) for call in self.simulator.bill.calls}
        assert {one.message_id: -one.posted(UPSTREAM) for one in entries if one.message_id} == billed
        assert len([one for one in entries if one.message_id]) == len(billed)
        return entries


def message_of(told: Told) -> dict[str, Any]:
    """The answer, which must be a message."""
    assert told.answer is not None
    assert told.answer.status == 200, told.answer.body
    message: dict[str, Any] = msgspec.json.decode(told.answer.body)
    return message


@contextlib.asynccontextmanager
async def queueing(folder: Path, **members: Any) -> AsyncIterator[QueueStage]:
    """A stage, opened; it is closed whatever happens."""
    stage = QueueStage(folder, **members)
    await stage.open()
    try:
        yield stage
    finally:
        await stage.close()
