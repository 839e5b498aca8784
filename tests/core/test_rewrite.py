"""What happens to a prompt before it is planned, and what is told of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.planning import MODELS, request_of, state_of
from tests.laws.traffic import Traffic
from thriftgate.core import rewrite
from thriftgate.core.plan import Decision, Policy
from thriftgate.core.planner import make_plan
from thriftgate.core.request import Request, parse_request
from thriftgate.core.rewrite import Rewritten, prepare
from thriftgate.core.stability.rewrite import LEVER

RULES = "Sort the tickets by their urgency and answer in one word. " * 90
SWITCHES = ("split_volatile", "order_tools", "order_documents", "stable_json", "single_turn")
SPLIT = Policy(stabilise=("split_volatile",))


def dated(**members: Any) -> Request:
    return request_of(system=f"Today is 2026-11-21.\n{RULES}", **members)


def prepared(request: Request, policy: Policy) -> Rewritten:
    return prepare(request, MODELS[request.model], policy)


def only(rewritten: Rewritten) -> Decision:
    (decision,) = rewritten.decisions
    assert decision.lever == LEVER
    return decision


def test_off_by_default_and_then_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewrite, "stabilise", None)  # would raise
    request = dated()
    done = prepared(request, Policy())
    assert done.request is request
    assert only(done) == Decision(LEVER, "skipped", "off in the policy")


def test_what_was_done_is_told_in_front_of_the_plan() -> None:
    request = dated()
    done = prepared(request, SPLIT)
    assert done.request.body != request.body
    assert (done.request.model, done.request.max_tokens) == (request.model, request.max_tokens)
    assert only(done) == Decision(LEVER, "applied", "moved 1 line of the system prompt behind the rest")
    state = state_of(done.request)
    plan, alone = done.plan(state, SPLIT), make_plan(done.request, state, SPLIT)
    assert plan.decisions == done.decisions + alone.decisions
    assert (plan.body, plan.forecast, plan.baseline) == (alone.body, alone.forecast, alone.baseline)
    assert plan.applied()[0] == LEVER


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (request_of(system=RULES), "nothing in this prompt needs it"),
        (dated(model="claude-opus-5-5"), "binds thinking to its exact prefix"),
        (dated(thread={"id": "thread_1"}), "the provider holds this conversation"),
    ],
)
def test_why_nothing_was_done_is_told(request_: Request, words: str) -> None:
    done = prepared(request_, SPLIT)
    assert done.request is request_
    assert only(done).decision == "skipped"
    assert words in only(done).reason


def test_one_that_raises_is_skipped_and_tells_nothing_of_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(request: Request, *_: object) -> None:
        raise RecursionError(request.body.decode())

    monkeypatch.setattr(rewrite, "stabilise", fail)
    request = dated()
    done = prepared(request, SPLIT)
    assert done.request is request
    assert only(done) == Decision(LEVER, "skipped", "failed with RecursionError")


def test_a_switch_that_is_not_there_is_skipped() -> None:
    request = dated()
    done = prepared(request, Policy(stabilise=("split_everything",)))
    assert done.request is request
    assert only(done) == Decision(LEVER, "skipped", "failed with TypeError")


def test_a_count_request_needs_no_max_tokens() -> None:
    body = dated().body.replace(b'"max_tokens":', b'"x":')
    assert only(prepared(parse_request(body, needs_max_tokens=False), SPLIT)).decision == "applied"


@given(st.integers(0, 200), st.sets(st.sampled_from(SWITCHES)))
def test_whatever_comes_it_is_done_once(seed: int, switches: set[str]) -> None:
    """Of what was rewritten nothing is left to do, and it is still a request."""
    policy = Policy(stabilise=tuple(switches))
    traffic = Traffic(seed)
    for _ in range(4):
        step = traffic.step()
        traffic.answered(step, [])
        done = prepared(request_of(**step.body), policy)
        assert prepared(done.request, policy).request is done.request
        assert parse_request(done.request.body) == done.request
