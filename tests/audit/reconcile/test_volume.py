"""The tests of volume, one by one."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.audit.reconcile.scenes import billed_under, call
from tests.audit.reconcile.test_terms import everything, work_of
from thriftgate.audit.reconcile.volume import by_report, estimated, fees, missing, reported_price, untold
from thriftgate.audit.reconcile.work import Work
from thriftgate.audit.records import Record


def causes(work: Work) -> dict[str, int]:
    """What is found, by cause (pico-USD)."""
    found: dict[str, int] = {}
    for one in work.findings:
        found[one.cause] = found.get(one.cause, 0) + one.pico
    return found


@pytest.mark.parametrize(
    ("real", "fits"),
    [
        ({"output": 4_000}, True),  # up to its limit
        ({"output": 4_001}, False),
        ({"read": 0, "input": 10_003}, True),  # the whole prompt, not cached
        ({"read": 0, "input": 10_004}, False),
    ],
)
def test_estimates_explain_what_lies_in_their_range(real: dict[str, int], fits: bool) -> None:
    counts: dict[str, Any] = {"input": 1_001, "read": 9_002, "write_5m": 0, "write_1h": 0, "output": 503}
    ours = call(1, **counts, max_tokens=4_000, estimated=True)
    work = work_of([ours], billed=[replace(ours, **real)])
    (slot,) = work.slots
    assert estimated(work, slot) is fits
    assert causes(work) == (
        {"disconnect_estimates": sum(row.billed - row.ours for row in work.rows.values())} if fits else {}
    )


def test_without_estimates_there_is_no_range() -> None:
    work = work_of([call(1)], billed=[call(1, output=1)])
    assert not estimated(work, next(iter(work.slots)))


@pytest.mark.parametrize(("real", "fits"), [((0, 500), True), ((500, 0), True), ((0, 501), False), ((0, 0), False)])
def test_writes_of_untold_life(real: tuple[int, int], fits: bool) -> None:
    ours = call(1, write_5m=0, write_1h=0, write_unsplit=500)
    work = work_of([ours], billed=[call(1, write_5m=real[0], write_1h=real[1])])
    slot = next(iter(work.slots))
    assert untold(work, slot) is fits or not work.is_open_slot(slot)
    assert set(causes(work)) <= {"cache_untold"}
    assert any(work.is_open(key) for key in work.rows) is not fits


def test_the_usage_report_tells_calls_from_prices() -> None:
    ours = [call(1), call(2)]
    work = work_of(ours[:1], billed_under(everything, geo="us"), billed=ours, usage=True)
    (slot,) = work.slots
    assert by_report(work, slot)
    second = work_of(ours[1:]).rows.values()
    assert causes(work)["missing_calls"] == sum(row.ours for row in second)
    assert set(causes(work)) == {"missing_calls", "geo"}
    assert not any(work.left.values())
    assert not by_report(work_of(ours), slot)


def lacking(ours: list[Record], billed: list[Record]) -> Work:
    work = work_of(ours, billed=billed)
    for slot in work.open_slots():
        missing(work, slot)
    return work


def test_calls_that_one_side_has() -> None:
    both = [call(1), call(2)]
    work = lacking(both[:1], both)
    assert set(causes(work)) == {"missing_calls"}
    assert "only a usage report" in work.findings[0].evidence
    assert set(causes(lacking(both, both[:1]))) == {"extra"}
    strange = call(3, model="claude-sonnet-4-6")
    nothing = lacking(both, [*both, strange])
    assert "nothing of this kind at all" in nothing.findings[0].evidence


def test_one_kind_of_token_alone_is_no_call() -> None:
    assert causes(lacking([call(1)], [call(1, output=9_999)])) == {}
    assert causes(lacking([call(1, output=10, input=500)], [call(1, output=20, input=400)])) == {}


def test_fees() -> None:
    work = work_of([call(1)], billed=[call(1, web_searches=3)])
    key = next(key for key in work.rows if key.kind == "web_search")
    fees(work, key)
    assert causes(work) == {"web_search": 3 * 10**10}
    odd = work_of([call(1)], billed=[call(1, web_searches=3)])
    odd.left[key] += 5
    fees(odd, key)
    assert causes(odd) == {}


def test_unit_prices_in_words() -> None:
    work = work_of([call(1)], billed_under(everything, geo="us"))
    (slot,) = work.slots
    assert reported_price(work, work.slots[slot]["output"]) == "$22 a million tokens, ours $20"
    searches = work_of([call(1, web_searches=1)])
    assert reported_price(searches, next(key for key in searches.rows if key.kind == "web_search")) == ""
