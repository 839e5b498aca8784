"""The grouped bill against `price_usage`, call by call."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.audit.tables import BOOK, DAY, HAIKU, NOON_US, OLD_HAIKU, OLD_OPUS, OPUS, USD, call, table
from thriftgate.audit import accounts as module
from thriftgate.audit.accounts import Accounts, Sum, account, parts
from thriftgate.audit.findings import Kinds, Money, Unpriced
from thriftgate.audit.moments import DAY_US, micros
from thriftgate.audit.names import resolve
from thriftgate.audit.records import Record
from thriftgate.core.cost import price_usage, refusal_is_billed
from thriftgate.core.errors import UnknownPrice
from thriftgate.core.prices import Terms
from thriftgate.core.usage import Iteration, Tokens, Usage

DAYS = [micros(day) for day in ("2026-03-12", "2026-06-01", "2026-06-02", "2026-09-23", "2026-09-24", "2026-11-10")]
SONNET_LONG = "claude-sonnet-4-20250514"


def priced(*records: Record) -> Accounts:
    with table(records) as calls:
        return account(calls, BOOK)


def one_by_one(record: Record) -> int | None:
    """What one call costs; None where it has no price."""
    named = resolve(record.model, BOOK)
    geo = record.geo if record.geo not in ("", "not_available") else named.geo or "global"
    if geo == "regional" and not any(row.geo == geo and named.model in row.models for row in BOOK.geos):
        geo = "global"
    day = record.at_us // DAY_US
    iterations = tuple(
        Iteration(one.kind, one.tokens, resolve(one.model, BOOK).model if one.model else "") for one in record.iterations
    )
    terms = Terms(named.model, day, record.mode, geo)
    try:
        cost = price_usage(Usage(record.tokens(), record.web_searches, iterations), terms, BOOK).pico
    except UnknownPrice:
        return None
    free = record.stop_reason == "refusal" and not refusal_is_billed(
        record.stop_category, output_tokens=record.output, day=day
    )
    return 0 if free else cost


lengths = st.sampled_from([0, 1, 17, 49_999, 50_000, 50_001, 99_999, 100_000, 100_001, 199_999, 200_000, 200_001])
buckets = st.builds(Tokens, lengths, lengths, st.integers(0, 9), lengths, st.integers(0, 3))
iterations = st.builds(
    Iteration, st.just("message"), buckets, st.sampled_from(["", HAIKU, "us.anthropic." + OPUS, "nobody"])
)
records = st.builds(
    lambda model, mode, geo, day, tokens, unsplit, refusal, steps, more, place: call(
        place[0], at_us=day + place[0], model=model, mode=mode, geo=geo, input=tokens.input, write_5m=tokens.write_5m,
        write_1h=tokens.write_1h, write_unsplit=unsplit, read=tokens.read, output=tokens.output, web_searches=more[0],
        cache_untold=more[1], output_is_floor=more[2], output_high=40, iterations=steps, key=place[1], project=place[2],
        session=place[2], stop_reason="" if refusal is None else "refusal", stop_category=refusal or "",
    ),
    st.sampled_from([OPUS, HAIKU, SONNET_LONG, OLD_OPUS, "us.anthropic.claude-opus-4-5-20251101-v1:0", "claude-nobody-9"]),
    st.sampled_from(["standard", "standard", "batch", "fast"]),
    st.sampled_from(["", "not_available", "global", "us", "regional"]),
    st.sampled_from(DAYS), buckets, lengths, st.sampled_from([None, None, "", "bio", "cyber", "frontier_llm"]),
    st.lists(iterations, max_size=2).map(tuple) | st.just(()),
    st.tuples(st.integers(0, 2), st.booleans(), st.booleans()),
    st.tuples(st.integers(0, 3), st.sampled_from(["", "k1", "k2"]), st.sampled_from(["", "p", "q"])),
)  # fmt: skip


@settings(max_examples=10)
@given(st.lists(records, min_size=1, max_size=40))
def test_groups_cost_what_their_calls_cost(found: list[Record]) -> None:
    done = priced(*found)
    costs = [one_by_one(record) for record in found]
    total = done.total
    assert total.cost.pico == sum(cost for cost in costs if cost is not None)
    assert total.calls == done.calls == sum(cost is not None for cost in costs)
    assert sum(row.calls for row in done.unpriced_rows()) == costs.count(None)
    assert total.cost.low <= total.cost.pico <= total.cost.high
    kinds = msgspec.structs.asdict(total.kinds())
    assert sum(pico for name, pico in kinds.items() if name.endswith("_pico")) == total.cost.pico
    for sums in (done.models, done.keys, done.projects, done.sessions, done.days):
        every = Sum()
        for place in sums.values():
            every.merge(place)
            assert place.cost.low <= place.cost.pico <= place.cost.high
        assert (every.calls, every.cost, every.plain, every.kinds()) == (total.calls, total.cost, total.plain, total.kinds())
    by_key = Counter[str]()
    for record, cost in zip(found, costs, strict=True):
        by_key[record.key] += cost or 0
    assert {key: one.cost.pico for key, one in done.keys.items() if one.cost.pico} == {k: v for k, v in by_key.items() if v}
    assert sum(row.pico for row in done.day_rows()) == total.cost.pico


def test_a_step_is_judged_on_each_call() -> None:
    """Haiku 5.5 costs five times as much above 100,000 prompt tokens: two calls of 60,000 are not one of 120,000."""
    (small,) = [one_by_one(call(model=HAIKU, input=60_000))]
    (large,) = [one_by_one(call(model=HAIKU, input=120_000))]
    assert small is not None
    assert large == 10 * small
    assert priced(call(1, model=HAIKU, input=60_000), call(2, model=HAIKU, input=60_000)).total.cost.pico == 2 * small
    mixed = priced(call(1, model=HAIKU, input=60_000), call(2, model=HAIKU, input=120_000))
    assert mixed.total.cost == Money(11 * small, 11 * small, 11 * small)


def day_sum(**fields: Any) -> Record:
    return call(1, **{"at_us": DAY * DAY_US, "span_us": DAY_US, "calls": 0, "model": HAIKU, **fields})


@pytest.mark.parametrize(
    ("fields", "steps"),
    [  # cost, least and most: 1 below the step, 5 above it
        ({"calls": 5}, (1, 1, 5)),  # 80,000 on average
        ({"calls": 2}, (5, 1, 5)),  # 200,000 on average
        ({"calls": 1}, (5, 5, 5)),
        ({}, (1, 1, 5)),  # nobody says how many
        ({"context_window": "200k-1M"}, (5, 5, 5)),
        ({"context_window": "200k-1M", "calls": 2}, (5, 5, 5)),
        ({"context_window": "0-200k", "calls": 4}, (1, 1, 5)),
        ({"input": 90_000}, (1, 1, 1)),  # no call can have been longer than their sum
        ({"model": OPUS}, (1, 1, 1)),  # no step
    ],
)
def test_sums_of_a_day_are_priced_as_told(fields: dict[str, Any], steps: tuple[int, int, int]) -> None:
    record = day_sum(**{"input": 400_000, **fields})
    below = one_by_one(call(model=record.model, input=1_000))
    assert below is not None
    unit = below * record.input // 1_000
    done = priced(record)
    assert done.total.cost == Money(*(unit * step for step in steps))
    assert done.calls == fields.get("calls", 0)
    assert done.total.kinds().input == record.input


def test_a_sum_beside_sums_does_not_change_their_price() -> None:
    alone = priced(day_sum(input=400_000, calls=5)).total.cost.pico
    both = priced(day_sum(input=400_000, calls=5), msgspec.structs.replace(day_sum(input=300_000, calls=1), position=2))
    single = priced(day_sum(input=300_000, calls=1)).total.cost.pico
    assert both.total.cost.pico == alone + single


def test_unknown_models_are_in_no_sum() -> None:
    done = priced(call(1, model="claude-nobody-9", input=10, output=5, session="s"), call(2, input=10), call(3, geo="mars"))
    assert done.calls == done.total.calls == 1
    assert list(done.models) == [OPUS]
    assert done.sessions.keys() == {""}
    first, second = done.unpriced_rows()
    assert (first.model, first.calls, first.tokens) == ("claude-nobody-9", 1, 15)
    assert "no price for model 'claude-nobody-9'" in first.reason
    assert second == Unpriced(OPUS, 1, 0, second.reason)
    assert "inference_geo 'mars'" in second.reason


def test_regions_cost_more_only_where_the_book_says_so() -> None:
    base = priced(call(input=1_000)).total.cost.pico
    assert priced(call(input=1_000, geo="regional")).total.cost.pico * 10 == base * 11
    assert priced(call(input=1_000, model=f"us.anthropic.{OPUS}")).total.cost.pico * 10 == base * 11
    retired = "claude-3-haiku-20240307"
    plain = priced(call(input=1_000, model=retired)).total.cost
    assert plain.pico > 0
    assert priced(call(input=1_000, model=retired, geo="regional")).total.cost == plain


def test_the_error_bar_of_what_is_not_told() -> None:
    mtok = 1_000_000
    rates = BOOK.rates(Terms(OPUS, DAY), 1)
    unsplit = priced(call(write_unsplit=mtok)).total.cost
    assert unsplit == Money(rates.write_5m, rates.write_5m, rates.write_1h)
    assert priced(call(input=mtok, cache_untold=True)).total.cost == Money(rates.input, rates.read, rates.write_1h)
    floor = call(output=mtok, output_is_floor=True, output_high=3 * mtok)
    assert priced(floor).total.cost == Money(rates.output, rates.output, 3 * rates.output)
    whole = msgspec.structs.replace(floor, output_is_floor=False)
    assert priced(whole).total.cost == Money(rates.output, rates.output, rates.output)


def test_the_same_without_caching() -> None:
    cached = priced(call(input=10, write_5m=100, write_1h=200, read=9_000, output=7, web_searches=2))
    plain = priced(call(input=9_310, output=7, web_searches=2))
    assert cached.total.plain == plain.total.plain == plain.total.cost.pico
    assert plain.total.kinds().fees_pico == 2 * BOOK.web_search_pico


def test_iterations_are_the_bill() -> None:
    steps = (Iteration("compaction", Tokens(180_000, output=3_500)), Iteration("message", Tokens(23_000, output=1_000)))
    told = call(model="claude-opus-5", input=23_000, output=1_000, iterations=steps)
    assert priced(told).total.cost.pico == 1_127_500_000_000 == one_by_one(told)
    kinds = priced(told).total.kinds()
    assert (kinds.input, kinds.output) == (203_000, 4_500)
    advised = (Iteration("message", Tokens(1_000_000), "claude-opus-5[1m]"), Iteration("advisor_message", Tokens(7), OPUS))
    spelled = msgspec.structs.replace(told, model="claude-opus-5[1m]", iterations=advised)
    seven = one_by_one(call(input=7))
    assert seven is not None
    assert priced(spelled).total.cost.pico == one_by_one(spelled) == 5 * USD + seven


def test_charges_count_as_they_are() -> None:
    row = {"at_us": DAY * DAY_US, "span_us": DAY_US, "calls": 0}
    done = priced(
        call(1, bill_pico=7, token_type="read", input=10**9, **row),
        call(2, bill_pico=11, token_type="code_execution", model="", **row),
        call(3, bill_pico=-3, token_type="output", model="claude-nobody-9", **row),
    )
    assert done.total.cost == Money(15, 15, 15)
    assert done.total.kinds() == Kinds(read_pico=7, output_pico=-3, fees_pico=11)
    assert {model: one.cost.pico for model, one in done.models.items()} == {OPUS: 7, "": 11, "claude-nobody-9": -3}
    assert [(row.model, row.day, row.pico) for row in done.day_rows()] == [
        ("", DAY, 11), ("claude-nobody-9", DAY, -3), (OPUS, DAY, 7),
    ]  # fmt: skip
    assert not done.unpriced_rows()


def test_the_dearest_come_first() -> None:
    done = priced(*(call(at, input=at, session=f"s{at}" if at else "") for at in range(6)))
    assert [part.name for part in parts(done.sessions, top=3)] == ["s5", "s4", "s3"]
    assert [part.name for part in parts(done.sessions, unnamed="(none)")][-1] == "(none)"
    assert [part.cost.pico for part in parts(done.keys, unnamed="all")] == [done.total.cost.pico]
    assert parts(done.keys) == ()
    assert done.session_count() == 5


def test_of_many_sessions_only_the_dearest_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SESSIONS_KEPT", 5)  # the unnamed one and the current one among them
    found = [call(at, input=1 + at * 37 % 101, session=f"s{at % 50}" if at % 7 else "") for at in range(400)]
    by_session = Counter[str]()
    for record in found:
        by_session[record.session] += one_by_one(record) or 0
    with table(found) as calls:
        done = account(calls, BOOK)
    assert len(done.sessions) <= 10
    assert done.session_count() == len(by_session) - 1
    del by_session[""]
    dearest = [(part.name, part.cost.pico) for part in parts(done.sessions, top=3)]
    assert dearest == sorted(by_session.items(), key=lambda pair: (-pair[1], pair[0]))[:3]
    every = Sum()
    for one in (*done.sessions.values(), done.other_sessions):
        every.merge(one)
    assert (every.calls, every.cost, every.kinds()) == (done.total.calls, done.total.cost, done.total.kinds())


def test_old_haiku_has_no_step() -> None:
    small, large = (priced(call(model=OLD_HAIKU, input=n, at_us=NOON_US)).total.cost.pico for n in (1_000, 150_000))
    assert large == 150 * small
