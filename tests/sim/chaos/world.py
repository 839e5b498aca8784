"""One seed's world: a clock, a provider, books, and lives of engines that end when the seed says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from tests.batch.stage import abandon
from tests.fixtures import TestClock, settings_of
from tests.sim.chaos.grounds import ground
from tests.sim.chaos.stores import Strikes, UnthreadedLedger, Way
from tests.sim.chaos.upstream import BROWN_OUT, Wire
from thriftgate.engine import build
from thriftgate.engine.engine import Engine
from thriftgate.pricing.load import load_book, load_models
from thriftgate.settings import Settings
from thriftgate.simulator import SimClock, Simulator, SimulatorConfig
from thriftgate.simulator.config import BatchRules, Latency

HOUR_S = 3600.0
JUMPS_S = (0.0, -26 * HOUR_S, -2 * HOUR_S, -90.0, 400.0, 2 * HOUR_S, 30 * HOUR_S)


class SetClock(TestClock):
    """The machine's clock, which somebody sets; the provider's, and what runs evenly, go on."""

    __test__ = False
    ahead_s = 0.0

    def now_s(self) -> float:
        return self.time() + self.ahead_s


class Fault(NamedTuple):
    """What goes wrong, and on which back ends it can."""

    name: str
    way: Way = ""
    brown_out: bool = False
    kills: bool = False
    jumps: bool = False
    journal: bool = False
    replica: bool = False
    on: tuple[str, ...] = ("memory", "sqlite", "postgres")
    of: tuple[str, ...] = ("calls", "budgets", "batches")


SERVER = ("postgres",)
FAULTS = (
    Fault("none"),
    Fault("upstream brown-out", brown_out=True),
    Fault("process killed", kills=True),
    Fault("clock jumps", jumps=True),
    Fault("ledger away", "away"),
    Fault("commit's answer lost", "answer lost"),
    Fault("disk full", "full", on=("memory", "sqlite")),
    Fault("ledger away, journaled", "away", journal=True, of=("calls",)),
    Fault("answer lost, journaled", "answer lost", journal=True, of=("calls",)),
    Fault("journaled, and killed", "away", journal=True, kills=True, of=("calls",)),
    Fault("connection terminated", "terminated", on=SERVER),
    Fault("connection cut at commit", "commit cut", on=SERVER),
    Fault("deadlock", "deadlock", on=SERVER),
    Fault("server crashes", "crash", on=SERVER),
    Fault("one of two replicas killed", kills=True, replica=True, on=("sqlite", "postgres"), of=("calls", "budgets")),
    Fault("brown-out, kill, jumps, away", "away", brown_out=True, kills=True, jumps=True),
)


class World:
    """Everything there is for one seed."""

    def __init__(self, fault: Fault, backend: str, seed: int, name: str, folder: Path) -> None:
        self.fault, self.backend, self.seed, self.folder = fault, backend, seed, folder
        self.draw = random.Random(f"{name} {seed}")
        self.time = SimClock.frozen()
        self.clock = SetClock(self.time)
        self.ground = ground(backend, folder)
        self.strikes = Strikes(fault.way, self.draw)
        self.simulator = Simulator(
            SimulatorConfig(
                seed=seed,
                clock=self.time,
                sleep=self.time.sleep,
                tokenizer="estimate",
                latency=Latency(self.draw.choice((0.0, 0.8)), 0.0, self.draw.choice((0.0, 0.02))),
                batches=BatchRules(duration_s=(60.0, 900.0)),
                faults=BROWN_OUT(seed) if fault.brown_out else BROWN_OUT(None),
                instance_id="c",
            )
        )
        self.wire = Wire(self.simulator, self.draw, self.clock, hangs=fault.brown_out)
        self.kills = 0
        self.dead: list[Engine] = []

    def ledger(self, _settings: Settings) -> UnthreadedLedger:
        """The books, opened for another life."""
        journal = str(self.folder / "journal.db") if self.fault.journal else ""
        store = self.ground.open(self.strikes)
        try:
            return UnthreadedLedger(store, journal, self.clock.monotonic_s)
        except BaseException:
            store.close()
            raise

    async def start(self, *, beside: bool = False) -> Engine:
        """Another life. Raises LedgerError."""
        return await build.build_engine(
            _settings(), transport=self.wire, clock=self.clock, beside=beside, draw=self.draw.random, opening=self.ledger
        )

    async def kill(self, engine: Engine) -> None:
        """As SIGKILL does: nothing more is written."""
        self.kills += 1
        self.dead.append(engine)
        await engine.leading.close()
        await abandon(engine)
        if engine._liveness is not None:
            self.ground.died(engine._liveness)
        for task in set(engine.tasks._running):
            task.cancel()
        await asyncio.sleep(0)

    async def until_killed(self, engine: Engine, work: Awaitable[Any], ticks: int | None) -> bool:
        """Do it, or so many turns of the loop of it. Whether it came to its end."""
        task = asyncio.ensure_future(work)
        if ticks is not None:
            for _ in range(ticks):
                if task.done():
                    break
                await asyncio.sleep(0)
            else:
                await self.kill(engine)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                return False
        await task
        return True

    def jump(self) -> None:
        """Somebody sets the machine's clock."""
        self.clock.ahead_s = self.draw.choice(JUMPS_S)

    def mend(self) -> None:
        """Nothing goes wrong any more."""
        self.strikes.mend()
        self.simulator.faults = BROWN_OUT(None)
        self.wire.hangs = False

    def close(self) -> None:
        self.ground.close()


@cache
def _settings() -> Settings:
    return settings_of(server={"drain_s": 0.05, "shutdown_s": 0.2})


@contextmanager
def tables_read_once() -> Iterator[None]:
    """Each engine reads the same price book and table of models: for thousands of engines these are read once."""
    with mock.patch.multiple(build, load_book=lambda _: _book(), load_models=lambda _: _models()):
        yield


_book = cache(load_book)
_models = cache(load_models)
