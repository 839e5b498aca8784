"""The planner for jobs: what no batch takes is told, what is shared is marked, and the worst case is a worst case."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.batch.stage import params
from thriftgate.batch.planning import BOUNDS_MAX, Drafted, Planner, Plans, read_plans
from thriftgate.core.deadline import Choice
from thriftgate.core.errors import InputError, UnknownPrice
from thriftgate.core.plan import Decision, Policy
from thriftgate.core.request import parse_request
from thriftgate.core.rewrite import prepare
from thriftgate.engine.snapshot import Knowledge
from thriftgate.ledger.jobs import Group
from thriftgate.pricing.load import load_book, load_models
from thriftgate.simulator.clock import DEFAULT_FROZEN_START

NOW = DEFAULT_FROZEN_START
MODEL = "claude-opus-4-8"
PREFIX = "Read the review with care and say in one word what you think of it. " * 120
PLAIN = Policy()
BOOK, MODELS = load_book(), load_models()
WAITS = Choice(True, 0.0, 1.0, "it can wait")


def planner(policy: Policy = PLAIN, deferral: Choice = WAITS) -> Planner:
    return Planner(Knowledge(BOOK, MODELS), policy, "key", deferral)


def drafted(one: Planner, **members: Any) -> Drafted:
    return one.draft(msgspec.json.encode(params(1, model=MODEL) | members), NOW)


def group_of(one: Planner, draft: Drafted, items: int = 10, ttl: Any = "1h") -> Group:
    (bound, *_) = one.bounds(draft, 1)
    return Group("run", 7, bound.digest, MODEL, items, bound.tokens, bound.rest, state="leading", way="primed", ttl=ttl)


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"model": "claude-nonesuch-9"}, "'claude-nonesuch-9' is not known"),
        ({"model": "claude-3-haiku-20240307"}, "was retired on 2026-04-20"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"speed": "fast"}, "speed"),
        ({"store": True}, "held by the provider|store"),
        ({"fallbacks": [{"model": MODEL}]}, "fallbacks"),
    ],
)
def test_what_no_batch_takes_is_told(members: dict[str, Any], told: str) -> None:
    one = planner()
    with pytest.raises(InputError, match=told):
        drafted(one, **members)


def test_a_plan_is_a_batch_at_half_the_price() -> None:
    one = planner()
    plan = one.plan(drafted(one), None, "plain")
    assert plan.terms.mode == "batch"
    assert plan.applied() == ("batch.defer",)
    assert plan.forecast.pico * 2 == plan.baseline.pico


def test_a_policy_without_the_lever_puts_nothing_into_batches() -> None:
    one = planner(Policy(levers=("cache.breakpoints",)))
    with pytest.raises(InputError, match="cannot be put into a batch"):
        one.plan(drafted(one), None, "plain")


def test_a_job_that_is_due_too_soon_says_so() -> None:
    one = planner(deferral=Choice(False, 0.0, 0.0, "due in 3 min: no time to wait for a batch"))
    with pytest.raises(InputError, match="due in 3 min"):
        one.plan(drafted(one), None, "plain")


def test_fast_mode_has_no_batch_price_rather_than_a_similar_one() -> None:
    one = planner()
    request = parse_request(msgspec.json.encode(params(1, model=MODEL, speed="fast")))
    rewritten = prepare(request, MODELS[MODEL], one.policy)
    draft = Drafted(rewritten, one.knowledge.snapshot(request, "key", NOW))
    with pytest.raises(UnknownPrice, match="fast mode"):
        one.worth(draft)


@pytest.mark.parametrize("role", ["lead", "follow"])
def test_a_shared_prefix_is_marked_for_leaders_and_followers(role: Any) -> None:
    one = planner()
    draft = drafted(one, system=PREFIX)
    group = group_of(one, draft)
    plan = one.plan(draft, group, role)
    assert "cache.breakpoints" in plan.applied()
    assert b'"cache_control":{"type":"ephemeral","ttl":"1h"}' in plan.body
    assert one.plan(draft, group, "plain").body == draft.request.body


def test_followers_expect_to_read_what_leaders_write() -> None:
    one = planner()
    draft = drafted(one, system=PREFIX)
    group = group_of(one, draft)
    lead, follow = one.plan(draft, group, "lead").forecast, one.plan(draft, group, "follow").forecast
    assert lead.tokens.write_1h > 0 == lead.tokens.read
    assert follow.tokens.read == lead.tokens.write_1h
    assert follow.pico < one.plan(draft, None, "plain").forecast.pico < lead.pico


def test_a_group_of_another_prompt_is_passed_over() -> None:
    one = planner()
    group = group_of(one, drafted(one, system=PREFIX))
    draft = drafted(one, system="x" + PREFIX)
    assert one.plan(draft, group, "lead").body == draft.request.body


def test_the_worst_case_covers_everything() -> None:
    one = planner()
    draft = drafted(one, system=PREFIX)
    worth = one.worth(draft)
    assert worth.batch_pico < worth.standard_pico <= 2 * worth.batch_pico
    for role, group in (("plain", None), ("lead", group_of(one, draft)), ("follow", group_of(one, draft))):
        plan = one.plan(draft, group, role)  # type: ignore[arg-type]
        assert plan.forecast.pico <= plan.forecast.worst_pico <= worth.worst_pico
    assert one.worst_call_pico(draft.request.body, NOW) == 2 * worth.worst_pico


def test_a_refusal_of_the_policy_reaches_the_job() -> None:
    one = planner(Policy(cost_limit_pico=1))
    assert one.plan(drafted(one), None, "plain").refusal


def test_bounds_begin_behind_tools_and_system() -> None:
    one = planner()
    (bound,) = one.bounds(drafted(one, system=PREFIX), 5)
    assert bound.seq == 5
    assert bound.model == MODEL
    assert bound.tokens >= 1024
    assert bound.rest > 0


def test_bounds_are_few_and_never_the_last_block() -> None:
    one = planner()
    messages = [{"role": "user", "content": [{"type": "text", "text": f"{PREFIX} {n}"} for n in range(8)]}]
    assert len(one.bounds(drafted(one, system=PREFIX, messages=messages), 1)) == BOUNDS_MAX
    assert one.bounds(drafted(one, messages=messages[:1] and [{"role": "user", "content": PREFIX}]), 1) == []


@pytest.mark.parametrize(
    "members",
    [
        {"system": "short"},
        {"system": [{"type": "text", "text": PREFIX, "cache_control": {"type": "ephemeral"}}]},
        {"system": PREFIX, "cache_control": {"type": "ephemeral"}},
    ],
)
def test_no_bounds_below_the_minimum_or_where_the_client_marks(members: dict[str, Any]) -> None:
    one = planner()
    assert one.bounds(drafted(one, **members), 1) == []


def test_equal_decisions_are_kept_once() -> None:
    plans = Plans()
    first = (Decision("batch.defer", "applied", "it can wait", 5),)
    assert plans.number(first) == 0
    assert plans.number((msgspec.structs.replace(first[0], forecast_pico=9),)) == 0
    assert plans.number((Decision("batch.defer", "applied", "another", 5),)) == 1
    assert [one[0].reason for one in read_plans(plans.encoded())] == ["it can wait", "another"]
    assert read_plans(plans.encoded())[0][0].forecast_pico == 0
