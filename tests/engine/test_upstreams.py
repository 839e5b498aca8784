"""Several provider keys: caches are kept warm, limits shared, spent keys left alone, and the books tell which one served."""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from tests.fixtures import HEADERS, assert_sound, call_of, engine_on, message, simulator, told
from tests.scripted import Hosts, Provider, Say, say_error, targets
from thriftgate.core.errors import NotThere, SpendCapped
from thriftgate.engine.build import build_engine
from thriftgate.engine.engine import Engine
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.keys import ProviderKey
from thriftgate.settings import Settings
from thriftgate.simulator import LimitRules, Simulator

TEXT = "The desk answers each mail. " * 400
SYSTEM = [{"type": "text", "text": TEXT, "cache_control": {"type": "ephemeral"}}]
SPENT = say_error(429, "rate_limit_error", details={"error_code": "enforced_spend_limit_reached"})
WORKSPACE_SPENT = "You have reached your specified workspace API usage limits."
WORKSPACE = say_error(400, "invalid_request_error", message=WORKSPACE_SPENT)


def keys(*names: str, **members: dict[str, Any]) -> dict[str, Any]:
    """Settings with keys of organisations of their own, by these names."""
    rows = tuple({"name": name, "key": f"sk-ant-sim-{name}.main-1"} | members.get(name, {}) for name in names)
    return {"upstream": {"keys": rows}}


async def served(engine: Engine, *bodies: dict[str, Any]) -> list[str]:
    """The keys that served these calls, made one after the other."""
    found = []
    for body in bodies:
        reply = await engine.messages(call_of(body))
        assert reply.status == 200, reply.body
        entry = await engine.ledger.entry(told(reply.headers, "thriftgate-request-id"))
        assert entry is not None
        found.append(entry.upstream)
    return found


def organisations(app: Simulator) -> Counter[str]:
    return Counter(call.organization for call in app.bill.calls)


async def test_a_conversation_stays_with_its_key_and_others_are_spread() -> None:
    app = simulator()
    async with engine_on(app, **keys("one", "two", "three")) as engine:
        talks = [{"system": f"{n} " + TEXT} for n in range(12)]
        first = await served(engine, *[message("a", **talk) for talk in talks])
        again = await served(engine, *[message("b", **talk) for talk in talks])
        await assert_sound(engine.ledger)
    assert first == again
    assert set(first) == {"one", "two", "three"}
    assert organisations(app) == {name: 2 * count for name, count in Counter(first).items()}


async def test_a_call_goes_elsewhere_where_waiting_is_dearer_than_writing_anew() -> None:
    app = simulator(limits=LimitRules(rpm=6))
    async with engine_on(app, **keys("one", "two"), governor={"wait_usd_per_hour": 1000}) as engine:
        found = await served(engine, *[message(str(n), system=SYSTEM) for n in range(9)])
    assert set(found) == {"one", "two"}
    assert found[:4] == found[:1] * 4


async def test_a_call_waits_where_writing_anew_is_dearer() -> None:
    app = simulator(limits=LimitRules(rpm=6))
    async with engine_on(app, **keys("one", "two"), governor={"wait_usd_per_hour": "0.01"}) as engine:
        await served(engine, message("warm", system=SYSTEM), message("warm", system=SYSTEM))
        found = await served(engine, *[message(str(n), system=SYSTEM) for n in range(9)])
    assert len(set(found)) == 1


async def test_what_is_known_of_a_cache_goes_by_the_key_that_is_sent() -> None:
    app = simulator()
    async with engine_on(app, **keys("one")) as engine:
        headers = [HEADERS | {"x-api-key": f"sk-client-{n}"} for n in range(2)]
        replies = [await engine.messages(call_of(message("a", system=SYSTEM), headers=one)) for one in headers]
        entries = [await engine.ledger.entry(told(reply.headers, "thriftgate-request-id")) for reply in replies]
    first, second = entries
    assert first is not None
    assert second is not None
    assert first.key != second.key
    assert second.read_expected_tokens == pytest.approx(second.usage.total.read, abs=20)
    assert second.usage.total.read > 1_000


async def test_a_spent_key_is_left_alone_and_its_calls_go_to_another() -> None:
    app = simulator(limits=LimitRules(tier_spend_cap_usd=Decimal("0.001")))
    async with engine_on(app, **keys("one", "two")) as engine:
        body = message("[[sim: out=400]]", max_tokens=1_000)
        first, second = await served(engine, body, body)
        assert {first, second} == {"one", "two"}
        before = app.messages
        assert (await engine.messages(call_of(body))).status == 429  # the other key is found out to be spent as well
        assert app.messages == before + 1
        with pytest.raises(SpendCapped, match="every key there is") as refused:
            await engine.messages(call_of(body))
        assert app.messages == before + 1  # nothing is sent any more
        assert {(one.target, one.kind) for one in engine.upstreams.left_alone()} == {("one", "spend"), ("two", "spend")}
        assert (refused.value.status_hint, refused.value.error_type) == (429, "rate_limit_error")
        await assert_sound(engine.ledger)


