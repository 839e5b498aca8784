"""The tests of price, one by one."""

from __future__ import annotations

from collections.abc import Iterable

from tests.audit.reconcile.scenes import BOOK, HAIKU, Bill, Fault, billed_under, call, honest, provider
from thriftgate.audit.reconcile.books import Books, Cells
from thriftgate.audit.reconcile.cards import Cards, Change
from thriftgate.audit.reconcile.terms import cells_under, mixed, moved, off_by, other, spare
from thriftgate.audit.reconcile.work import Work
from thriftgate.audit.records import Record


def work_of(
    ours: list[Record], fault: Fault = honest, billed: Iterable[Record] | None = None, *, usage: bool = False
) -> Work:
    books = Books(Cards(BOOK))
    made = provider(ours if billed is None else billed, fault)
    books.take_billed(made.cost_records())
    books.take_reported(made.usage_records() if usage else ())
    books.take_ours(ours)
    books.close()
    return Work(books)


def everything(_: Record) -> bool:
    return True


def own_cells(work: Work) -> dict[str, Cells]:
    (slot,) = work.slots
    return {name: work.rows[key].cells for name, key in work.slots[slot].items()}


def test_other_terms_must_fit_every_row() -> None:
    ours = [call(1), call(2)]
    work = work_of(ours, billed_under(everything, mode="fast"))
    (slot,) = work.slots
    names = ("output", "read")
    for name in names:
        work.rows[work.slots[slot][name]].billed += 1
    assert not other(work, slot)
    for name in names:
        work.rows[work.slots[slot][name]].billed -= 1
    assert other(work, slot)
    assert {one.cause for one in work.findings} == {"fast"}
    assert not any(work.left.values())


def test_one_row_may_hold_something_else_besides() -> None:
    ours = [call(1), call(2)]
    work = work_of(ours, billed_under(everything, mode="fast"))
    (slot,) = work.slots
    key = work.slots[slot]["output"]
    work.rows[key].billed += 77
    work.left[key] += 77
    assert other(work, slot)
    assert {one.cause for one in work.findings} == {"fast"}
    assert {one: pico for one, pico in work.left.items() if pico} == {key: 77}
    assert spare(work, list(work.rows)) == []


def test_other_terms_must_fit_the_usage_report() -> None:
    doubled = [call(1), call(1, position=2)]
    for usage in (False, True):
        work = work_of(doubled[:1], billed=doubled, usage=usage)
        assert other(work, next(iter(work.slots))) is not usage


def test_by_how_much_a_price_is_off() -> None:
    work = work_of([call(1)], billed_under(everything, geo="us"))
    (slot,) = work.slots
    cells = {key: work.rows[key].cells for key in work.slots[slot].values()}
    assert off_by(work, cells, Change(geo="us")) == 0
    assert off_by(work, cells, Change()) is None
    assert off_by(work, cells, Change(mode="fast", geo="nowhere")) is None


def test_tokens_that_move_must_balance() -> None:
    ours = [call(1), call(2)]
    fault = billed_under(lambda one: one.position == 1, label=True, geo="us")
    work = work_of(ours, fault)
    assert moved(work, work.open_slots())
    assert {one.cause for one in work.findings} == {"geo"}
    assert not any(work.left.values())
    lost = work_of(ours, fault, billed=[call(1, output=1), call(2)])
    assert not moved(lost, lost.open_slots())
    assert lost.findings == []


def test_tokens_that_move_to_two_places() -> None:
    first = billed_under(lambda one: one.position == 1, label=True, geo="us")
    second = billed_under(lambda one: one.position == 2, label=True, mode="batch", geo="us")

    def fault(record: Record, bill: Bill) -> Bill:
        return second(record, first(record, bill))

    work = work_of([call(1), call(2), call(3)], fault)
    assert moved(work, work.open_slots())
    assert {one.cause for one in work.findings} == {"geo", "batch"}
    assert not any(work.left.values())


def test_a_mixture_is_a_whole_number_of_tokens_in_range() -> None:
    ours = [call(number, model=HAIKU, read=40_000) for number in range(1, 4)]
    fault = billed_under(lambda one: one.position == 2, prompt=200_000)
    work = work_of(ours, fault)
    (slot,) = work.slots
    work.rows[work.slots[slot]["output"]].billed += 1
    assert not mixed(work, slot, own_cells(work), tokens_known=True)
    work = work_of(ours, fault)
    assert mixed(work, slot, own_cells(work), tokens_known=False)
    assert {one.cause for one in work.findings} == {"long_context"}
    more = work_of(ours, billed_under(everything, prompt=200_000), billed=[*ours, call(9, model=HAIKU)])
    assert not mixed(more, slot, own_cells(more), tokens_known=True)


def test_without_known_tokens_more_of_everything_is_no_mixture() -> None:
    ours = [call(1), call(2)]
    fault = billed_under(lambda one: one.position == 1, mode="fast")
    work = work_of(ours, fault)
    (slot,) = work.slots
    assert not mixed(work, slot, own_cells(work), tokens_known=False)
    assert mixed(work, slot, own_cells(work), tokens_known=True)


def test_refusals_counted_the_other_way() -> None:
    work = work_of([call(1), call(2, stop_reason="refusal", stop_category="cyber", output=0)])
    (slot,) = work.slots
    row = work.rows[work.slots[slot]["input"]]
    (refused,) = row.refused
    assert cells_under(row, frozenset({refused})).total() == row.tokens + row.uncounted
    assert cells_under(row, frozenset()) == row.cells
