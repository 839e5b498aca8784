"""Routing in the books: the baseline is what the asked model would have cost, limits hold for what serves, and a hold-out is
left alone."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import msgspec
import pytest

from tests.core.planning import BOOK, NOW_S
from tests.engine.routes import CHEAP, STRONG, Wire, ask, assert_billed, by_model, routing_on, rows, to
from tests.fixtures import simulator
from tests.laws.test_routing import HAIKU, OPUS, Messages, body_of, said, user
from thriftgate.core.cost import day_of, price_usage
from thriftgate.core.errors import PolicyRefusal
from thriftgate.core.money import pico_from_usd
from thriftgate.core.prices import Terms
from thriftgate.core.routing.switching import Move
from thriftgate.core.usage import Usage
from thriftgate.engine import route_decision
from thriftgate.ledger.entries import BASELINE, UPSTREAM

ON = {"on": True}

# --- money --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "served", "off"), [(OPUS, HAIKU, 0.0), (STRONG, "claude-opus-4-7", 0.0), (STRONG, CHEAP, 0.05)]
)
async def test_the_baseline_is_what_the_asked_model_would_have_cost(asked: str, served: str, off: float) -> None:
    """Exactly, where both have one vocabulary; else nearly. The same call, and one that comes again, when its true length on
    the one model is known."""
    app, direct = simulator(), simulator()
    policy = {"levers": ("route.rules",)}
    raw = body_of([user("[[sim: out=4 think=0]]")], asked, system="The river runs past the old mill. " * 300)
    async with routing_on(direct, policy=policy) as engine:
        await ask(engine, raw)
        cost = pico_from_usd(direct.bill.calls[0].cost)
    async with routing_on(app, policy=policy, routing=to(served)) as engine:
        for _ in range(3):
            await ask(engine, raw)
        entries = await assert_billed(engine, app)
    if served == "claude-opus-4-7":  # as dear: nothing to gain
        assert by_model(entries) == [("", asked)] * 3
        return
    for entry in entries:
        assert entry.asked_model == asked
        assert abs(entry.posted(BASELINE) / cost - 1) <= off


async def test_haiku_55_is_priced_by_its_step() -> None:
    """Above 100,000 prompt tokens each of its rates is five times as high: in the forecast, in the books and on the bill."""
    app = simulator()
    async with routing_on(app, routing=to(HAIKU), policy={"levers": ("route.rules",)}) as engine:
        for words in (50_000, 120_000):
            status, _ = await ask(engine, body_of([user("word " * words + "[[sim: out=10 think=0]]")]))
            assert status == 200
        below, above = await assert_billed(engine, app)
    assert below.usage.total.prompt < 100_000 < above.usage.total.prompt
    for entry, factor in ((below, 1), (above, 5)):
        total, terms = entry.usage.total, Terms(HAIKU, day_of(NOW_S))
        assert -entry.posted(UPSTREAM) == price_usage(Usage(total), terms, BOOK).pico
        assert -entry.posted(UPSTREAM) == factor * (total.input * 100_000 + total.output * 500_000)
        assert abs(entry.forecast_pico / -entry.posted(UPSTREAM) - 1) < 0.5


async def test_a_dearer_step_is_a_reason_to_stay() -> None:
    """Sonnet 4.6 cached is cheaper than Haiku 5.5 above its step is not: at five times its price it still is; Haiku 4.5 at
    $1 is dearer than $0.50."""
    app = simulator()
    wire = Wire(app)
    async with routing_on(app, wire, routing=to(HAIKU), policy={"levers": ("route.rules",)}) as engine:
        await ask(engine, body_of([user("word " * 120_000)], "claude-haiku-4-5"))
        await assert_billed(engine, app)
    assert wire.models == [HAIKU]


async def test_a_limit_is_judged_by_the_model_that_serves() -> None:
    app = simulator()
    wire = Wire(app)
    dear = {"thriftgate-x": "1"}
    async with routing_on(app, wire, routing={"rules": rows({"to": HAIKU, "task": "easy"})}) as engine:
        limit = pico_from_usd("0.001")
        status, _ = await ask(engine, body_of([user("hello")]), {"thriftgate-task": "easy"}, cost_limit_pico=limit)
        assert status == 200
        with pytest.raises(PolicyRefusal, match=OPUS):
            await ask(engine, body_of([user("hello")]), dear, cost_limit_pico=limit)
        entries = await assert_billed(engine, app)
    assert [(entry.outcome, entry.model) for entry in entries] == [("answered", HAIKU), ("refused", OPUS)]


async def test_a_choice_never_takes_a_call_over_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is dearer at worst than the one that was asked for: that one serves, and no call is refused for it."""
    app = simulator()
    wire = Wire(app)
    monkeypatch.setattr(route_decision, "worth_leaving", lambda *_, **__: Move(True, 1, "it is said to pay"))
    raw = msgspec.json.encode(body_of([user("hi")], HAIKU))
    async with routing_on(app, wire, routing=to(OPUS)) as engine:
        await ask(engine, raw)
        status, _ = await ask(engine, raw, cost_limit_pico=pico_from_usd("0.001"))
        with pytest.raises(PolicyRefusal, match=HAIKU):
            await ask(engine, raw, cost_limit_pico=1)
        free, limited, refused = await assert_billed(engine, app)
    assert status == 200
    assert any(body is raw for body in wire.bodies)
    assert by_model([free, limited, refused]) == [(HAIKU, OPUS), ("", HAIKU), ("", HAIKU)]
    reasons = {one.lever: one.reason for one in limited.decisions}
    assert reasons["route.rules"] == "it would take this call over its limit"


