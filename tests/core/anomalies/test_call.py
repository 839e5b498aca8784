"""Calls of a minute add up."""

from __future__ import annotations

from math import log

import pytest

from thriftgate.core.anomalies.call import Call, Sums

ONE = Call(1.0, "k", "t", "m", 99, 9, read=75, write=15, plain=10, output=7, run="r")


def test_one_call() -> None:
    sums = Sums()
    sums.take(ONE)
    assert (sums.calls, sums.answered, sums.errors, sums.paced) == (1, 1, 0, 1)
    assert (sums.cost_pico, sums.paced_cost_pico) == (99, 99)
    assert (sums.cost, sums.prompt, sums.output) == (log(100), log(101), log(8))
    assert (sums.rate, sums.rated, sums.runs) == (log(9), 1, ["r"])
    assert sums.uncached == pytest.approx(0.25)


def test_an_error_says_nothing_of_what_an_answer_costs() -> None:
    sums = Sums()
    sums.take(Call(1.0, "k", "t", "m", 0, 9, ended="error"))
    assert (sums.calls, sums.errors, sums.answered, sums.cost) == (1, 1, 0, 0.0)


def test_what_waited_in_a_batch_is_paid_but_has_no_pace() -> None:
    sums = Sums()
    sums.take(Call(1.0, "k", "t", "m", 50, 9, plain=10, queued=True))
    assert (sums.calls, sums.cost_pico, sums.paced, sums.paced_cost_pico) == (1, 50, 0, 0)


def test_sums_of_two_series_are_those_of_all_their_calls() -> None:
    calls = [Call(1.0, "k", "t", "m", number * 7, number, read=number, plain=5, run=str(number)) for number in range(12)]
    left, right, both = Sums(), Sums(), Sums()
    for number, call in enumerate(calls):
        both.take(call)
        (left if number < 5 else right).take(call)
    left.add(right)
    for name in Sums.__struct_fields__:
        one, other = getattr(left, name), getattr(both, name)
        assert one == other == ["0", "1", "2", "3"] if name == "runs" else one == pytest.approx(other)