@pytest.mark.parametrize("said", [SPENT, WORKSPACE])
async def test_a_spend_limit_is_not_retried(said: Say) -> None:
    provider = Provider(said)
    async with engine_on(provider, upstream={"api_key": "sk-1", "retry": "always"}) as engine:
        reply = await engine.messages(call_of(message()))
        assert (reply.body, len(provider.bodies)) == (said.pieces[0], 1)
        for _ in range(3):
            with pytest.raises(SpendCapped):
                await engine.messages(call_of(message()))
        assert len(provider.bodies) == 1
        engine.upstreams.clear("default")
        await engine.messages(call_of(message()))
        assert len(provider.bodies) == 2


async def test_a_probe_that_gets_through_opens_the_key_again() -> None:
    provider = Provider(SPENT, Say())
    async with engine_on(provider, upstream={"api_key": "sk-1"}) as engine:
        await engine.messages(call_of(message()))
        with pytest.raises(SpendCapped):
            await engine.messages(call_of(message()))
        engine.clock.advance(301)  # type: ignore[attr-defined]
        for _ in range(2):
            assert (await engine.messages(call_of(message()))).status == 200
        assert engine.upstreams.left_alone() == []


async def test_without_keys_of_ours_each_client_has_its_own_limits_and_no_breaker() -> None:
    provider = Provider(SPENT)
    async with engine_on(provider) as engine:
        for _ in range(2):
            assert (await engine.messages(call_of(message()))).status == 429
        assert len(provider.bodies) == 2
        assert engine.upstreams.limits_of("", "key_1") == "key_1"


async def test_keys_of_one_organisation_share_limits_and_its_spend_limit() -> None:
    shared = {"two": {"shares_limits_with": "one"}}
    app = simulator(limits=LimitRules(rpm=6, tier_spend_cap_usd=Decimal("0.0000001")))
    async with engine_on(app, **keys("one", "two", "three", **shared)) as engine:
        ups = engine.upstreams
        assert [ups.limits_of(name, "") for name in ("one", "two", "three")] == ["one", "one", "three"]
        await asyncio.gather(*[served(engine, message("a", system=f"system {n}")) for n in range(4)])
        for n in range(8):
            try:
                await engine.messages(call_of(message("b", system=f"system {n}")))
            except SpendCapped:
                break
        spent = {one.target for one in ups.left_alone()}
        assert {"one", "two"} <= spent or {"three"} <= spent


async def test_keys_that_are_kept_elsewhere_are_handed_in() -> None:
    app = simulator()
    settings = Settings.model_validate({"ledger": {"path": ":memory:"}, "upstream": {"url": "http://upstream.invalid"}})
    engine = await build_engine(settings, transport=AsgiTransport(app), keys=(ProviderKey("kept", "sk-ant-sim-org.w-1"),))
    try:
        assert await served(engine, message()) == ["kept"]
    finally:
        await engine.close()
    assert organisations(app) == {"org": 1}


async def test_questions_go_to_a_target_that_has_the_model_and_counts() -> None:
    hosts = Hosts(one=Provider(Say([b'{"input_tokens": 7}'])), two=Provider())
    async with engine_on(
        transport=hosts, **targets("one", "two", one={"serves": ("claude-opus-4-8",)}, two={"order": 1})
    ) as engine:
        reply = await engine.count(call_of(message(), path="/v1/messages/count_tokens"))
        assert (reply.body, hosts.sent) == (b'{"input_tokens": 7}', ["one"])


async def test_a_call_that_is_pinned_goes_to_that_target_alone() -> None:
    hosts = Hosts(one=Provider(), two=Provider(say_error(529, "overloaded_error")))
    async with engine_on(transport=hosts, **targets("one", "two", two={"order": 1})) as engine:
        reply = await engine.messages(call_of(message(), pinned="two", headers=HEADERS | {"x-stainless-retry-count": "0"}))
        assert (reply.status, hosts.sent) == (529, ["two"])
        with pytest.raises(NotThere, match="'none' does not serve"):
            await engine.messages(call_of(message(), pinned="none"))


async def test_a_model_that_no_target_has_is_told() -> None:
    rows = targets("one", one={"serves": ("claude-haiku-5-5",)})
    async with engine_on(Provider(), upstream={"api_key": "sk-1"}, **rows) as engine:
        assert (await engine.messages(call_of(message()))).status == 200  # the key of [upstream] has it
        assert (await engine.ledger.entries())[0].upstream == "default"