# --- experiments --------------------------------------------------------------------------------------------------------


async def test_the_hold_out_gets_what_its_clients_sent_and_the_arms_stay() -> None:
    app = simulator()
    wire = Wire(app)
    experiment = {"holdout": 0.3, "share": 0.5, "levers": ("route.rules",)}
    policy = {"levers": ("cache.breakpoints", "count.guard")}
    arms: dict[int, list[str]] = {}
    async with routing_on(app, wire, routing=to(HAIKU), experiment=experiment, policy=policy, keepalive=ON) as engine:
        for number in range(24):
            messages: Messages = []
            for turn in range(3):
                messages.append(user(f"{number}.{turn} [[sim: out=10 think=0]]"))
                clock = f"It is 10:{turn:02}. "
                marked = [{"type": "text", "text": clock + "word " * 1_200, "cache_control": {"type": "ephemeral"}}]
                raw = msgspec.json.encode(body_of(messages, system=marked))
                status, answer = await ask(engine, raw)
                assert status == 200
                messages.append(said(answer))
                entry = (await engine.ledger.entries(limit=100_000))[-1]
                arms.setdefault(number, []).append(entry.arm)
                if entry.arm == "holdout":
                    assert wire.bodies[-1] is raw
                    assert not [one for one in entry.decisions if one.decision == "applied"]
                    assert entry.posted(BASELINE) == -entry.posted(UPSTREAM)
                assert (entry.asked_model == OPUS) is (entry.arm == "treatment")
                wanted = {"holdout": 0.3, "treatment": 0.35, "control": 0.35}
                assert entry.propensity == pytest.approx(wanted[entry.arm])
        kept = engine._keepalive._kept if engine._keepalive is not None else {}  # conversations that may be pinged
        assert not [one for one in kept.values() if arms_of(one.call.body, arms) == "holdout"]
        await assert_billed(engine, app)
    assert all(one == told_ and one for turns in arms.values() for one, told_ in pairwise(turns))
    assert set(Counter(turns[0] for turns in arms.values())) == {"holdout", "treatment", "control"}


def arms_of(body: bytes, arms: dict[int, list[str]]) -> str:
    first = msgspec.json.decode(body)["messages"][0]["content"]
    return arms[int(first.partition(".")[0])][0]


async def test_a_lever_that_is_not_switched_on_routes_nothing() -> None:
    app = simulator()
    wire = Wire(app)
    raw = msgspec.json.encode(body_of([user("hello")]))
    async with routing_on(app, wire, routing=to(HAIKU), policy={"levers": ("cache.breakpoints",)}) as engine:
        await ask(engine, raw)
        (entry,) = await assert_billed(engine, app)
    assert wire.bodies[0] is raw
    assert entry.task.startswith("fp:")
