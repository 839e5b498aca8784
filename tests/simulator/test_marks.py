from typing import Any

import pytest

from thriftgate.simulator.cache import Mark
from thriftgate.simulator.errors import ApiError
from thriftgate.simulator.marks import check_marks, find_marks
from thriftgate.simulator.models import load_models
from thriftgate.simulator.render import flatten, render
from thriftgate.simulator.tokens import TokenCounter

from .support import exact, text

MODEL = load_models().by_name["claude-opus-5-5"]
CC = {"type": "ephemeral"}
TOOL = {"name": "t", "input_schema": {}}


def user(*blocks: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(blocks)}]


def marks(body: dict[str, Any], *, grant_1h: bool = True) -> list[Mark]:
    check_marks(body)
    return find_marks(body, render(body, flatten(body), MODEL, TokenCounter(exact), {}).positions, grant_1h=grant_1h)


def test_explicit_marks_in_all_places() -> None:
    body = {
        "tools": [{**TOOL, "cache_control": CC | {"ttl": "1h"}}],
        "system": [text("s", "1h")],
        "messages": user(text("a", "5m"), text("b")),
    }
    assert marks(body) == [Mark(0, 3600), Mark(1, 3600), Mark(2, 300)]
    assert marks(body, grant_1h=False) == [Mark(0, 300), Mark(1, 300), Mark(2, 300)]


def test_nested_mark_counts_for_its_parent() -> None:
    body = {
        "messages": [
            {"role": "assistant", "content": [{"type": "tool_use", "id": "i", "name": "n", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "i", "content": [text("x", "1h")]}]},
        ]
    }
    assert marks(body) == [Mark(1, 3600)]


def test_automatic_marks_the_last_cacheable_block() -> None:
    thinking = {"type": "thinking", "thinking": "t", "signature": "s"}
    body = {
        "cache_control": CC,
        "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": [text("b"), thinking]}],
    }
    assert marks(body) == [Mark(1, 300)]


def test_automatic_beside_the_same_explicit_marker_changes_nothing() -> None:
    assert marks({"cache_control": CC, "messages": user(text("a", "5m"))}) == [Mark(0, 300)]


FOUR = [text(letter, "5m") for letter in "abcd"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"messages": user(*FOUR, text("e", "5m"))}, "A maximum of 4 blocks with cache_control may be provided. Found 5."),
        (
            {"cache_control": CC, "messages": user(*FOUR, text("e"))},
            "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        ),
        (
            {"cache_control": CC | {"ttl": "1h"}, "messages": user(text("a", "5m"))},
            (
                "messages.0.content.0.cache_control: the block already has a cache_control with a different ttl than the "
                "top-level cache_control."
            ),
        ),
        (
            {"system": [text("s", "5m")], "messages": user(text("a", "1h"))},
            (
                "messages.0.content.0.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' "
                "cache_control block. Note that blocks are processed in the following order: `tools`, `system`, `messages`."
            ),
        ),
        (
            {"cache_control": CC | {"ttl": "1h"}, "system": [text("s", "5m")], "messages": user(text("a"))},
            (
                "messages.0.content.0.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' "
                "cache_control block. Note that blocks are processed in the following order: `tools`, `system`, `messages`."
            ),
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": "", "cache_control": CC}]}]},
            "messages.0.content.0.thinking.cache_control: Extra inputs are not permitted",
        ),
        ({"messages": user(text("", "5m"))}, "messages.0.content.0: cache_control cannot be set for empty text blocks"),
        (
            {"tools": [{**TOOL, "defer_loading": True, "cache_control": CC}], "messages": user(text("a"))},
            (
                "Tool 't' cannot have both defer_loading=true and cache_control set. Tools with defer_loading cannot "
                "use prompt caching."
            ),
        ),
        (
            {"messages": user(text("a") | {"cache_control": {"type": "x"}})},
            "messages.0.content.0.cache_control.type: Input should be 'ephemeral'",
        ),
        ({"messages": user(text("a", "2h"))}, "messages.0.content.0.cache_control.ttl: Input should be '5m' or '1h'"),
        (
            {"cache_control": {"type": "ephemeral", "ttl": "9m"}, "messages": user(text("a"))},
            "cache_control.ttl: Input should be '5m' or '1h'",
        ),
        (
            {"messages": user(text("a") | {"citations": [{"cache_control": CC}]})},
            "messages.0.content.0.text.citations.0.cache_control: Extra inputs are not permitted",
        ),
    ],
)
def test_errors(body: dict[str, Any], said: str) -> None:
    with pytest.raises(ApiError) as problem:
        check_marks(body)
    assert (problem.value.status, problem.value.message) == (400, said)


def test_four_explicit_and_the_automatic_on_one_of_them_are_fine() -> None:
    assert len(marks({"cache_control": CC, "messages": user(*FOUR)})) == 4
