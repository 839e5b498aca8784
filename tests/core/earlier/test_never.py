"""What is never reused."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from tests.fixtures import message
from thriftgate.core.earlier.never import unfit_answer, unfit_call
from thriftgate.core.request import parse_request

PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}


def unfit(**members: Any) -> str:
    return unfit_call(parse_request(msgspec.json.encode(message(**members))))


def asking(*blocks: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"tools": [{"name": "look", "input_schema": {}}, {"type": "custom", "name": "b", "input_schema": {}}]},
        {"tools": None, "thread": None, "container": None, "mcp_servers": []},
        asking(PICTURE, {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}),
        asking({"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "x"}]}}),
        asking({"type": "tool_result", "tool_use_id": "t", "content": [PICTURE]}, {"type": "text", "text": "x"}),
    ],
)
def test_what_may_be(members: dict[str, Any]) -> None:
    assert not unfit(**members)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"max_tokens": 0}, "warms the cache"),
        ({"thread": {"id": "th_1"}}, "the provider holds its conversation"),
        ({"container": "container_1"}, "container"),
        ({"mcp_servers": [{"type": "url", "url": "https://a.example"}]}, "MCP"),
        ({"fallback_credit_token": "x"}, "credit"),
        ({"diagnostics": {"previous_message_id": "msg_1"}}, "cache"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, r"provider's own \(web_search_20250305\)"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "bash"),
        (asking({"type": "image", "source": {"type": "url", "url": "https://a.example/x.png"}}), "by url"),
        (asking({"type": "document", "source": {"type": "file", "file_id": "file_1"}}), "by file"),
        (asking({"type": "container_upload", "file_id": "file_1"}), "file of a container"),
        (
            asking({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": {"type": "url"}}]}),
            "by url",
        ),
        (asking({"type": "document", "source": {"type": "content", "content": [{"source": {"type": "file"}}]}}), "by file"),
        (asking({"type": "image", "source": {"type": "of_tomorrow"}}), "of_tomorrow"),
    ],
)
def test_what_must_not_be(members: dict[str, Any], words: str) -> None:
    found = unfit(**members)
    assert found
    assert re.search(words, found), found


def answer(stop: str | None = "end_turn", *kinds: str, **members: Any) -> bytes:
    content = [{"type": kind} for kind in kinds or ("text",)]
    return msgspec.json.encode({"type": "message", "content": content, "stop_reason": stop, "usage": {}} | members)


def test_whole_answers_may_be_given_again() -> None:
    for body in (answer(), answer("stop_sequence"), answer("end_turn", "thinking", "redacted_thinking", "text")):
        assert not unfit_answer(body, may_tool_use=False)
    tools = answer("tool_use", "text", "tool_use")
    assert not unfit_answer(tools, may_tool_use=True)
    assert unfit_answer(tools, may_tool_use=False) == "it stopped with tool_use"


@pytest.mark.parametrize(
    "stop", ["max_tokens", "refusal", "pause_turn", "model_context_window_exceeded", "compaction", "x", None]
)
def test_others_may_not(stop: str | None) -> None:
    for may_tool_use in (False, True):
        assert unfit_answer(answer(stop), may_tool_use=may_tool_use).startswith("it stopped with")


@pytest.mark.parametrize("kind", ["server_tool_use", "web_search_tool_result", "mcp_tool_use", "compaction", "of_tomorrow"])
def test_nor_what_holds_what_the_provider_has_done(kind: str) -> None:
    assert unfit_answer(answer("end_turn", "text", kind), may_tool_use=True) == f"it holds {kind}"


def test_nor_what_is_no_message() -> None:
    for body in (b"", b"{}", b"[1]", b"\xff", b"[" * 10_000, answer(type="error"), b'{"type":"message"}'):
        assert unfit_answer(body, may_tool_use=True) == "it is no message"
    assert unfit_answer(answer(content=[]), may_tool_use=True) == "it is empty"
