"""The choice of a model in the plan: forecast, worst case, limits, and what the levers say of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.core.planning import MODEL, request_of, state_of
from thriftgate.core.levers.route_cascade import RouteCascade
from thriftgate.core.levers.route_learned import RouteLearned
from thriftgate.core.levers.route_rules import RouteRules
from thriftgate.core.money import pico_from_usd
from thriftgate.core.plan import Plan, Policy
from thriftgate.core.planner import make_plan
from thriftgate.core.rewrite import Rewritten
from thriftgate.core.routed import Routed
from thriftgate.core.routing.choice import Asked, Choice, Route

LEVERS = (RouteRules, RouteLearned, RouteCascade)
POLICY = Policy(("route.rules", "route.learned", "route.cascade", "cache.breakpoints", "count.guard"))
SERVED = "claude-haiku-4-5"


def choice_of(lever: str = "route.rules", **members: Any) -> Choice:
    return Choice(**{"lever": lever, "asked": MODEL, "served": SERVED, "reason": "rule 'a'"} | members)


def planned(route: Route | None, policy: Policy = POLICY, *, model: str = SERVED, **members: Any) -> Plan:
    request = request_of(model=model)
    return make_plan(request, replace(state_of(request, tokens=1_000, output_tokens=100), route=route), policy, **members)


@pytest.mark.parametrize("lever", LEVERS, ids=lambda lever: lever.id)
def test_the_baseline_is_at_the_model_that_was_asked_for(lever: type[Routed]) -> None:
    plan = planned(Route("t", choice_of(lever.id)))
    assert plan.applied() == (lever.id,)
    assert plan.baseline.pico == pico_from_usd("0.0075")
    assert plan.forecast.pico == pico_from_usd("0.0015")
    assert plan.forecast.worst_pico == pico_from_usd("0.0015")  # of the model that is sent to: 1,000 in, 100 out at most
    assert plan.terms.model == SERVED
    assert plan.asked == Asked(MODEL)
    assert not plan.tries
    saving = {one.lever: one.forecast_pico for one in plan.decisions}
    assert saving[lever.id] == plan.baseline.pico - plan.forecast.pico


def test_the_baseline_is_in_the_tokens_of_the_model_that_was_asked_for() -> None:
    plan = planned(Route("t", choice_of(ratio=1.3)))
    assert plan.baseline.tokens.input == 1_300
    assert plan.baseline.tokens.output == 130
    assert plan.forecast.tokens.input == 1_000
    assert plan.asked == Asked(MODEL, 1.3)


def test_an_arm_of_the_same_model_changes_no_price() -> None:
    plan = planned(Route("t", choice_of(served=MODEL, effort="low", ratio=1.0)), model=MODEL)
    assert plan.applied() == ("route.rules",)
    assert plan.baseline == plan.forecast


def test_a_try_is_told() -> None:
    assert planned(Route("t", choice_of("route.cascade", cascade=True))).tries


@pytest.mark.parametrize("lever", LEVERS, ids=lambda lever: lever.id)
@pytest.mark.parametrize(
    ("route", "reason"),
    [
        (None, "nothing asks for another model"),
        (Route(), "nothing was found"),
        (Route("t", None, {"route.rules": "a", "route.learned": "a", "route.cascade": "a"}), "a"),
        (Route("t", choice_of("route.other")), "another lever has chosen the model"),
        (Route("t", choice_of("route.other"), {"route.rules": "b", "route.learned": "b", "route.cascade": "b"}), "b"),
    ],
)
def test_why_it_stands_aside(lever: type[Routed], route: Route | None, reason: str) -> None:
    plan = planned(route)
    assert {one.lever: (one.decision, one.reason) for one in plan.decisions}[lever.id] == ("skipped", reason)


def test_without_a_route_nothing_is_said_of_another_model() -> None:
    plan = planned(None)
    assert (plan.route, plan.asked, plan.tries) == (None, None, False)


# --- limits -----------------------------------------------------------------------------------------------------------


def limited(usd: str) -> Policy:
    return replace(POLICY, cost_limit_pico=pico_from_usd(usd))


def test_a_limit_is_held_against_the_model_that_is_sent_to() -> None:
    assert planned(Route("t", choice_of()), limited("0.0015")).refusal is None
    refused = planned(Route("t", choice_of()), limited("0.0014"))
    assert refused.refusal is not None
    assert SERVED in refused.refusal


def test_the_choice_stays_in_the_plan_of_a_call_that_is_refused() -> None:
    """The request is the other model's: pricing it as the asked one's would be a lie."""
    dearer = Route("t", choice_of(asked=SERVED, served=MODEL))
    plan = planned(dearer, limited("0.002"), model=MODEL)
    assert plan.refusal is not None
    assert plan.applied() == ("route.rules",)
    assert plan.terms.model == MODEL


def test_it_can_go_back_to_the_model_that_was_asked_for() -> None:
    asked, served = request_of(), request_of(model=SERVED)
    route = Route("t", choice_of(), {"route.learned": "no artefact"}, "treatment", 0.5)
    rewritten = Rewritten(served, (), route, asked)
    back = rewritten.unrouted("over its limit")
    assert back.request is asked
    assert back.asked is None
    assert back.route == Route(
        "t", None, {"route.learned": "no artefact", "route.rules": "over its limit"}, "treatment", 0.5
    )
    plan = back.plan(state_of(asked), POLICY)
    assert plan.body is asked.body
    assert plan.applied() == ()
    assert back.unrouted("again") is back
