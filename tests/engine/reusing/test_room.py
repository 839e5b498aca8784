"""Reuse at work, on the simulator: who gets an earlier answer, who does not, and what the books say of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.core.earlier.test_answer import kept
from tests.engine.reusing.stage import EXACT, ON, OTHER, advance, ask, entries, reused, reusing, settled
from tests.fixtures import HEADERS, KEY, assert_sound, call_of, engine_on, message, read_all, simulator, told
from thriftgate.core.earlier.answer import KeptAnswer
from thriftgate.core.errors import InputError, LimitExceeded, NothingKept, ThriftgateError
from thriftgate.core.plan import Skip
from thriftgate.engine.engine import Engine
from thriftgate.engine.reusing.room import Reusing
from thriftgate.engine.reusing.tier import Found, Question
from thriftgate.ledger.entries import UPSTREAM
from thriftgate.simulator import Faults
from thriftgate.wire.whole_message import message_of

STREAM = message(stream=True)
TOOLS = msgspec.json.encode(message(tools=5))


def content(body: bytes) -> Any:
    document = msgspec.json.decode(body)
    return {name: value for name, value in document.items() if name != "usage"}


async def test_the_same_call_again_is_not_made_again() -> None:
    sim = simulator()
    async with reusing(sim) as engine:
        first = await ask(engine)
        advance(engine, 34)
        again = await ask(engine)
        assert len(sim.bill.calls) == 1
        assert first.body is not None
        assert again.body is not None
        assert content(again.body) == content(first.body)
        told_once = msgspec.json.decode(first.body)["usage"]
        usage = msgspec.json.decode(again.body)["usage"]
        assert (usage["input_tokens"], usage["output_tokens"], usage["service_tier"]) == (0, 0, "standard")
        one, two = await entries(engine)
        assert [reused(one), reused(two)] == [False, True]
        assert two.posted("baseline") == -one.posted(UPSTREAM)  # the same prompt, and nothing of it was in the cache
        assert (two.outcome, two.usage_source, two.message_id, two.task) == ("answered", "none", one.message_id, one.task)
        assert [one.lever for one in two.decisions] == [EXACT]
        assert f"the answer of {one.id}, given 34 s ago to the very same call: 15 tokens in and" in two.decisions[0].reason
        names = ("plan", "cost-usd", "usage-source", "reused-call", "request-id")
        assert [told(again.headers, f"thriftgate-{name}") for name in names] == [EXACT, "0", "none", one.id, two.id]
        assert told(again.headers, "thriftgate-saved-usd") == told(first.headers, "thriftgate-cost-usd")
        assert msgspec.json.decode(told(again.headers, "thriftgate-reused-usage")) == told_once
        assert told(again.headers, "age") == "34"
        await assert_sound(engine.ledger)


async def test_a_stream_answers_a_whole_call_and_the_other_way_round() -> None:
    sim = simulator()
    async with reusing(sim) as engine:
        pieces = await read_all(await engine.messages(call_of(STREAM)))
        await settled(engine)
        whole = await ask(engine)
        streamed = await engine.messages(call_of(STREAM))
        assert streamed.body is not None
        assert whole.body is not None
        assert told(streamed.headers, "content-type").startswith("text/event-stream")
        assert content(whole.body) == content(message_of(pieces)) == content(message_of(streamed.body))
        await ask(engine, "another [[sim: out=9]]")
        again = await engine.messages(call_of(message("another [[sim: out=9]]", stream=True)))
        assert again.body is not None
        assert len(sim.bill.calls) == 2
        assert [reused(entry) for entry in await entries(engine)] == [False, True, True, False, True]
        assert [entry.stream for entry in await entries(engine)] == [True, False, True, False, True]


async def test_what_it_would_have_cost_is_told_by_the_cache_as_it_is_now() -> None:
    """The first call writes its prefix; one like it would have read it, while it lives."""
    sim = simulator()
    body = message(
        model="claude-opus-5-5", system=[{"type": "text", "text": "word " * 9_000, "cache_control": {"type": "ephemeral"}}]
    )
    async with reusing(sim, {"ttl_s": 10_000}) as engine:
        for pause_s in (10.0, 3_000.0, 0.0):
            await ask(engine, body)
            advance(engine, pause_s)
        wrote, read, wrote_again = await entries(engine)
        paid = -wrote.posted(UPSTREAM)
        assert read.posted("baseline") < paid / 4
        assert wrote_again.posted("baseline") == pytest.approx(paid, rel=0.02)


async def test_only_what_a_rule_names() -> None:
    sim = simulator()
    async with reusing(sim, {"task": "triage"}, {"model": "claude-haiku-*"}) as engine:
        for _ in range(2):
            await ask(engine)
            await ask(engine, headers=HEADERS | {"thriftgate-task": "triage"})
            await ask(engine, message(model="claude-haiku-5-5"))
        assert len(sim.bill.calls) == 4
        first = (await entries(engine))[0]
        (why,) = [one.reason for one in first.decisions if one.lever == EXACT]
        assert why == "no row of [[reuse.rules]] names this call"


async def test_off_unless_the_policy_names_it_and_there_is_a_rule() -> None:
    each: tuple[dict[str, Any], ...] = ({"reuse": {"rules": ({},)}}, {"policy": ON})
    for tables in each:
        sim = simulator()
        async with engine_on(sim, **tables) as engine:
            await ask(engine)
            await ask(engine)
            assert len(sim.bill.calls) == 2
            with pytest.raises(NothingKept, match="nothing is reused here"):
                await ask(engine, wish="only-if-cached")


async def test_until_its_time_is_over() -> None:
    sim = simulator()
    async with reusing(sim, {"ttl_s": 60}) as engine:
        await ask(engine)
        advance(engine, 59.9)
        await ask(engine)
        assert len(sim.bill.calls) == 1
        advance(engine, 0.1)
        last = await ask(engine)
        assert len(sim.bill.calls) == 2
        assert told(last.headers, "thriftgate-plan") == "none"
        advance(engine, 59)
        await ask(engine)  # the new answer has taken the place of the old one
        assert len(sim.bill.calls) == 2


async def test_what_the_caller_wishes() -> None:
    sim = simulator()
    async with reusing(sim) as engine:
        with pytest.raises(NothingKept, match="no earlier answer to this call is kept") as raised:
            await ask(engine, wish="only-if-cached")
        assert (raised.value.status_hint, raised.value.headers) == (504, ((b"x-should-retry", b"false"),))
        (refused,) = await entries(engine)
        assert (refused.id, refused.outcome, refused.balance()) == (raised.value.call_id, "refused", 0)
        await ask(engine, wish="off")
        assert len(sim.bill.calls) == 1
        await ask(engine, wish="refresh")  # what was off was not kept either, but that is not looked for
        assert len(sim.bill.calls) == 2
        first = await ask(engine, wish="only-if-cached")
        assert len(sim.bill.calls) == 2
        await ask(engine, wish="refresh")
        assert len(sim.bill.calls) == 3
        again = await ask(engine)
        assert told(again.headers, "thriftgate-reused-call") != told(first.headers, "thriftgate-reused-call")
        for wish in ("off", "refresh"):
            reply = await ask(engine, wish=wish)
            assert told(reply.headers, "thriftgate-plan") == "none"
            entry = next(one for one in await entries(engine) if one.id == told(reply.headers, "thriftgate-request-id"))
            assert "the caller wants" in next(one.reason for one in entry.decisions if one.lever == EXACT)
        with pytest.raises(InputError, match="must be off, only-if-cached or refresh"):
            await ask(engine, wish="maybe")
        with pytest.raises(NothingKept, match="never reused"):
            await ask(engine, message(max_tokens=0), wish="only-if-cached")


async def test_other_clients_are_other_tenants() -> None:
    sim = simulator()
    async with reusing(sim, {"share": "org"}) as engine:
        mine = await ask(engine)
        theirs = await ask(engine, headers=OTHER, credential=OTHER["x-api-key"])
        nobody = await ask(engine, credential="")
        assert [told(one.headers, "thriftgate-plan") for one in (mine, theirs, nobody)] == ["none"] * 3
        assert len(sim.bill.calls) == 3


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (message(max_tokens=5), "max_tokens"),
        (message("[[sim: refuse=none]]"), "refusal"),
        (message("x [[sim: tool=look]]", tools=[{"name": "look", "input_schema": {"type": "object"}}]), "tool_use"),
        (message(tools=[{"type": "web_search_20250305", "name": "web_search"}]), ""),
    ],
)
async def test_what_must_not_be_reused_is_not(body: dict[str, Any], why: str) -> None:
    sim = simulator()
    async with reusing(sim) as engine:
        first = await ask(engine, body)
        assert first.status == 200
        await ask(engine, body)
        one, two = await entries(engine)
        assert one.stop_reason == two.stop_reason == (why or one.stop_reason)
        assert not reused(two)
        assert len(sim.bill.calls) == 2


async def test_tool_use_where_the_rule_allows_it() -> None:
    sim = simulator()
    body = message("x [[sim: tool=look]]", tools=[{"name": "look", "input_schema": {"type": "object"}}])
    async with reusing(sim, {"may_tool_use": True}) as engine:
        first, again = await ask(engine, body), await ask(engine, body | {"stream": True})
        assert first.body is not None
        assert again.body is not None
        assert content(message_of(again.body)) == content(first.body)
        assert len(sim.bill.calls) == 1


@pytest.mark.parametrize(
    "fault", ["internal_error", "overloaded", "garbage_body", "cut_stream", "reset_mid_stream", "error_event"]
)
async def test_errors_and_broken_answers_are_not_kept(fault: str) -> None:
    body = message(stream="stream" in fault or fault == "error_event")
    struck: dict[str, Any] = {fault: 1.0}
    sim = simulator(faults=Faults(**struck))
    async with reusing(sim, upstream={"retry": "never"}) as engine:
        for _ in range(3):
            try:
                await ask(engine, body)
            except ThriftgateError as error:
                assert error.call_id  # noqa: PT017  some come as an error, some as the provider's own answer
        booked = await entries(engine)
        assert len(booked) == 3
        assert {entry.outcome for entry in booked} <= {"failed", "garbage", "cut"}
        await assert_sound(engine.ledger)


async def test_a_tenant_that_has_lost_its_access_keeps_nothing() -> None:
    sim = simulator()
    async with reusing(sim) as engine:
        await ask(engine)
        bad = {name.encode(): value.encode() for name, value in (HEADERS | {"x-api-key": ""}).items()}
        reply = await engine.messages(replace(call_of(message("other")), headers=tuple(bad.items()), credential=KEY))
        assert reply.status == 401  # the provider no longer takes that client's key
        await settled(engine)
        with pytest.raises(NothingKept):
            await ask(engine, wish="only-if-cached")


async def test_another_models_answer_is_not_kept() -> None:
    """A rule sends the call to a cheaper model: what that says is not what was asked for."""
    sim = simulator()
    routing = {"rules": ({"name": "cheap", "to": "claude-haiku-5-5"},)}
    policy = {"levers": (EXACT, "route.rules")}
    async with reusing(sim, policy=policy, routing=routing) as engine:
        for _ in range(2):
            await ask(engine)
        assert len(sim.bill.calls) == 2
        assert not any(reused(entry) for entry in await entries(engine))
        headers = HEADERS | {"thriftgate-route": "off"}
        for _ in range(2):
            await ask(engine, headers=headers)
        assert len(sim.bill.calls) == 3


async def test_the_hold_out_is_never_served_from_what_is_kept() -> None:
    sim = simulator()
    async with reusing(sim, experiment={"holdout": 0.5}) as engine:
        for number in range(20):
            for _ in range(3):
                await ask(engine, f"conversation {number}")
        by_arm: dict[str, list[bool]] = {}
        for entry in await entries(engine):
            by_arm.setdefault(entry.arm, []).append(reused(entry))
        assert set(by_arm) == {"holdout", ""}
        assert not any(by_arm["holdout"])
        assert sum(by_arm[""]) == 2 * len(by_arm[""]) / 3


async def test_budgets_are_not_charged_and_callers_limits_are() -> None:
    limits = {"rules": ({"name": "r", "metric": "requests", "amount": 3},)}
    sim = simulator()
    async with reusing(sim, limits=limits) as engine:
        left = [told((await ask(engine)).headers, "thriftgate-limit").split("remaining=")[1][0] for _ in range(3)]
        assert left == ["2", "1", "0"]
        with pytest.raises(LimitExceeded) as raised:
            await ask(engine)
        refused = (await entries(engine))[-1]
        assert (refused.id, refused.outcome) == (raised.value.call_id, "refused")
        advance(engine, 60)
        assert told((await ask(engine)).headers, "thriftgate-plan") == EXACT
        assert len(sim.bill.calls) == 1
        at_once = [one for one in engine.limiting._shelf._buckets.values() if one.limit.metric == "concurrency"]
        assert not at_once
        await assert_sound(engine.ledger)


# --- whatever goes wrong, the call is made --------------------------------------------------------------------------------


class Bad:
    """A tier that fails in one of its verbs."""

    lever = EXACT

    def __init__(self, verb: str, answer: KeptAnswer | None = None) -> None:
        self.verb, self.answer, self.closed = verb, answer, False

    async def look(self, question: Question, now_s: float) -> Found | Skip:
        if self.verb == "look":
            raise RuntimeError("no disk")
        return Found(replace(self.answer, tenant=question.tenant), "to it", EXACT) if self.answer else Skip("nothing")

    async def heard(self, question: Question, answer: KeptAnswer) -> None:
        raise RuntimeError("no room")

    async def unfit(self, question: Question) -> None:
        raise RuntimeError

    async def forget(self, tenant: bytes) -> None:
        raise RuntimeError("no way")

    async def close(self) -> None:
        self.closed = True


def with_tier(engine: Engine, tier: Bad) -> None:
    engine.reusing = Reusing(engine.reusing._rooms, (tier,), wait_s=5.0, bytes_max=10_000)


@pytest.mark.parametrize(
    "tier",
    [
        Bad("look"),
        Bad("heard"),
        Bad("answer", kept(b"no message")),
        Bad("price", kept(b'{"type":"message","usage":{"input_tokens":1,"output_tokens":1}}', model="of-tomorrow")),
    ],
    ids=lambda tier: tier.verb,
)
async def test_the_call_is_made_whatever_goes_wrong(tier: Bad) -> None:
    sim = simulator()
    async with reusing(sim) as engine:
        with_tier(engine, tier)
        for _ in range(2):
            assert (await ask(engine)).status == 200
        assert len(sim.bill.calls) == 2
        bad = {name.encode(): value.encode() for name, value in (HEADERS | {"x-api-key": ""}).items()}
        assert (await engine.messages(replace(call_of(message()), headers=tuple(bad.items())))).status == 401
        await settled(engine)
        await assert_sound(engine.ledger)
    assert tier.closed


async def test_odd_requests_get_the_answer_that_they_always_got() -> None:
    async with reusing(simulator()) as engine:
        for body in (b"", b"[]", b"{", b'{"model":1}', b'{"model":"m","max_tokens":1}', b"\xff", TOOLS):
            with pytest.raises(InputError):
                await engine.messages(call_of(body))
