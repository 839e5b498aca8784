"""How things stand."""

from __future__ import annotations

from thriftgate.telemetry.standings import BudgetStanding


def test_what_is_held_is_gone() -> None:
    assert BudgetStanding("shop", ("team",), 30, 20, 100).share == 0.5
    assert BudgetStanding("shop", ("team",), 0, 0, 0).share == 1.0, "of nothing, all is gone"


def test_what_it_is_on() -> None:
    assert BudgetStanding("", (), 0, 0, 1).on == "all"
    assert BudgetStanding("", ("team", "task"), 0, 0, 1).on == "team+task"
