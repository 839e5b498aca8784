"""Whether a batch is worth waiting for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.batch.stage import params
from thriftgate.batch.judging import Now, Worth, judge
from thriftgate.batch.planning import Planner
from thriftgate.core.deadline import Choice
from thriftgate.core.plan import Policy
from thriftgate.engine.build import policy_of
from thriftgate.engine.snapshot import Knowledge
from thriftgate.pricing.load import load_book, load_models
from thriftgate.settings import Settings

NOW_S = 1_795_262_400.0
THERE_IS_TIME = Choice(True, NOW_S + 3600, 0.9, "there is time")


@pytest.fixture
def knowledge() -> Knowledge:
    return Knowledge(load_book({}), load_models())


def judged(knowledge: Knowledge, body: dict[str, Any], policy: Policy | None = None, **members: Any) -> Worth | Now:
    planner = Planner(knowledge, policy or policy_of(Settings()), "key_gateway", THERE_IS_TIME)
    values: dict[str, Any] = {"now_s": NOW_S} | members
    return judge(planner, msgspec.json.encode(body), "key_caller", THERE_IS_TIME, **values)


def test_a_batch_costs_half(knowledge: Knowledge) -> None:
    worth = judged(knowledge, params(1))
    assert isinstance(worth, Worth)
    assert worth.model == "claude-haiku-4-5"
    assert worth.saved_pico == worth.forecast_pico > 0


def test_what_is_known_of_the_caller_counts_for_both_prices(knowledge: Knowledge) -> None:
    """Not what is known of the key that batches are sent with: compared by two expectations, the longer answer loses."""
    before = judged(knowledge, params(1, max_tokens=4000))
    for _ in range(50):
        knowledge.memory.answered("key_gateway", "claude-haiku-4-5", 3_000)
        knowledge.memory.answered("key_caller", "claude-haiku-4-5", 100)
    worth = judged(knowledge, params(1, max_tokens=4000))
    assert isinstance(worth, Worth)
    assert isinstance(before, Worth)
    assert worth.saved_pico == worth.forecast_pico < before.forecast_pico


def test_a_limit_must_hold_at_the_full_price(knowledge: Knowledge) -> None:
    worst_pico = 40 * 5_000_000  # the answer alone, at most: 40 tokens at $5 a million
    limited = Now("its cost is limited: it is judged as a call")
    assert judged(knowledge, params(1), cost_limit_pico=worst_pico) == limited
    assert isinstance(judged(knowledge, params(1), cost_limit_pico=2 * worst_pico), Worth)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (params(1, model="claude-nobody"), "is not known"),
        (params(1, store=True), "store is not possible in a batch"),
        (params(1, messages=[{"role": "user", "content": 7}]), "content"),
        ({"model": "claude-haiku-4-5"}, "max_tokens"),
    ],
)
def test_what_cannot_be_judged_is_made_at_once(body: dict[str, Any], why: str, knowledge: Knowledge) -> None:
    found = judged(knowledge, body)
    assert isinstance(found, Now)
    assert why in found.reason
