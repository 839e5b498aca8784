"""Which calls go into a batch, what is left out of them, what that saves. Opus 4.8: $5 in, $25 out per million tokens."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from tests.core.planning import BOOK, LONG, MODELS, NOW_S, request_of, state_of
from thriftgate.core.attribution import settle
from thriftgate.core.cache import Breakpoint
from thriftgate.core.deadline import Choice
from thriftgate.core.levers.batch_defer import NOT_IN_BATCH, BatchDefer, unfit
from thriftgate.core.models import Capabilities
from thriftgate.core.money import pico_from_usd
from thriftgate.core.plan import Plan, Policy
from thriftgate.core.planner import make_plan
from thriftgate.core.prices import PriceBook, Terms
from thriftgate.core.request import Request
from thriftgate.core.state import Shared, State
from thriftgate.core.usage import Tokens, Usage

LEVER = BatchDefer()
WAITS = Choice(True, NOW_S + 3_600, 0.9, "a batch ends within 60 min 90% of the time")
HASTE = Choice(False, NOW_S - 60, 0.0, "due in 60 s: no time to wait for a batch")


def deferred(request: Request, deferral: Choice | None = WAITS, **members: Any) -> State:
    return replace(state_of(request, **members), deferral=deferral)


def plan_of(request: Request, deferral: Choice | None = WAITS) -> Plan:
    return make_plan(request, deferred(request, deferral, tokens=1_000), Policy((LEVER.id,)), (LEVER,))


# --- acting ---------------------------------------------------------------------------------------------------------------


def test_a_call_that_can_wait_costs_half() -> None:
    plan = plan_of(request_of())
    assert plan.terms.mode == "batch"
    assert plan.forecast.pico * 2 == plan.baseline.pico
    assert plan.forecast.worst_pico * 2 == plan.baseline.worst_pico
    assert plan.decisions[0].forecast_pico == plan.baseline.pico - plan.forecast.pico
    assert (plan.decisions[0].decision, plan.decisions[0].reason) == ("applied", WAITS.reason)


def test_without_a_stream_nothing_is_touched() -> None:
    request = request_of()
    assert plan_of(request).body is request.body


@pytest.mark.parametrize("stream", ["true", "false", "null"])
@pytest.mark.parametrize("body", ['{"stream" : %s, "REST"}', '{"REST" ,"stream":%s }', '{"x":[1.0e2], "stream":%s,"REST"}'])
def test_stream_is_left_out_and_nothing_else(body: str, stream: str) -> None:
    rest = '"model":"claude-opus-4-8","max_tokens":9,"messages":[{"role":"user","content":"h\\u00e9"}]'
    request = request_of((body % stream).replace('"REST"', rest).encode())
    plan = plan_of(request)
    before, after = json.loads(request.body), json.loads(plan.body)
    del before["stream"]
    assert after == before
    assert rest.encode() in plan.body


def test_the_body_of_a_stream_that_cannot_wait_is_the_clients_own() -> None:
    request = request_of(stream=True)
    assert plan_of(request, HASTE).body is request.body
    assert plan_of(request, None).body is request.body


# --- standing aside -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("deferral", "reason"), [(None, "the caller has named no deadline"), (HASTE, HASTE.reason)])
def test_it_asks_no_one_to_wait_who_has_not_said_so(deferral: Choice | None, reason: str) -> None:
    plan = plan_of(request_of(), deferral)
    assert (plan.applied(), plan.decisions[0].reason, plan.terms.mode) == ((), reason, "standard")


@pytest.mark.parametrize("name", NOT_IN_BATCH)
@pytest.mark.parametrize("value", [None, False, True, "active", "fast", 1, [], {"a": 1}])
def test_members_that_no_batch_takes(name: str, value: Any) -> None:
    """Null and false are as good as none; what else they may be is not ours to know."""
    if name == "speed" and not (value is None or isinstance(value, str)):
        return  # no request at all
    request = request_of({"model": "claude-opus-4-8", "max_tokens": 9, "messages": [], name: value})
    fits = value is None or value is False
    assert unfit(request) == ("" if fits else f"{name} is not possible in a batch")
    assert bool(plan_of(request).applied()) is fits


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"max_tokens": 0}, "max_tokens: 0 (pre-warming) is not possible in a batch"),
    (
        {"thread": {"type": "continue", "previous_message_id": "msg_1"}},
        "a conversation held by the provider cannot be batched",
    ),
]


@pytest.mark.parametrize(("members", "reason"), UNFIT)
def test_calls_that_no_batch_takes(members: dict[str, Any], reason: str) -> None:
    request = request_of(**members)
    assert unfit(request) == reason
    assert plan_of(request).decisions[0].reason == reason


FIT: list[dict[str, Any]] = [
    {"stream": True},
    {"thinking": {"type": "adaptive"}},
    {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    {"output_config": {"effort": "low"}},
    {"inference_geo": "us"},
    {"cache_control": {"type": "ephemeral"}},
    {"thread": None},
]


@pytest.mark.parametrize("members", FIT, ids=lambda one: next(iter(one)))
def test_calls_that_a_batch_takes(members: dict[str, Any]) -> None:
    assert unfit(request_of(**members)) == ""
    assert plan_of(request_of(**members)).terms.mode == "batch"


def of_model(capability: Capabilities) -> Plan:
    request = request_of()
    state = replace(deferred(request, tokens=1_000), capability=capability)
    return make_plan(request, state, Policy((LEVER.id,)), (LEVER,))


def test_a_model_that_cannot_be_batched() -> None:
    assert of_model(replace(MODELS["claude-opus-4-8"], batch=False)).decisions[0].reason == (
        "claude-opus-4-8 cannot be batched"
    )


def test_a_model_without_a_batch_price_fails_open() -> None:
    """An unknown price is never guessed: the call goes out as it came."""
    request = request_of()
    book = PriceBook(BOOK.id, tuple(row for row in BOOK.rows if row.mode != "batch"))
    plan = make_plan(request, replace(deferred(request, tokens=1_000), book=book), Policy((LEVER.id,)), (LEVER,))
    assert (plan.terms.mode, plan.applied()) == ("standard", ())
    assert plan.decisions[0].reason.startswith("failed with UnknownPrice")


# --- beside other levers --------------------------------------------------------------------------------------------------


def test_a_batch_writes_the_prefix_at_half_price_too() -> None:
    request = request_of(system=LONG, stream=True)
    state = replace(deferred(request, tokens=2_000), shared=Shared(0, "1h", "40 jobs share it"))
    plan = make_plan(request, state, Policy())
    assert (plan.applied(), plan.breakpoints) == (("cache.breakpoints", "batch.defer"), (Breakpoint(0, "1h"),))
    body = json.loads(plan.body)
    assert "stream" not in body
    assert body["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    # 2,000 written for an hour at $10, 2,000 plain at $5, 50 out at $25; half of all that
    assert plan.forecast.pico == pico_from_usd("0.03125") // 2


@pytest.mark.parametrize("stream", [True, False])
def test_a_limit_that_only_the_cache_write_breaks_costs_no_more_than_the_write(stream: bool) -> None:
    """4,000 tokens in and 100 out in a batch: $0.01125 at most; with the prefix written for an hour $0.02125."""
    request = request_of(system=LONG, stream=stream)
    state = replace(deferred(request, tokens=2_000), shared=Shared(0, "1h", "40 jobs share it"))
    plan = make_plan(request, state, Policy(cost_limit_pico=pico_from_usd("0.015")))
    assert plan.refusal is None
    assert (plan.applied(), plan.terms.mode, plan.breakpoints) == (("batch.defer",), "batch", ())
    over = make_plan(request, state, Policy(cost_limit_pico=pico_from_usd("0.011")))
    assert over.refusal is not None


# --- what it has saved ----------------------------------------------------------------------------------------------------


def test_its_saving_is_the_other_half() -> None:
    usage = Usage(Tokens(1_000, 200, 300, 400, 500, 60), web_searches=2)
    terms = Terms("claude-opus-4-8", 20_700, "batch")
    assert LEVER.undo(usage, terms) == (usage, Terms("claude-opus-4-8", 20_700, "standard"))
    settled = settle(usage, terms, ("batch.defer",), BOOK)
    fees = 2 * pico_from_usd("0.01")
    assert set(settled.saved) == {"batch.defer"}
    assert (settled.baseline - fees) == 2 * (settled.cost.pico - fees)
    assert settled.saved["batch.defer"] == settled.baseline - settled.cost.pico


def test_beside_the_cache_each_has_its_own_saving() -> None:
    """A prefix of 1,000 read in a batch: at standard prices the cache saves nine tenths of it, then the batch half."""
    usage = Usage(Tokens(read=1_000_000))
    settled = settle(usage, Terms("claude-opus-4-8", 20_700, "batch"), ("cache.breakpoints", "batch.defer"), BOOK)
    assert settled.cost.pico == pico_from_usd("0.25")
    assert settled.saved == {"batch.defer": pico_from_usd("0.25"), "cache.breakpoints": pico_from_usd("4.5")}
    assert settled.baseline == pico_from_usd("5")
