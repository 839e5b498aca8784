"""What is explained, what is left, and what rounding may hide."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.audit.reconcile.scenes import BOOK, OPUS, call, provider
from thriftgate.audit.reconcile.books import Books, Row
from thriftgate.audit.reconcile.cards import Cards, Change
from thriftgate.audit.reconcile.keys import slot_of
from thriftgate.audit.reconcile.work import CENT, Work, grain_of


def work_of(grain: int = 1, extra: int = 0) -> Work:
    records = [call(1, input=1_000), call(2)]
    books = Books(Cards(BOOK))
    made = provider(records)
    made.charges[next(iter(made.charges))] += extra
    books.take_billed(made.cost_records(grain))
    books.take_ours(records)
    books.close()
    return Work(books)


def test_what_is_explained_is_not_left() -> None:
    work = work_of(extra=5_000_000)
    (key,) = [key for key in work.rows if work.left[key]]
    slot = slot_of(key)
    assert work.is_open(key)
    assert work.open_slots() == [slot]
    work.explain(key, "missing_calls", 4_000_000, "some")
    work.explain(key, "geo", 0, "nothing")
    assert work.left[key] == 1_000_000
    work.explain_rounding(key)
    assert [(one.cause, one.pico) for one in work.findings] == [("missing_calls", 4_000_000), ("rounding", 1_000_000)]
    assert not work.is_open_slot(slot)


def test_rounded_amounts_leave_slack() -> None:
    work = work_of(grain=CENT)
    assert work.grain == CENT
    assert not work.open_slots()
    exact = work_of()
    assert exact.grain == 0
    assert {exact.slack(key) for key in exact.rows} == {0}


@pytest.mark.parametrize(
    ("pairs", "grain"),
    [(((130, 130),), 0), (((130, 125),), 10), (((131, 120),), 0), (((3 * CENT, 7),), CENT), (((0, 0),), 0), ((), 0)],
)
def test_the_grain_of_a_report(pairs: tuple[tuple[int, int], ...], grain: int) -> None:
    rows = []
    for billed, ours in pairs:
        row = Row()
        row.billed, row.ours, row.billed_rows = billed, ours, 1
        rows.append(row)
    assert grain_of(rows) == grain


def test_a_contract_scales_prices() -> None:
    work = work_of()
    slot = next(iter(work.slots))
    assert slot.model == OPUS
    assert work.token_pico(slot, "input") == 4_000_000
    work.scale(Fraction(1, 2), "half", work.rows)
    assert work.token_pico(slot, "input", Change(mode="fast")) == 4_000_000
    key = work.slots[slot]["input"]
    assert work.amount(work.rows[key].cells, slot.day) == work.rows[key].ours // 2
    assert work.left[key] == work.rows[key].ours - work.rows[key].ours // 2
