"""What keys have spent today."""

from __future__ import annotations

import msgspec
import pytest

from thriftgate.engine.spending import Spending

NOON_S = 20_000 * 86_400.0 + 43_200.0


def test_it_adds_up_over_the_day_and_begins_anew_the_next() -> None:
    spending = Spending()
    assert spending.of("a", NOON_S) == 0
    spending.add("a", 5, NOON_S)
    spending.add("a", 7, NOON_S + 43_199)
    spending.add("b", 1, NOON_S)
    assert (spending.of("a", NOON_S + 43_199), spending.of("b", NOON_S)) == (12, 1)
    assert spending.of("a", NOON_S + 43_200) == 0
    spending.add("a", 2, NOON_S + 43_200)
    assert spending.of("a", NOON_S + 43_201) == 2


def test_it_is_kept() -> None:
    spending, again = Spending(), Spending()
    spending.add("a", 5, NOON_S)
    spending.add("b", 6, NOON_S)
    again.restore(spending.kept())
    assert (again.of("a", NOON_S), again.of("b", NOON_S)) == (5, 6)
    with pytest.raises(msgspec.MsgspecError):
        again.restore(b"\xc1")
