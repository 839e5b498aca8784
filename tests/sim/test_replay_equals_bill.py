"""What went through gateway and simulator costs in a replay of its log exactly what it was billed, call by call.

The calls come one after the other, on a clock that stands still while one is served: then a log says all there is to know.
Calls at once depend on which of them was faster, which no log tells to the microsecond.
"""

from __future__ import annotations

import random
from itertools import accumulate
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fixtures import HEADERS, TestClock, call_of, engine_on, read_all, settings_of, simulator
from tests.laws.traffic import Traffic
from tests.sim.habits import Settled
from thriftgate.core.levers.agent_guard import AgentGuard
from thriftgate.core.money import pico_from_usd
from thriftgate.core.plan import Decision
from thriftgate.demo import classify
from thriftgate.demo.clock import DemoClock
from thriftgate.demo.run import _bill, _drive
from thriftgate.demo.servers import SEED, servers
from thriftgate.demo.workloads import WORKLOADS
from thriftgate.engine.build import policy_of
from thriftgate.engine.replay import Logged, Replay
from thriftgate.engine.settle import Prepared
from thriftgate.engine.snapshot import Knowledge
from thriftgate.ledger.entries import UPSTREAM, Entry
from thriftgate.pricing.load import load_book, load_models
from thriftgate.settings import Settings
from thriftgate.simulator import SimClock, Simulator, SimulatorConfig
from thriftgate.simulator.errors import ApiError
from thriftgate.wire.usage import ApiUsage, OutputDetails, ServerToolUse

NOON_S = 1_795_262_400.0  # 2026-11-21T12:00:00Z
BOOK, MODELS = load_book(), load_models()

Calls = list[tuple[Prepared, Entry]]


def logged(entry: Entry, body: bytes, counter: Simulator) -> Logged:
    """One line of the log: the books' entry without what the cache served, and the body the client sent. The exact counts
    come from a simulator."""
    assert entry.usage_source == "exact"
    assert not entry.usage.iterations
    used = entry.usage.total
    counts = [tokens for _, tokens in counter.count_blocks(msgspec.json.decode(body))[:-1]]
    at_s = entry.opened_us / 1e6
    return Logged(
        id=entry.id,
        at_s=at_s,
        began_s=at_s + entry.ttfb_ms / 1000,
        key=entry.key,
        upstream=entry.upstream,
        body=body,
        usage=ApiUsage(
            input_tokens=used.prompt,
            output_tokens=used.output,
            output_tokens_details=OutputDetails(used.thinking),
            server_tool_use=ServerToolUse(entry.usage.web_searches),
            inference_geo=entry.geo,
        ),
        cumulative=tuple(accumulate(counts)),
    )


def assert_equal(calls: Calls, counter: Simulator, settings: Settings, billed: dict[str, int]) -> None:
    """The log through a planner that knows nothing yet: plans, forecasts, tokens by class, money. `billed` in pico-USD by
    message."""
    assert len(calls) == len(billed)
    replay = Replay(Knowledge(BOOK, MODELS), policy_of(settings))
    for prepared, entry in calls:
        plan, again = replay.call(logged(entry, prepared.request.body, counter))
        assert plan.breakpoints == prepared.plan.breakpoints
        assert plan.body == prepared.plan.body
        assert plan.forecast == prepared.plan.forecast
        assert again.usage == entry.usage
        assert -again.posted(UPSTREAM) == billed[entry.message_id]
        assert again.postings == entry.postings
        assert _decisions(again) == _decisions(entry)


def _decisions(entry: Entry) -> list[Decision]:
    """All but the guard's: no agent of a log is watched."""
    return [one for one in entry.decisions if one.lever != AgentGuard.id]


class StandingClock(DemoClock):
    """Moves by pauses alone."""

    def __init__(self) -> None:
        super().__init__(NOON_S)
        self.paused_s = 0.0

    def now_s(self) -> float:
        return NOON_S + self.paused_s

    def monotonic_s(self) -> float:
        return self.paused_s


def counting() -> Simulator:
    """Counts as the demo's simulator does; the thinking it is shown was sealed there."""
    return Simulator(SimulatorConfig(seed=SEED, clock=SimClock.frozen()))


ANSWERED_AT_ONCE = [workload for workload in WORKLOADS if workload.name != "overnight"]  # the others leave in batches


def test_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classify, "AT_ONCE", 1)
    clock, path = StandingClock(), str(tmp_path / "demo.db")
    with servers(path, clock) as running:
        settled = Settled(running.engine)
        for workload in ANSWERED_AT_ONCE:
            _drive(workload, running, f"sk-ant-sim-{workload.name}-demo", clock, lambda: None)
        bill = _bill(running)
    assert len(settled.calls) == len(bill.calls) > 80
    billed = {call.message_id: pico_from_usd(call.cost_usd) for call in bill.calls}
    assert_equal(settled.calls, counting(), Settings(), billed)
    assert len({entry.key for _, entry in settled.calls}) == len(ANSWERED_AT_ONCE)


# --- made-up traffic ---------------------------------------------------------------------------------------------------


async def sent(seed: int, calls: int, mode: str) -> tuple[Calls, Simulator]:
    """Conversations of several clients and models: tools, pictures, edits, breakpoints of every sort or none."""
    clock = TestClock()
    app = simulator(clock=clock.time, enforce_prefix_binding=False)
    traffic, draw = Traffic(seed), random.Random(seed)
    async with engine_on(app, clock=clock, cache={"mode": mode}) as engine:
        settled = Settled(engine)
        while len(settled.calls) < calls:
            step = traffic.step()
            body = step.body if draw.random() < 0.5 else unmarked(step.body)
            clock.advance(step.gap_s)
            if not accepted(app, body):
                continue
            reply = await engine.messages(call_of(body, headers=HEADERS | {"x-api-key": step.key}))
            answer = await read_all(reply)
            traffic.answered(step, [] if body.get("stream") else msgspec.json.decode(answer)["content"])
    return settled.calls, app


def accepted(app: Simulator, body: dict[str, Any]) -> bool:
    """Whether the API would take it; what it refuses is not in the log of a provider."""
    try:
        app.count_blocks(body)
    except ApiError:
        return False
    return True


def unmarked(value: Any) -> Any:
    """The same without a breakpoint anywhere."""
    if isinstance(value, dict):
        return {name: unmarked(inner) for name, inner in value.items() if name != "cache_control"}
    return [unmarked(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("mode", ["ttl-only", "add", "full", "observe"])
async def test_mixed_traffic(mode: str) -> None:
    read = 0
    for seed in range(2):
        calls, app = await sent(seed, 50, mode)
        billed = {call.message_id: pico_from_usd(call.cost) for call in app.bill.calls}
        assert_equal(calls, app, settings_of(cache={"mode": mode}), billed)
        read += sum(entry.usage.total.read for _, entry in calls)
    assert read > 10_000
