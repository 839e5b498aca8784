"""What the tests of evaluations share: items, answers, lines of results, and a stage on the simulator."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.fixtures import KEY, TestClock, simulator
from thriftgate.engine.build import build_engine
from thriftgate.engine.engine import Engine
from thriftgate.pricing.load import load_models
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.quality.arms import Arm, arms_of
from thriftgate.quality.items import Answer, Item
from thriftgate.quality.results import Judged, Line
from thriftgate.quality.rules import rule_of
from thriftgate.settings import load
from thriftgate.simulator import SimClock, Simulator
from thriftgate.simulator.config import BatchRules
from thriftgate.simulator.tasks import TASK_SETS

CHEAP, STRONG = "claude-haiku-4-5", "claude-opus-4-8"
AT_ONCE = BatchRules.parse({"duration_s": [1e-6, 2e-6], "readable_s": 0.0, "cancel_s": 0.0})
JUDGES = {"arithmetic": "numeric", "sentiment": "exact", "ticket": "exact", "extraction": "fields", "problem": "numeric"}


def item(expected: Any = None, prompt: str = "What is it?", **members: Any) -> Item:
    """An item with a bare prompt."""
    request = members.pop("request", {"max_tokens": 100, "messages": [{"role": "user", "content": prompt}]})
    judge = members.pop("judge", None)
    values: dict[str, Any] = {"id": "i1", "place": "line 1", "judge": rule_of(judge) if judge else None}
    return Item(request=request, expected=expected, **values | members)


def said(text: str, **members: Any) -> Answer:
    return Answer(text, **members)


def arms(text: str = f"{CHEAP},{STRONG}") -> list[Arm]:
    return arms_of(text, load_models())


def line(name: str, task: str = "", cluster: str = "", weight: float = 1.0, **qualities: float | None) -> Line:
    """A line of results of arms `a`, `b` …, each call a thousand pico-dollars and a second."""
    outcomes = {
        arm: Judged(quality, cost_usd="0.000000001", paid_usd="0.0000000005", latency_ms=1_000, judge="exact")
        for arm, quality in qualities.items()
    }
    return Line(name, "text", outcomes, task=task, cluster=cluster, weight=weight)


def task_lines(count: int, *, judge: bool = True) -> list[dict[str, Any]]:
    """Lines of a set with known right answers, so many of each kind that the simulator knows."""
    return [
        {"id": f"{tasks.name}-{at}", "prompt": one.prompt, "expected": one.expected, "task": tasks.name, "max_tokens": 60}
        | ({"judge": JUDGES[tasks.name]} if judge else {})
        for tasks in TASK_SETS
        if tasks.name in JUDGES
        for at, one in enumerate(tasks.items(count))
    ]


def write_lines(path: Path, lines: Sequence[Any]) -> Path:
    """A JSONL file; bytes are written as they are."""
    path.write_bytes(b"".join((one if isinstance(one, bytes) else msgspec.json.encode(one)) + b"\n" for one in lines))
    return path


@contextlib.asynccontextmanager
async def on_stage(folder: Path, provider: Simulator | None = None) -> AsyncIterator[tuple[Engine, Simulator]]:
    """An engine with books in a file, on a simulator that is through with batches at once."""
    provider = provider or simulator(clock=SimClock.frozen(), batches=AT_ONCE)
    tables = {"ledger.path": str(folder / "books.db"), "upstream.url": "http://sim", "upstream.api_key": KEY}
    assert isinstance(provider.config.clock, SimClock)
    clock = TestClock(provider.config.clock)
    engine = await build_engine(
        load(None, environ={}, flags=tables), transport=AsgiTransport(provider), clock=clock, beside=True
    )
    try:
        yield engine, provider
    finally:
        await engine.close()
