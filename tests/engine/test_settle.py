"""From a reading to an entry: what is free, what is estimated, what is priced under which terms, what is learned."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fixtures import MODEL, TestClock, call_of, engine_on, message, only_entry, simulator
from tests.scripted import MESSAGE, Provider, Say
from thriftgate.core.errors import PolicyRefusal
from thriftgate.core.plan import Policy
from thriftgate.core.planner import make_plan
from thriftgate.core.usage import Tokens, Usage
from thriftgate.engine.settle import TOKENS_MAX, Ending, Prepared, entry_for
from thriftgate.engine.snapshot import Knowledge
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry
from thriftgate.pricing.load import load_book, load_models
from thriftgate.simulator import SimClock
from thriftgate.simulator.clock import parse_moment
from thriftgate.wire import DIALECTS
from thriftgate.wire.meter import Reading
from thriftgate.wire.usage import ApiUsage, ServerToolUse

LONG = message(system="word " * 6000)
NOVEMBER_S = SimClock.frozen()()
BOOK, MODELS = load_book(), load_models()


def knowledge() -> Knowledge:
    return Knowledge(BOOK, MODELS)


def prepared(known: Knowledge, body: dict[str, Any] | None = None, *, now_s: float = NOVEMBER_S) -> Prepared:
    request = DIALECTS[0].parse(msgspec.json.encode(body or message()))
    snapshot = known.snapshot(request, "key_a", now_s)
    plan = make_plan(request, snapshot.state, Policy())
    return Prepared("tg_1", int(now_s * 1e6), "key_a", request, snapshot, plan, DIALECTS[0])


def booked(reading: Reading | None, *, outcome: Any = "answered", body: dict[str, Any] | None = None) -> Entry:
    known = knowledge()
    return entry_for(prepared(known, body), Ending(outcome, 200, reading), "anthropic", 1, known)


def usage(**counts: Any) -> ApiUsage:
    return ApiUsage(**{"input_tokens": 10, "output_tokens": 5} | counts)


def test_an_exact_reading_is_priced_by_hand() -> None:
    entry = booked(Reading(complete=True, usage=usage(cache_read_input_tokens=1000), model=MODEL))
    # Opus 4.8: $5 input, $0.50 read, $25 output per million
    assert -entry.posted(UPSTREAM) == 10 * 5_000_000 + 1000 * 500_000 + 5 * 25_000_000
    assert (entry.usage_source, entry.resolution, entry.balance()) == ("exact", "post", 0)


@pytest.mark.parametrize(
    ("reported", "mode", "geo"),
    [
        (usage(), "standard", "global"),
        (usage(service_tier="batch"), "batch", "global"),
        (usage(inference_geo="us"), "standard", "us"),
        (usage(inference_geo="not_available"), "standard", "not_available"),
        (usage(service_tier="priority"), "standard", "global"),
    ],
)
def test_the_terms_are_those_the_answer_reports(reported: ApiUsage, mode: str, geo: str) -> None:
    entry = booked(Reading(complete=True, usage=reported, model=MODEL))
    factor = {"batch": 50, "us": 110}.get(mode if mode == "batch" else geo, 100)
    assert -entry.posted(UPSTREAM) == (10 * 5_000_000 + 5 * 25_000_000) * factor // 100
    assert (entry.mode, entry.geo, entry.note) == (mode, geo, "")


def test_the_model_that_served_is_the_one_that_is_paid() -> None:
    entry = booked(Reading(complete=True, usage=usage(), model="claude-haiku-4-5-20251001"))
    assert (entry.model, entry.served_model) == (MODEL, "claude-haiku-4-5-20251001")
    assert -entry.posted(UPSTREAM) == 10 * 1_000_000 + 5 * 5_000_000


@pytest.mark.parametrize(
    "reading",
    [
        Reading(complete=True, usage=usage(), model="claude-from-the-future"),
        Reading(complete=True, usage=usage(inference_geo="moon"), model=MODEL),
    ],
)
def test_a_price_unknown_at_settlement_is_booked_as_planned_and_loudly(reading: Reading) -> None:
    entry = booked(reading)
    assert -entry.posted(UPSTREAM) == 10 * 5_000_000 + 5 * 25_000_000
    assert "priced as planned: " in entry.note
    assert (entry.usage_source, entry.balance()) == ("exact", 0)


@pytest.mark.parametrize(
    ("category", "output_tokens", "day", "billed"),
    [
        ("cyber", 0, "2026-11-21T12:00:00Z", False),
        (None, 0, "2026-11-21T12:00:00Z", False),
        ("bio", 0, "2026-11-21T12:00:00Z", True),
        ("frontier_llm", 0, "2026-11-21T12:00:00Z", True),
        ("bio", 0, "2026-07-01T00:00:00Z", False),
        ("cyber", 0, "2026-05-01T00:00:00Z", True),
        ("cyber", 1, "2026-11-21T12:00:00Z", True),
    ],
)
def test_refusals_are_billed_by_category_and_date(category: str | None, output_tokens: int, day: str, billed: bool) -> None:
    known = knowledge()
    call = prepared(known, message(model="claude-opus-4-6"), now_s=parse_moment(day))
    told = usage(output_tokens=output_tokens)
    reading = Reading(complete=True, usage=told, model="claude-opus-4-6", stop_reason="refusal", stop_category=category)
    entry = entry_for(call, Ending("answered", 200, reading), "anthropic", 1, known)
    assert (-entry.posted(UPSTREAM) > 0) == billed
    assert (entry.posted(BASELINE) > 0) == billed
    assert (entry.outcome, entry.stop_reason, entry.usage_source) == ("answered", "refusal", "exact")


@pytest.mark.parametrize("category", ["cyber", "bio", "none"])
async def test_refusals_are_booked_as_the_simulator_bills_them(category: str) -> None:
    app = simulator()
    async with engine_on(app) as engine:
        await engine.messages(call_of(message(f"[[sim: refuse={category}]]", model="claude-opus-5-5")))
        entry = await only_entry(engine)
    (call,) = app.bill.calls
    assert -entry.posted(UPSTREAM) == int(call.cost * 10**12)
    assert (entry.posted(UPSTREAM) != 0) == (category == "bio")


@pytest.mark.parametrize("outcome", ["failed", "unreachable"])
def test_what_was_not_served_costs_nothing(outcome: str) -> None:
    entry = booked(None, outcome=outcome)
    assert (entry.posted(BASELINE), entry.usage_source, entry.resolution) == (0, "none", "void")


def test_what_never_answered_is_estimated_at_its_forecast() -> None:
    entry = booked(None, outcome="timeout")
    assert -entry.posted(UPSTREAM) == entry.forecast_pico > 0
    assert (entry.usage_source, entry.resolution) == ("estimated", "post")


def test_a_broken_off_answer_is_estimated_by_its_length_and_never_over_its_limit() -> None:
    cut = Reading(complete=False, usage=usage(output_tokens=1), model=MODEL, output_bytes=300)
    assert booked(cut, outcome="cut").usage.total.output == 100
    assert booked(cut, outcome="cut", body=message(max_tokens=60)).usage.total.output == 60
    assert booked(msgspec.structs.replace(cut, output_bytes=0), outcome="cut").usage.total.output == 1
    assert booked(cut, outcome="cut").usage.total.input == 10


def test_an_answer_that_was_ended_early_is_estimated_by_what_had_come() -> None:
    told = usage(output_tokens=2)
    left = Reading(complete=False, usage=told, model=MODEL, output_bytes=999, stopped_early=True, received_tokens=40)
    assert booked(left).usage == Usage(Tokens(input=10, output=40))
    assert booked(left).usage_source == "estimated"
    thought = msgspec.structs.replace(left, received_thinking=30)
    assert booked(thought).usage.total.thinking == 30
    assert booked(thought, body=message(max_tokens=20)).usage.total == Tokens(input=10, output=20, thinking=20)
    assert booked(msgspec.structs.replace(left, received_tokens=1)).usage.total.output == 2  # told at its beginning
    unread = msgspec.structs.replace(left, usage=None)
    assert booked(unread).usage.total.input == booked(None, outcome="timeout").usage.total.input


def test_searches_made_before_the_break_are_paid_too() -> None:
    told = usage(server_tool_use=ServerToolUse(web_search_requests=2))
    entry = booked(Reading(complete=False, usage=told, model=MODEL), outcome="cut")
    assert entry.usage.web_searches == 2
    assert -entry.posted(UPSTREAM) >= 2 * 10**10


COUNTS = st.integers(0, 2**40) | st.none()


@given(
    st.builds(
        ApiUsage,
        input_tokens=COUNTS,
        output_tokens=COUNTS,
        cache_creation_input_tokens=COUNTS,
        cache_read_input_tokens=COUNTS,
        service_tier=st.sampled_from([None, "standard", "batch", "priority", "new"]),
        inference_geo=st.sampled_from([None, "us", "global", "not_available", "new"]),
        speed=st.sampled_from([None, "fast", "standard", "new"]),
        server_tool_use=st.builds(ServerToolUse, web_search_requests=COUNTS) | st.none(),
    ),
    st.booleans(),
    st.sampled_from(["answered", "cut", "left", "garbage", "timeout"]),
    st.sampled_from(["", MODEL, "claude-haiku-5-5", "claude-nobody"]),
)
def test_whatever_usage_is_told_there_is_an_entry_that_balances(
    told: ApiUsage, complete: bool, outcome: str, model: str
) -> None:
    entry = booked(Reading(complete=complete, usage=told, model=model, output_bytes=50), outcome=outcome)
    assert entry.balance() == 0
    assert 0 <= -entry.posted(UPSTREAM) < 2**63
    sane = sum((told.input_tokens or 0, told.output_tokens or 0)) <= TOKENS_MAX
    assert entry.usage_source == "estimated" or (complete and sane)


# --- what the cache did not serve ----------------------------------------------------------------------------------------


def test_a_call_that_is_free_missed_nothing() -> None:
    told = usage(input_tokens=6_000, output_tokens=0)
    reading = Reading(complete=True, usage=told, model=MODEL, stop_reason="refusal", stop_category="cyber")
    assert booked(reading, body=LONG).miss is None
    assert booked(msgspec.structs.replace(reading, stop_reason="end_turn"), body=LONG).miss is not None


def test_a_call_that_cannot_be_explained_is_booked_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("thriftgate.engine.settle.classify", fails)
    entry = booked(Reading(complete=True, usage=usage(), model=MODEL), body=LONG)
    assert (entry.miss, entry.usage_source, entry.balance()) == (None, "exact", 0)
    assert entry.posted(UPSTREAM) < 0


async def test_what_was_forecast_is_booked() -> None:
    marked = message(system=[{"type": "text", "text": "word " * 6000, "cache_control": {"type": "ephemeral"}}])
    async with engine_on(simulator(), policy={"levers": []}) as engine:
        for _ in range(2):
            await engine.messages(call_of(marked))
        first, second = await engine.ledger.entries()
    assert (first.read_expected_tokens, second.write_expected_tokens) == (0, 0)
    assert first.write_expected_tokens == pytest.approx(first.usage.total.write_5m, rel=0.3)
    assert second.read_expected_tokens == pytest.approx(second.usage.total.read, rel=0.01)
    assert (first.miss.cause if first.miss is not None else None, second.miss) == ("cold", None)


# --- what is learned ---------------------------------------------------------------------------------------------------


async def test_the_length_of_the_answer_is_learned() -> None:
    async with engine_on(simulator()) as engine:
        await engine.messages(call_of(message("[[sim: out=123]]")))
        key = (await only_entry(engine)).key
        assert engine.knowledge.memory.expected_output(key, MODEL, 1000) == 123


async def test_the_forecast_of_a_repeated_call_is_close() -> None:
    app = simulator()
    async with engine_on(app) as engine:
        for _ in range(3):
            await engine.messages(call_of(LONG))
        entries = await engine.ledger.entries()
    assert entries[2].forecast_pico == pytest.approx(-entries[2].posted(UPSTREAM), rel=0.01)


async def test_a_cache_that_was_evicted_early_is_no_longer_counted_on() -> None:
    app = simulator()
    async with engine_on(app) as engine:
        for _ in range(2):
            await engine.messages(call_of(LONG))
        app.service.cache.clear()
        for _ in range(2):
            await engine.messages(call_of(LONG))
        entries = await engine.ledger.entries()
    missed, after = entries[2], entries[3]
    assert missed.forecast_pico < -missed.posted(UPSTREAM)  # a read was expected, a write was billed
    assert missed.usage.total.read == 0
    assert after.usage.total.read > 0
    assert after.forecast_pico == pytest.approx(-after.posted(UPSTREAM), rel=0.01)


async def test_a_provider_that_caches_nothing_is_not_counted_on() -> None:
    body = msgspec.json.encode(msgspec.json.decode(MESSAGE) | {"usage": {"input_tokens": 6000, "output_tokens": 5}})
    async with engine_on(Provider(Say([body]))) as engine:
        for _ in range(3):
            await engine.messages(call_of(LONG))
        assert len(engine.knowledge.memory._residency) == 0
        entries = await engine.ledger.entries()
    assert all(entry.posted(UPSTREAM) == entries[0].posted(UPSTREAM) for entry in entries)


async def test_a_prefix_that_lapsed_is_marked_for_an_hour() -> None:
    clock = TestClock()
    app = simulator(clock=clock.time)
    async with engine_on(app, clock=clock) as engine:
        for gap_s in (0, 600, 600, 600):
            clock.advance(gap_s)
            await engine.messages(call_of(LONG))
        entries = await engine.ledger.entries()
    tokens = [entry.usage.total for entry in entries]
    assert tokens[0].write_5m > 5000
    assert tokens[1].write_1h > 5000  # it came back after ten minutes
    assert [one.read > 5000 for one in tokens] == [False, False, True, True]
    assert [-entry.posted(UPSTREAM) for entry in entries] == [int(call.cost * 10**12) for call in app.bill.calls]


async def test_a_refused_call_is_no_sighting() -> None:
    async with engine_on(simulator(), policy={"cost_limit_usd": "0.000001"}) as engine:
        for _ in range(2):
            with pytest.raises(PolicyRefusal):
                await engine.messages(call_of(LONG))
        request = DIALECTS[0].parse(call_of(LONG).body)
        snapshot = engine.knowledge.snapshot(request, engine.key_of(call_of(LONG).credential), engine.clock.now_s())
        assert snapshot.state.outlook.seen_at is None


async def test_the_books_of_a_client_that_marks_compare_with_its_own_marks() -> None:
    """A conversation with pauses of ten minutes, marked by the client for five: what the ledger calls its baseline is what
    the same client pays without thriftgate."""
    bills: list[int] = []
    baseline = saved = 0
    for mode in ("observe", "ttl-only"):
        clock = TestClock()
        app = simulator(clock=clock.time)
        turns: list[dict[str, Any]] = []
        async with engine_on(app, clock=clock, cache={"mode": mode}) as engine:
            for number in range(14):
                turns.append({"role": "user", "content": [{"type": "text", "text": f"turn {number} " * 120}]})
                sent = [
                    *turns[:-1],
                    {"role": "user", "content": [turns[-1]["content"][0] | {"cache_control": {"type": "ephemeral"}}]},
                ]
                system = [{"type": "text", "text": "rule " * 4_000, "cache_control": {"type": "ephemeral"}}]
                await engine.messages(call_of(message(system=system, messages=sent, max_tokens=5)))
                turns.append({"role": "assistant", "content": "noted"})
                clock.advance(600 if number % 3 == 2 else 60)
            entries = await engine.ledger.entries()
        bills.append(sum(int(call.cost * 10**12) for call in app.bill.calls))
        assert [-entry.posted(UPSTREAM) for entry in entries] == [int(call.cost * 10**12) for call in app.bill.calls]
        baseline = sum(entry.posted(BASELINE) for entry in entries)
        saved = -sum(entry.posted("saved:cache.breakpoints") for entry in entries)
        if mode == "observe":
            assert (baseline, saved) == (bills[0], 0)
    assert bills[1] < bills[0]
    assert baseline == bills[0]
    assert saved == baseline - bills[1]
