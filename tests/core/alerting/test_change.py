"""Out of the ordinary, or not."""

from __future__ import annotations

import pytest

from thriftgate.core.alerting.change import Usual, usual


def test_a_rise_is_beyond_the_factor_and_beyond_the_spread() -> None:
    assert usual([10, 10, 10], 3.0, 0.0) == Usual(10, 30, 3)
    wide = usual([10, 30, 50], 1.5, 0.0)
    assert wide is not None
    assert wide.bound == pytest.approx(30 + 3 * 1.4826 * 20)


def test_one_wild_week_changes_nothing() -> None:
    assert usual([10, 11, 9, 10, 10_000], 3.0, 0.0) == Usual(10, 30, 5)


def test_a_fall() -> None:
    assert usual([0.9, 0.9, 0.9], 0.5, 0.0) == Usual(0.9, 0.45, 3)
    assert usual([0.1, 0.5, 0.9], 0.5, 0.0) is None, "so low a value is nothing unusual"
    assert usual([10, 10, 10], 0.5, 50) is None, "too little to care"


def test_what_cannot_be_judged() -> None:
    assert usual([10, 10], 3.0, 0.0) is None
    assert usual([0, 0, 0], 3.0, 0.0) is None
    assert usual([0, 0, 0], 3.0, 5.0) == Usual(0, 5, 3)
