"""The words of a plan: what is on by default, and what counts as having changed a call."""

from __future__ import annotations

from thriftgate.core.levers import LEVERS
from thriftgate.core.plan import Decision, Forecast, Plan, Policy
from thriftgate.core.prices import Terms
from thriftgate.core.usage import Tokens


def test_only_safe_levers_are_on_by_default() -> None:
    safe = {lever.id for lever in LEVERS if lever.safe}
    assert set(Policy().levers) <= safe
    assert Policy().cost_limit_pico is None


def test_applied_names_the_levers_that_changed_the_call_in_order() -> None:
    nothing = Forecast(Tokens(), 0, 0)
    decisions = (
        Decision("b", "applied", ""),
        Decision("c", "skipped", ""),
        Decision("d", "warned", ""),
        Decision("a", "applied", ""),
        Decision("e", "refused", ""),
    )
    plan = Plan(b"{}", Terms("m", 0), (), decisions, nothing, nothing)
    assert plan.applied() == ("b", "a")
