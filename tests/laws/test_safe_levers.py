"""Safe levers, executed: the same conversations with and without a plan give the same answers, and cost no more."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laws.traffic import MODELS, Body, Traffic, prose, text
from thriftgate.core import cache
from thriftgate.core.plan import Plan, Policy
from thriftgate.core.planner import make_plan
from thriftgate.core.request import parse_request
from thriftgate.engine.snapshot import Knowledge
from thriftgate.pricing.load import load_book, load_models
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Outgoing, Timeouts
from thriftgate.simulator import SimClock, Simulator, SimulatorConfig

BOOK, TABLE = load_book(), load_models()
STEPS = 10


class Upstream:
    """A simulator to which requests go as they are."""

    def __init__(self) -> None:
        self.clock = SimClock.frozen()
        self.simulator = Simulator(
            SimulatorConfig(clock=self.clock, tokenizer="estimate", instance_id="one", enforce_prefix_binding=False)
        )
        self.transport = AsgiTransport(self.simulator)

    async def ask(self, body: bytes, key: str) -> tuple[int, Any]:
        """The status and what of the answer its reader sees."""
        headers = ((b"x-api-key", key.encode()), (b"anthropic-version", b"2023-06-01"))
        outgoing = Outgoing("POST", "http://simulator.invalid/v1/messages", headers, body)
        incoming = await self.transport.send(outgoing, Timeouts())
        answer = msgspec.json.decode(await incoming.read())
        return incoming.status, {name: answer.get(name) for name in ("content", "stop_reason", "error", "model")}

    @property
    def paid(self) -> Decimal:
        return self.simulator.bill.total


class Planned(Upstream):
    """The same behind the planner, with the memory of an engine."""

    def __init__(self) -> None:
        super().__init__()
        self.knowledge = Knowledge(BOOK, TABLE)
        self.plans: list[Plan] = []

    async def ask(self, body: bytes, key: str) -> tuple[int, Any]:
        request = parse_request(body)
        snapshot = self.knowledge.snapshot(request, key, self.clock())
        state = snapshot.state
        self.knowledge.observe(snapshot, key)
        plan = make_plan(request, state, Policy())
        self.plans.append(plan)
        status, seen = await super().ask(plan.body, key)
        if status == 200:
            outcome = cache.forecast(
                state.prefix,
                state.cumulative,
                plan.breakpoints,
                state.residency,
                now_s=state.now_s,
                usable_s=state.usable_s,
                cache_min_tokens=state.capability.cache_min_tokens,
                rules=state.rules,
            )
            self.knowledge.memory.cached(outcome.entries)
        return status, seen


def without_breakpoints(body: Body) -> Body:
    """The request of a client that never heard of caching."""

    def stripped(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: stripped(inner) for key, inner in value.items() if key != "cache_control"}
        return [stripped(inner) for inner in value] if isinstance(value, list) else value

    return {key: stripped(value) for key, value in body.items() if key != "cache_control"}


async def run_both(seed: int) -> list[Plan]:
    random, traffic = Random(seed), Traffic(seed)
    plain, planned = Upstream(), Planned()
    marks = random.random() < 0.3
    for _ in range(STEPS):
        step = traffic.step()
        body = step.body if marks else without_breakpoints(step.body)
        raw = msgspec.json.encode(body | {"stream": False})
        for one in (plain, planned):
            one.clock.advance(step.gap_s)
        before = await plain.ask(raw, step.key)
        assert await planned.ask(raw, step.key) == before
        traffic.answered(step, before[1]["content"] or [])
    for one in (plain, planned):
        await one.transport.close()
    return planned.plans


@settings(max_examples=max(60, settings().max_examples // 2))
@given(seed=st.integers(0, 2**40))
def test_answers_are_equal_with_and_without_a_plan(seed: int) -> None:
    """Errors too: no planned request is refused that would have been accepted as it came."""
    for plan in asyncio.run(run_both(seed)):
        assert len(plan.breakpoints) <= 4 or not plan.applied()


def test_the_traffic_gives_the_levers_something_to_do() -> None:
    plans = [plan for seed in range(20) for plan in asyncio.run(run_both(seed))]
    acted = [plan for plan in plans if plan.applied()]
    assert len(acted) > len(plans) // 5
    assert any(mark.ttl == "1h" for plan in acted for mark in plan.breakpoints)
    assert any(len(plan.breakpoints) > 2 for plan in acted)


async def converse(seed: int) -> tuple[Decimal, Decimal, int]:
    """A conversation of three turns or more without a pause, under a long system prompt; what both ways cost."""
    random = Random(seed)
    head = random.randint(20_000, 40_000)
    body: Body = {"model": random.choice(MODELS), "max_tokens": 300, "system": prose(random, head), "messages": []}
    if random.random() < 0.5:
        body["tools"] = [{"name": "look", "description": prose(random, 300), "input_schema": {"type": "object"}}]
        body["tool_choice"] = {"type": "none"}
    plain, planned = Upstream(), Planned()
    turns = random.randint(3, 8)
    for _ in range(turns):
        said = prose(random, random.randint(5, head // 4))
        body["messages"].append({"role": "user", "content": random.choice((said, [text(said)]))})
        raw = msgspec.json.encode(body)
        gap = random.uniform(0, 290)
        for one in (plain, planned):
            one.clock.advance(gap)
        status, seen = await plain.ask(raw, "sk-ant-sim-a-1")
        assert (status, seen) == await planned.ask(raw, "sk-ant-sim-a-1")
        assert status == 200
        body["messages"].append({"role": "assistant", "content": seen["content"]})
    for one in (plain, planned):
        await one.transport.close()
    return plain.paid, planned.paid, turns


@settings(max_examples=max(60, settings().max_examples // 2))
@given(seed=st.integers(0, 2**40))
def test_a_conversation_without_a_pause_never_costs_more(seed: int) -> None:
    plain, planned, turns = asyncio.run(converse(seed))
    assert planned < plain
    if turns >= 6:
        assert planned < plain * Decimal("0.6")
