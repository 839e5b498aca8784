"""Gross, net and held out, from what the books say."""

from __future__ import annotations

from random import Random

import pytest

from thriftgate.ledger.entries import Report
from thriftgate.ledger.sql_savings import Conversation, OwnCost
from thriftgate.quality.savings import savings_of, units_of

BOOKS = Report(10, 0, 0, baseline_pico=1_000, paid_pico=700, levers={}, by_model=(), by_key=(), by_outcome=())


def one(arm: str, propensity: float, **members: int) -> Conversation:
    values = {"calls": 2, "paid_pico": 60, "baseline_pico": 100} | members
    return Conversation("c", arm, propensity, **values)


def test_what_we_spent_stands_between_gross_and_net() -> None:
    found = savings_of(BOOKS, [OwnCost("cascade", 2, 30), OwnCost("proof", 1, 20)], [])
    assert (found.gross_pico, found.own_pico, found.net_pico) == (350, 50, 300)
    assert found.gross_pico - found.own_pico == found.net_pico == BOOKS.baseline_pico - BOOKS.paid_pico
    assert found.holdout is None


def test_where_nothing_is_spent_they_are_equal() -> None:
    found = savings_of(BOOKS, [], [])
    assert found.gross_pico == found.net_pico == 300


def test_a_hold_out_that_drew_nobody_yet_is_one() -> None:
    found = savings_of(BOOKS, [], [one("", 0.95), one("", 0.95)]).holdout
    assert found is not None
    assert (found.treated, found.holdout, found.saving) == (2, 0, None)


def test_an_experiment_without_a_hold_out_is_none() -> None:
    assert savings_of(BOOKS, [], [one("treatment", 0.5), one("control", 0.5)]).holdout is None


def test_each_conversation_has_the_chance_that_it_was_drawn_with() -> None:
    """The share of the hold-out was raised from 0.1 to 0.5; the sides of an experiment take it from those around them."""
    drawn = [one("treatment", 0.45), one("holdout", 0.1), one("", 0.9), one("control", 0.45), one("holdout", 0.5)]
    units = list(units_of([*drawn, one("treatment", 0.25)]))
    assert [unit.chance for unit in units] == pytest.approx([0.9, 0.9, 0.9, 0.9, 0.5, 0.5])
    assert [unit.arm for unit in units] == ["treated", "holdout", "treated", "treated", "holdout", "treated"]


def test_our_own_calls_cost_the_conversation_but_are_none_of_its_calls() -> None:
    """Treated calls cost 60 of 100; second calls take 10 of that away again."""
    draw, drawn = Random(3), []
    for _ in range(3_000):
        if draw.random() < 0.3:
            drawn.append(one("holdout", 0.3, paid_pico=100))
        else:
            drawn.append(one("", 0.7, own_pico=10))
    held = savings_of(BOOKS, [], drawn).holdout
    assert held is not None
    assert held.sample_ratio_ok
    assert held.gross == pytest.approx(0.4)
    assert held.net == pytest.approx(0.3)
    assert held.saving == pytest.approx(0.3, abs=0.01)  # nothing is known beforehand: not to the last digit
    assert held.calls_shift is not None
    assert held.calls_shift.low <= 0 <= held.calls_shift.high


def test_two_sides_of_a_trial() -> None:
    """The lever under trial halves what a conversation costs; it was drawn for two of three."""
    draw, drawn = Random(4), [one("holdout", 0.1), one("", 0.9)]
    for _ in range(1_500):
        treated = draw.random() < 2 / 3
        side = one("treatment", 0.6, paid_pico=50) if treated else one("control", 0.3, paid_pico=100)
        drawn.append(side)
    found = savings_of(BOOKS, [], drawn).trial
    assert found is not None
    assert found.saving == pytest.approx(0.5, abs=0.02)
    assert found.sample_ratio_ok
    assert found.treated + found.holdout == 1_500
    assert savings_of(BOOKS, [], [one("control", 0.5)]).trial is None
