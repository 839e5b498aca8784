from typing import Any

import msgspec
import pytest

from thriftgate.simulator.draws import digest
from thriftgate.simulator.models import load_models
from thriftgate.simulator.render import flatten, identity, render, salts, visible_system
from thriftgate.simulator.tokens import FRAME, TURN, TokenCounter

from .support import exact, text

TABLE = load_models()
MODEL = TABLE.by_name["claude-opus-4-8"]
TOOL = {"name": "get", "description": "d", "input_schema": {"type": "object"}}
WEB = {"type": "web_search_20250305", "name": "web_search"}


def rendered(**members: Any) -> Any:
    body = {"messages": [{"role": "user", "content": "hi"}]} | members
    return render(body, flatten(body), MODEL, TokenCounter(exact), {})


def test_order_is_tools_system_messages_and_counts_add_up() -> None:
    shown = rendered(system=[text("abc")], tools=[TOOL])
    assert [position.label for position in shown.positions] == ["tools.0", "system.0", "messages.0.content.0"]
    assert shown.positions[1].tokens == 3 + 139
    assert shown.positions[2].tokens == 2 + TURN
    assert shown.tail == FRAME["4.7"] - TURN
    assert shown.total == sum(position.tokens for position in shown.positions) + shown.tail


def test_tool_system_prompt_and_forced_choice() -> None:
    def total(**members: Any) -> int:
        return int(rendered(tools=[TOOL], **members).total)

    assert total(tool_choice={"type": "any"}) - total() == 410 - 290
    assert total(tool_choice={"type": "none"}) == total()
    first, second = rendered(tools=[TOOL]).positions
    assert first.tokens > 290 - 139
    assert second.tokens == 2 + TURN + 139


def test_web_tools_belong_to_the_system_level() -> None:
    shown = rendered(tools=[WEB, TOOL])
    assert [(position.label, position.level) for position in shown.positions[:2]] == [
        ("tools.1", "tools"),
        ("tools.0", "system"),
    ]


def test_deferred_tools_are_not_in_the_prompt() -> None:
    shown = rendered(tools=[TOOL, {**TOOL, "name": "late", "defer_loading": True}])
    assert [position.label for position in shown.positions] == ["tools.0", "messages.0.content.0"]


def test_turn_cost_only_where_the_role_changes() -> None:
    shown = rendered(
        messages=[{"role": "user", "content": "a"}, {"role": "user", "content": "b"}, {"role": "assistant", "content": "c"}]
    )
    assert [position.tokens for position in shown.positions] == [1 + TURN, 1, 1 + TURN]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (text("a", "5m"), text("a"), True),
        ({"type": "text", "text": "a", "citations": None}, text("a"), True),
        ({"text": "a", "type": "text"}, text("a"), True),
        (text("a"), text("b"), False),
        (
            {"type": "tool_result", "tool_use_id": "t", "content": "x"},
            {"type": "tool_result", "tool_use_id": "t", "content": [text("x", "1h")]},
            True,
        ),
        (
            {"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1, "b": 2}},
            {"type": "tool_use", "id": "t", "name": "n", "input": {"b": 2, "a": 1}},
            False,
        ),
    ],
)
def test_identity(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    assert (identity(one) == identity(other)) is same


def test_a_long_text_has_the_same_identity_as_if_it_were_short() -> None:
    long = "shared " * 1000
    plain = {"text": long, "type": "text"}
    assert identity(text(long, "5m")) == identity(text(long)) == digest(msgspec.json.encode(plain))
    cited = {"citations": [1], **plain}
    assert identity(cited) == digest(msgspec.json.encode(cited)) != identity(plain)
    odd = plain | {"type": "other"}
    assert identity(odd) == digest(msgspec.json.encode(odd))


def test_text_and_one_text_block_are_one_prompt() -> None:
    as_text, as_blocks = rendered(system="abc"), rendered(system=[text("abc")])
    assert as_text == as_blocks
    assert rendered(messages=[{"role": "user", "content": [text("hi")]}]) == rendered()


def test_attribution_block_is_stripped_only_in_first_place() -> None:
    mark = text("x-anthropic-billing-header: cc_version=1")
    assert visible_system({"system": [mark, text("a")]}) == [(1, text("a"))]
    assert len(visible_system({"system": [text("a"), mark]})) == 2


DEFAULT = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("members", "speed", "changed"),
    [
        ({}, "standard", set()),
        ({"thinking": {"type": "disabled"}}, "standard", set()),  # the default, stated
        ({"output_config": {"effort": "high"}}, "standard", set()),  # the default, stated
        ({"tool_choice": {"type": "auto"}}, "standard", set()),
        ({"metadata": {"user_id": "u"}}, "standard", set()),
        ({"max_tokens": 5}, "standard", set()),
        ({"tool_choice": {"type": "none"}}, "standard", {"messages"}),
        ({"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}, "standard", {"messages"}),
        ({"thinking": {"type": "adaptive"}}, "standard", {"messages"}),
        ({"output_config": {"effort": "low"}}, "standard", {"messages"}),
        ({"output_config": {"format": {"type": "json_schema", "schema": {}}}}, "standard", {"messages"}),
        ({"output_config": {"task_budget": {"type": "tokens", "total": 20000}}}, "standard", {"messages"}),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "u"}}]}]},
            "standard",
            {"messages"},
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "document", "source": {}, "citations": {"enabled": True}}]}
                ]
            },
            "standard",
            {"system"},
        ),
        ({"tools": [WEB]}, "standard", {"system"}),
        ({}, "fast", {"tools", "system"}),
    ],
)
def test_what_enters_which_level(members: dict[str, Any], speed: str, changed: set[str]) -> None:
    base = salts(DEFAULT, flatten(DEFAULT), MODEL, "standard", speed_shares_tools=False)
    body = DEFAULT | members
    other = salts(body, flatten(body), MODEL, speed, speed_shares_tools=False)
    assert {level for level in base if base[level] != other[level]} == changed


def test_fast_may_share_the_tools_level() -> None:
    base, fast = (salts(DEFAULT, [], MODEL, speed, speed_shares_tools=True) for speed in ("standard", "fast"))
    assert base["tools"] == fast["tools"]
