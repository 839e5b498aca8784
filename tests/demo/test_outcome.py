"""Sums by workload."""

from __future__ import annotations

from tests.cli.entries import entry_of
from thriftgate.demo.outcome import outcomes, summed
from thriftgate.ledger.entries import balanced

ENTRIES = [
    entry_of(id="1", key="a", postings=balanced(10, 4, {"x": 6})),
    entry_of(id="2", key="a", postings=balanced(5, 6, {"x": -2, "y": 1})),
    entry_of(id="3", key="b", postings=balanced(1, 1, {})),
    entry_of(id="4", key="stranger", postings=balanced(100, 1, {"x": 99})),
]


def test_each_workload_has_its_sums_in_order() -> None:
    second, first, none = outcomes(ENTRIES, {"b": "second", "a": "first", "c": "none"})
    assert (second.name, second.calls, second.saved_pico, second.example) == ("second", 1, 0, "3")
    assert (first.calls, first.baseline_pico, first.paid_pico, first.saved_pico) == (2, 15, 10, 5)
    assert (first.levers, first.example) == ({"x": 4, "y": 1}, "1")
    assert (none.calls, none.baseline_pico, none.levers, none.example) == (0, 0, {}, "")


def test_levers_sum_to_what_was_saved() -> None:
    total = summed("total", ENTRIES)
    assert sum(total.levers.values()) == total.saved_pico == total.baseline_pico - total.paid_pico
