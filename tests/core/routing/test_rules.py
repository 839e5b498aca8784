"""Each condition of a rule, met and unmet."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from thriftgate.core.routing.kinds import SPLIT
from thriftgate.core.routing.rules import Question, Rule, first_met, unmet, usual_split

QUESTION = Question(
    task="mail-sorter",
    kind="classify",
    asked="claude-opus-5-5",
    key="key_0123",
    tenant="acme",
    prompt_tokens=500,
    turns=2,
    tools=True,
    images=False,
    schema=True,
    spent_pico=3_000_000_000_000,
)


def rule(**members: Any) -> Rule:
    return Rule(name="r", to="claude-haiku-5-5", **members)


MET: list[dict[str, Any]] = [
    {},
    {"task": "mail-sorter"},
    {"task": "mail-*"},
    {"kind": "classify"},
    {"asked": "claude-opus-*"},
    {"key": "key_0123"},
    {"tenant": "ac?e"},
    {"tokens_min": 500},
    {"tokens_max": 500},
    {"tokens_max": 0},
    {"turns_max": 2},
    {"turns_max": 0},
    {"tools": True},
    {"images": False},
    {"schema": True},
    {"spent_pico": 3_000_000_000_000},
    {"task": "*", "kind": "*", "asked": "*", "key": "*", "tenant": "*"},
]
UNMET: list[tuple[dict[str, Any], str]] = [
    ({"task": "mail"}, "task is mail-sorter, not mail"),
    ({"task": "Mail-sorter"}, "task is mail-sorter, not Mail-sorter"),
    ({"kind": "code"}, "kind is classify, not code"),
    ({"asked": "claude-sonnet-*"}, "asked is claude-opus-5-5, not claude-sonnet-*"),
    ({"key": "key_9"}, "key is key_0123, not key_9"),
    ({"tenant": "beta"}, "tenant is acme, not beta"),
    ({"tokens_min": 501}, "the prompt has 500 tokens, fewer than 501"),
    ({"tokens_max": 499}, "the prompt has 500 tokens, more than 499"),
    ({"turns_max": 1}, "it is turn 2, later than 1"),
    ({"tools": False}, "it has tools"),
    ({"images": True}, "it has no images"),
    ({"schema": False}, "it has schema"),
    ({"spent_pico": 3_000_000_000_001}, "its key has spent $3 today, less than $3.000000000001"),
]


@pytest.mark.parametrize("conditions", MET, ids=str)
def test_met(conditions: dict[str, Any]) -> None:
    assert unmet(rule(**conditions), QUESTION) == ""


@pytest.mark.parametrize(("conditions", "reason"), UNMET, ids=str)
def test_unmet_and_why(conditions: dict[str, Any], reason: str) -> None:
    assert unmet(rule(**conditions), QUESTION) == reason


@pytest.mark.parametrize("name", ["task", "kind", "asked", "key", "tenant"])
def test_what_is_not_known_meets_no_condition_but_any(name: str) -> None:
    unknown = replace(QUESTION, **{name: ""})
    assert unmet(rule(**{name: "x*"}), unknown) == f"{name} is not known, not x*"
    assert unmet(rule(**{name: "*"}), unknown) == ""


def test_every_condition_is_tried() -> None:
    tried = {name for conditions, _ in UNMET for name in conditions}
    assert tried == set(Rule.__struct_fields__) - {"name", "to", "effort"}


def test_the_first_row_that_is_met_counts() -> None:
    rows = (rule(task="nothing"), replace(rule(kind="classify"), name="first"), replace(rule(), name="rest"))
    found = first_met(rows, QUESTION)
    assert found is not None
    assert found.name == "first"
    assert first_met(rows[:1], QUESTION) is None
    assert first_met((), QUESTION) is None


def test_the_ready_made_split_is_a_row_for_each_kind() -> None:
    for kind, model in SPLIT.items():
        found = first_met(usual_split(), replace(QUESTION, kind=kind))
        assert found is not None
        assert (found.to, found.kind) == (model, kind)
    assert first_met(usual_split(), replace(QUESTION, kind="")) is None
