"""The guard on a call of Opus 4.8: $5 in and $25 out per million tokens, so 1,000 tokens each way are at most $0.03."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.core.planning import request_of, state_of
from thriftgate.core.levers import LEVERS
from thriftgate.core.levers.count_guard import CountGuard
from thriftgate.core.money import pico_from_usd
from thriftgate.core.plan import Plan, Policy
from thriftgate.core.planner import make_plan
from thriftgate.core.prices import Terms
from thriftgate.core.usage import Tokens, Usage

LEVER = CountGuard()
REQUEST = request_of(max_tokens=1_000)


def plan_of(limit_usd: str | None, how: Literal["refuse", "warn"] = "refuse") -> Plan:
    limit = pico_from_usd(limit_usd) if limit_usd is not None else None
    policy = Policy((LEVER.id,), cost_limit_pico=limit, on_cost_limit=how)
    return make_plan(REQUEST, state_of(REQUEST, tokens=1_000), policy, (LEVER,))


LIMITS: list[tuple[str | None, Literal["refuse", "warn"], str]] = [
    (None, "refuse", "skipped"),
    ("1", "refuse", "skipped"),
    ("0.03", "refuse", "skipped"),
    ("0.029999999999", "refuse", "refused"),
    ("0", "refuse", "refused"),
    ("0.03", "warn", "skipped"),
    ("0.029999999999", "warn", "warned"),
]


@pytest.mark.parametrize(("limit", "how", "decision"), LIMITS)
def test_limits(limit: str | None, how: Literal["refuse", "warn"], decision: str) -> None:
    plan = plan_of(limit, how)
    assert plan.decisions[0].decision == decision
    assert (plan.refusal is not None) == (decision == "refused")
    assert plan.body is REQUEST.body
    assert plan.applied() == ()


@pytest.mark.parametrize("how", ["refuse", "warn"])
def test_the_caller_reads_why_and_what_to_do(how: Literal["refuse", "warn"]) -> None:
    reason = plan_of("0.02", how).decisions[0].reason
    for words in ("$0.03", "$0.02", "1000 prompt tokens", "1000 output tokens", "claude-opus-4-8", "lower max_tokens"):
        assert words in reason


def test_within_the_limit_it_says_how_far() -> None:
    assert plan_of("0.05").decisions[0].reason == "at most $0.03, within the limit of $0.05"
    assert plan_of(None).decisions[0].reason == "no cost limit is set"


def test_it_judges_the_call_as_all_others_have_shaped_it() -> None:
    assert LEVERS[-1].id == LEVER.id


def test_a_warning_saved_nothing() -> None:
    usage, terms = Usage(Tokens(1, 2, 3, 4, 5)), Terms("claude-opus-4-8", 20_700)
    assert LEVER.undo(usage, terms) == (usage, terms)


def test_of_a_thread_the_whole_window_is_assumed() -> None:
    request = request_of(max_tokens=1_000, thread={"type": "continue", "previous_message_id": "msg_1"})
    policy = Policy((LEVER.id,), cost_limit_pico=pico_from_usd("1"))
    plan = make_plan(request, state_of(request, tokens=1_000), policy, (LEVER,))
    assert plan.refusal is not None
    assert "$5.025" in plan.refusal  # 1,000,000 tokens at $5 and 1,000 at $25 per million


def test_no_prompt_is_longer_than_the_window() -> None:
    state = state_of(REQUEST, tokens=5_000_000)
    plan = make_plan(REQUEST, state, Policy((LEVER.id,), cost_limit_pico=1), (LEVER,))
    assert plan.refusal is not None
    assert "$5.025" in plan.refusal
