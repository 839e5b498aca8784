"""Conversations recognised by what was said in them."""

from __future__ import annotations

from typing import Any

from tests.core.planning import body_of, prefix_of, request_of
from thriftgate.core.reduction.recognition import ends_of

SAID = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}


def ends(messages: list[dict[str, Any]], key: str = "key_a", **members: Any) -> tuple[bytes, ...]:
    return ends_of(prefix_of(request_of(body_of(messages=messages, **members))).turns, key)


def test_later_turns_begin_with_the_earlier_ones() -> None:
    assert ends(SAID)[:2] == ends(SAID[:2])
    assert len(set(ends(SAID))) == 3


def test_settings_tools_and_a_first_image_change_nothing() -> None:
    tools = [{"name": "look", "input_schema": {"type": "object"}}]
    assert ends(SAID, tools=tools, system="be brief", thinking={"type": "adaptive"}) == ends(SAID)
    with_image: list[dict[str, Any]] = [*SAID, {"role": "assistant", "content": "d"}, {"role": "user", "content": [IMAGE]}]
    assert ends(with_image)[:3] == ends(SAID)


def test_breakpoints_and_spelling_change_nothing() -> None:
    marked = [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]
    assert ends([{"role": "user", "content": marked}]) == ends(SAID[:1])


def test_other_words_and_other_keys_do() -> None:
    assert ends([{"role": "user", "content": "x"}, *SAID[1:]])[2] != ends(SAID)[2]
    assert ends(SAID, key="key_b") != ends(SAID)
