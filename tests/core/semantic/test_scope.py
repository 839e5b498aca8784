"""The scope: one for two calls just where nothing but the last words of the user differs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.fixtures import message
from thriftgate.core.request import parse_request
from thriftgate.core.semantic.scope import Asked, asked_of

TENANT, SETTING = b"t" * 32, b"s" * 32


def asked(body: dict[str, Any], tenant: bytes = TENANT, setting: bytes = SETTING, *, all_turns: bool = False) -> Asked | str:
    return asked_of(parse_request(msgspec.json.encode(body)), tenant, setting, all_turns=all_turns)


def scope(body: dict[str, Any], **members: Any) -> bytes:
    found = asked(body, **members)
    assert isinstance(found, Asked)
    return found.scope


def blocks(*content: dict[str, Any]) -> dict[str, Any]:
    return message(messages=[{"role": "user", "content": list(content)}])


TEXT = {"type": "text", "text": "hello there"}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aaaa"}}


def test_words_are_taken_out_and_told() -> None:
    found = asked(message("what is it?"))
    assert isinstance(found, Asked)
    assert found.text == "what is it?"
    assert found.scope == scope(message("something else"))
    assert scope(blocks(TEXT, IMAGE)) == scope(blocks(TEXT | {"text": "x"}, IMAGE))


@pytest.mark.parametrize(
    "members",
    [
        {"model": "claude-haiku-5-5"},
        {"system": "be brief"},
        {"tools": [{"name": "look", "input_schema": {"type": "object"}}]},
        {"temperature": 0.5},
        {"max_tokens": 201},
        {"stop_sequences": ["x"]},
        {"something_new": 1},
    ],
)
def test_whatever_else_differs_is_another_scope(members: dict[str, Any]) -> None:
    assert scope(message(**members)) != scope(message())


def test_other_tenants_settings_and_images_are_other_scopes() -> None:
    assert scope(message(), tenant=b"u" * 32) != scope(message())
    assert scope(message(), setting=b"u" * 32) != scope(message())
    other = IMAGE | {"source": {"type": "base64", "media_type": "image/png", "data": "bbbb"}}
    assert scope(blocks(TEXT, IMAGE)) != scope(blocks(TEXT, other))
    assert scope(message(stream=True)) == scope(message())  # the same message in pieces


def test_conversations_only_where_they_are_allowed_and_equal() -> None:
    def talk(first: str, last: str) -> dict[str, Any]:
        said = [
            {"role": "user", "content": first},
            {"role": "assistant", "content": "yes"},
            {"role": "user", "content": last},
        ]
        return message(messages=said)

    assert asked(talk("a", "b")) == "it is not a single question"
    assert scope(talk("a", "b"), all_turns=True) == scope(talk("a", "c"), all_turns=True)
    assert scope(talk("a", "b"), all_turns=True) != scope(talk("b", "b"), all_turns=True)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (blocks(TEXT, TEXT), "several"),
        (blocks(IMAGE), "no text"),
        (blocks(TEXT, {"type": "tool_result", "tool_use_id": "x", "content": "y"}), "tool"),
        (message(messages=[{"role": "assistant", "content": "x"}]), "not the user's"),
        (message(messages=[]), "single"),
    ],
)
def test_calls_without_a_question(body: dict[str, Any], why: str) -> None:
    found = asked(body)
    assert isinstance(found, str)
    assert why in found
