"""The texts of a request that a rewrite is given, and where they stand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from thriftgate.core.reduction.pieces import Piece, Place, message_places, system_places, tool_names
from thriftgate.core.splice import Edit, apply

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}


def places(content: Any, role: str = "user", tools: dict[str, str] | None = None) -> list[Place]:
    return message_places(msgspec.json.encode({"role": role, "content": content}), tools or {})


def test_a_plain_string() -> None:
    assert places("hello") == [Place(Piece("user", "hello"), ("content",))]


def test_each_kind_of_block() -> None:
    found = places(
        [
            {"type": "text", "text": "look", "cache_control": {"type": "ephemeral"}},
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "12 files"},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": [{"type": "text", "text": "a"}, IMAGE]},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "chapter"}},
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "part"}]}},
            {"type": "search_result", "source": "x", "title": "t", "content": [{"type": "text", "text": "found"}]},
            IMAGE,
        ],
        tools={"toolu_1": "ls"},
    )
    assert [(place.piece.kind, place.piece.tool, place.path) for place in found] == [
        ("user", "", ("content", 0, "text")),
        ("tool_result", "ls", ("content", 1, "content")),
        ("tool_result", "", ("content", 2, "content", 0, "text")),
        ("image", "", ("content", 2, "content", 1, "source")),
        ("document", "", ("content", 3, "source", "data")),
        ("document", "", ("content", 4, "source", "content", 0, "text")),
        ("document", "", ("content", 5, "content", 0, "text")),
        ("image", "", ("content", 6, "source")),
    ]
    assert msgspec.json.decode(found[-1].piece.text) == IMAGE["source"]


def test_every_place_can_be_written_to() -> None:
    raw = msgspec.json.encode(
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "é"}]}],
        }
    )
    (place,) = message_places(raw, {})
    fresh = apply(raw, [Edit(place.path, place.value('a "quoted" ü'))])
    assert message_places(fresh, {})[0].piece.text == 'a "quoted" ü'


def test_what_is_cited_is_left_alone() -> None:
    document = {"type": "document", "source": {"type": "text", "data": "chapter"}, "citations": {"enabled": True}}
    assert places([document]) == []
    assert len(places([document | {"citations": {"enabled": False}}])) == 1


@pytest.mark.parametrize("content", [[], "", None, 7, [{"type": "of_tomorrow", "text": "x"}], [{"type": "text"}], [7], {}])
def test_what_is_no_text_is_nothing(content: Any) -> None:
    assert places(content) == []


def test_what_the_assistant_said_is_never_a_piece() -> None:
    assert places("hello", role="assistant") == []
    assert places([{"type": "text", "text": "hello"}], role="system") == []


def test_system_prompts() -> None:
    assert system_places(b'"be brief"') == [Place(Piece("system", "be brief"), ())]
    blocks = msgspec.json.encode([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}])
    assert [place.path for place in system_places(blocks)] == [(0, "text"), (1, "text")]
    assert system_places(b"") == []
    attributed = msgspec.json.encode(
        [{"type": "text", "text": "x-anthropic-billing-header: cc=1"}, {"type": "text", "text": "a"}]
    )
    assert system_places(attributed) == []


def test_tools_are_named_by_the_call() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "ls", "input": {}}
    raw = msgspec.json.encode({"role": "assistant", "content": [{"type": "text", "text": "so"}, call]})
    assert tool_names(raw) == {"toolu_1": "ls"}
    assert tool_names(b'{"role":"user","content":"\\"tool_use\\""}') == {}
    assert tool_names(b"") == {}
