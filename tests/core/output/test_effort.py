"""Effort and thinking: what each model allows, what is left as it is, and why."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.output.shaping import HAIKU, OLD, OPUS, PLAIN, SAID, SONNET, TOOL, USER, facts, reason, rule, shaped
from tests.core.planning import MODELS, request_of
from thriftgate.core.output.effort import tuned
from thriftgate.core.output.rules import EFFORT

OFF, ADAPTIVE, BUDGET = {"type": "disabled"}, {"type": "adaptive"}, {"type": "enabled", "budget_tokens": 1_024}
CALLED = {
    "role": "assistant",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "tool_use", "id": "t", "name": "look", "input": {}},
    ],
}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "42"}]}
CLEARS = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}


@pytest.mark.parametrize(
    ("model", "orders", "sent", "got"),
    [
        (OPUS, {"effort": "low"}, {}, {"output_config": {"effort": "low"}}),
        (OPUS, {"effort": "low"}, {"output_config": None}, {"output_config": {"effort": "low"}}),
        (OPUS, {"effort": "low"}, {"output_config": {"x": 1}}, {"output_config": {"x": 1, "effort": "low"}}),
        (PLAIN, {"effort": "medium"}, {"output_config": {"effort": "max"}}, {"output_config": {"effort": "medium"}}),
        ("claude-opus-4-5-20251101", {"effort": "low"}, {}, {"output_config": {"effort": "low"}}),
        (HAIKU, {"thinking": "off"}, {}, {"thinking": OFF}),
        (HAIKU, {"thinking": "off"}, {"thinking": ADAPTIVE | {"display": "omitted"}}, {"thinking": OFF}),
        (SONNET, {"thinking": "off"}, {}, {"thinking": {"type": "between_tools"}}),
        (SONNET, {"thinking": "off", "effort": "high"}, {"output_config": {"effort": "max"}},
         {"thinking": {"type": "between_tools"}, "output_config": {"effort": "high"}}),
        ("claude-sonnet-5", {"thinking": "off", "effort": "low"}, {}, {"thinking": OFF, "output_config": {"effort": "low"}}),
        ("claude-opus-4-6", {"thinking": "adaptive"}, {"thinking": BUDGET | {"display": "omitted"}},
         {"thinking": {"type": "adaptive", "display": "omitted"}}),
        (HAIKU, {"thinking": "off"}, {"messages": [USER, CALLED, RESULT, SAID, USER], "warm": False}, {"thinking": OFF}),
    ],
    ids=str,
)  # fmt: skip
def test_had(model: str, orders: dict[str, Any], sent: dict[str, Any], got: dict[str, Any]) -> None:
    found = shaped(rule(**orders), model=model, max_tokens=2_000, **sent)
    asked = {
        "model": model,
        "max_tokens": 2_000,
        "messages": sent.get("messages", [{"role": "user", "content": "hello there"}]),
    }
    assert found == asked | got


@pytest.mark.parametrize(
    ("model", "orders", "sent", "why"),
    [
        (PLAIN, {}, {}, "the rule orders neither effort nor thinking"),
        (OLD, {"effort": "low"}, {}, f"{OLD} knows no effort levels"),
        (OPUS, {"effort": "high"}, {}, "effort is medium already"),
        (OPUS, {"effort": "low"}, {"output_config": {"effort": "low"}}, "effort is low already"),
        (OPUS, {"effort": "low"}, {"output_config": {"effort": "huge"}}, "the effort that is asked for has a form"),
        (OPUS, {"effort": "low"}, {"output_config": []}, "the effort that is asked for has a form"),
        (OPUS, {"thinking": "off"}, {}, f"{OPUS} always thinks"),
        (PLAIN, {"thinking": "off"}, {}, "the call does not think"),
        (HAIKU, {"thinking": "off"}, {"thinking": OFF}, "the call does not think"),
        (HAIKU, {"thinking": "off"}, {"output_config": {"effort": "max"}}, f"{HAIKU} cannot go without thinking at"),
        (OLD, {"thinking": "off"}, {"thinking": BUDGET}, "the call asks for thinking with a budget of its own"),
        (SONNET, {"thinking": "off"}, {"thinking": {"type": "between_tools"}, "tools": [TOOL]},
         "the call thinks between tools only"),
        (HAIKU, {"thinking": "off"}, {"thinking": ADAPTIVE | {"block_binding": {}}}, "the call says what becomes of"),
        (HAIKU, {"thinking": "off"}, {"context_management": CLEARS}, "the call clears thinking"),
        (HAIKU, {"thinking": "off"}, {"messages": [USER, CALLED, RESULT], "tools": [TOOL], "warm": False},
         "thinking stays as the tool loop began with it"),
        (OLD, {"thinking": "adaptive"}, {"thinking": BUDGET}, "the call has no thinking budget that could"),
        (PLAIN, {"thinking": "adaptive"}, {}, "the call has no thinking budget that could"),
        (HAIKU, {"effort": "low"}, {"messages": [USER, SAID, USER]}, "the conversation began without it"),
    ],
    ids=str,
)  # fmt: skip
def test_not_had(model: str, orders: dict[str, Any], sent: dict[str, Any], why: str) -> None:
    assert reason(rule(**orders), EFFORT, model=model, max_tokens=2_000, **sent).startswith(why)


def test_each_half_is_told() -> None:
    request = request_of(model=OPUS)
    found = tuned(request, facts(OPUS), rule(effort="low", thinking="off"), MODELS[OPUS], begun=False, warm=True)
    assert found.told.applied
    assert found.told.reason == f"effort by default became low; {OPUS} always thinks"
    assert found.thinks
