"""Prune one prompt with one seed, as the command does, against a simulator in this process. Books are kept in memory."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import closing
from pathlib import Path
from random import Random
from time import perf_counter
from typing import NamedTuple

import msgspec

from benchmarks.prune.prompts import Planted
from thriftgate.clock import Clock
from thriftgate.engine.build import build_engine
from thriftgate.pricing.load import load_models
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.quality.answers import Answers
from thriftgate.quality.arms import arms_of
from thriftgate.quality.asks import Pricer
from thriftgate.quality.calling import Caller
from thriftgate.quality.datasets import read_set
from thriftgate.quality.judges import Bench
from thriftgate.quality.pruning.prune import Pruned, Pruner, Wish
from thriftgate.quality.pruning.trials import Means, Metered
from thriftgate.settings import load
from thriftgate.simulator import SimClock, Simulator, SimulatorConfig

MODEL = "claude-haiku-5-5"
KEY = "sk-ant-sim-bench"


class Plan(NamedTuple):
    """What to prune with. `variety` is the share of calls whose outcome the simulator draws anew."""

    cases: int = 300
    margin: float = 0.02
    budget_pico: int = 5 * 10**12
    variety: float = 0.0
    batch: bool = False


class Outcome(NamedTuple):
    """What came of one run: phrases found in what is left, whether it was confirmed, pico-USD and seconds it took."""

    prompt: str
    seed: int
    dead_found: int
    dead: int
    load_kept: int
    load: int
    missed: tuple[str, ...]
    lost: tuple[str, ...]
    confirmed: bool
    why: str
    cut: float
    calls: int
    prompts: int
    spent_pico: int
    billed_pico: int
    seconds: float

    @property
    def right(self) -> bool:
        return self.dead_found == self.dead and self.load_kept == self.load and self.confirmed


class _Frozen(Clock):
    """The simulator's clock, behind the engine's."""

    def __init__(self, time: SimClock) -> None:
        self._time = time

    def now_s(self) -> float:
        return self._time()

    def monotonic_s(self) -> float:
        return self._time()

    async def sleep(self, seconds: float) -> None:
        await self._time.sleep(seconds)


def pruned(planted: Planted, seed: int, plan: Plan) -> Outcome:
    """One run, from an empty folder."""
    began = perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        done, billed = asyncio.run(_pruned(planted, seed, plan, Path(folder)))
    missed = tuple(one for one in planted.dead if one in done.after)
    lost = tuple(one for one in planted.load if one not in done.after)
    return Outcome(
        planted.name,
        seed,
        len(planted.dead) - len(missed),
        len(planted.dead),
        len(planted.load) - len(lost),
        len(planted.load),
        missed,
        lost,
        done.state == "confirmed",
        done.why,
        1 - len(done.after) / len(planted.text),
        done.calls,
        done.found.tried,
        done.spent_pico,
        billed,
        perf_counter() - began,
    )


async def _pruned(planted: Planted, seed: int, plan: Plan, folder: Path) -> tuple[Pruned, int]:
    cases = folder / "cases.jsonl"
    cases.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in planted.cases(plan.cases, seed)))
    time = SimClock.frozen()
    simulator = Simulator(SimulatorConfig(seed=seed, clock=time, tokenizer="estimate", variety=plan.variety))
    flags = {"ledger.path": ":memory:", "upstream.url": "http://sim", "upstream.api_key": KEY}
    engine = await build_engine(
        load(None, environ={}, flags=flags), transport=AsgiTransport(simulator), clock=_Frozen(time), beside=True
    )
    try:
        pricer = Pricer(engine, KEY, now=True)
        sender = Metered(Caller(engine, KEY, parallel=8, worst_pico=pricer.worst_pico))
        (arm,) = arms_of(MODEL, load_models())
        with closing(Bench(None, load_models())) as bench, Answers(Path(":memory:")) as answers:
            means = Means(arm, bench, pricer, sender, answers, plan.budget_pico, now=True)
            wish = Wish(planted.text, read_set(cases), plan.margin, seed=seed)
            done = await Pruner(wish, means, Random(seed)).run(lambda _: True)
        assert isinstance(done, Pruned)
        billed = sum((call.cost for call in simulator.bill.calls), start=0)
        return done, int(billed * 10**12)
    finally:
        await engine.close()
