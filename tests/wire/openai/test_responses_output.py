"""Blocks as items, one kind after another; how they hang together is in test_responses_answer.py."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from tests.wire.openai.contents import Block
from thriftgate.wire.openai.responses_output import Output, Told
from thriftgate.wire.openai.responses_sealed import unsealed
from thriftgate.wire.openai.usage import REFUSED


def made(*blocks: Block, reason: str = "end_turn", explanation: str = "", told: Told = Told()) -> list[dict[str, Any]]:  # noqa: B008  frozen
    output = Output("1", told)
    for block in blocks:
        output.begin({name: Raw(msgspec.json.encode(value)) for name, value in block.items()})
        output.end()
    output.finish(reason, explanation)
    return output.items


def text(said: str) -> Block:
    return {"type": "text", "text": said}


def held(item: dict[str, Any]) -> list[Any]:
    """The blocks in a reasoning item."""
    return [msgspec.json.decode(msgspec.json.encode(block)) for block in unsealed(item["encrypted_content"]) or []]


THINKING = {"type": "thinking", "thinking": "hm", "signature": "s"}
USE = {"type": "server_tool_use", "id": "u", "name": "web_search", "input": {"query": "q"}}
FOUND = {
    "type": "web_search_tool_result",
    "tool_use_id": "u",
    "content": [{"type": "web_search_result", "url": "https://a"}],
}


def test_texts_side_by_side_are_parts_of_one_message() -> None:
    items = made(text("a"), text("b"), THINKING, text("c"))
    assert [item["id"] for item in items] == ["msg_1_0", "rs_1_1", "msg_1_2"]
    assert [[part["text"] for part in item["content"]] for item in items if item["type"] == "message"] == [["a", "b"], ["c"]]


def test_a_call() -> None:
    (item,) = made({"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "x"}}, reason="tool_use")
    expected = {"id": "fc_1_0", "type": "function_call", "status": "completed", "arguments": '{"at":"x"}'}
    assert item == {**expected, "call_id": "toolu_1", "name": "look"}
    (item,) = made({"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}})
    assert item["arguments"] == "{}"


def test_thinking_is_held_whole() -> None:
    (item,) = made(THINKING, told=Told(summary=True))
    assert item["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert held(item) == [THINKING]
    redacted = {"type": "redacted_thinking", "data": "xyz"}
    (item,) = made(redacted)
    assert (item["summary"], held(item)) == ([], [redacted])


@pytest.mark.parametrize("sources", [False, True])
def test_a_search_is_shown_and_held(sources: bool) -> None:
    search, reasoning, _ = made(USE, FOUND, text("a"), told=Told(sources=sources))
    assert (search["id"], search["type"], search["status"]) == ("ws_u", "web_search_call", "completed")
    assert search["action"].get("sources") == ([{"type": "url", "url": "https://a"}] if sources else None)
    assert held(reasoning) == [USE, FOUND]


def test_a_search_that_failed_and_one_that_did_not_end() -> None:
    search, reasoning = made(USE, {**FOUND, "content": {"type": "web_search_tool_result_error", "error_code": "x"}})
    assert search["status"] == "failed"
    assert len(held(reasoning)) == 2
    search, reasoning = made(USE, reason="pause_turn")
    assert (search["status"], held(reasoning)) == ("incomplete", [USE])


def test_two_searches_at_once() -> None:
    other, found = {**USE, "id": "v"}, {**FOUND, "tool_use_id": "v"}
    first, second, reasoning = made(USE, other, FOUND, found)
    assert (first["status"], second["status"]) == ("completed", "completed")
    assert held(reasoning) == [USE, other, FOUND, found]


def test_citations_are_annotations() -> None:
    citation = {"type": "web_search_result_location", "url": "https://a", "title": "A", "encrypted_index": "i"}
    (item,) = made({**text("said"), "citations": [citation, {"type": "page_location"}]})
    (annotation,) = item["content"][0]["annotations"]
    told = {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 4}
    assert annotation == {**told, "citation": citation}


@pytest.mark.parametrize(("explanation", "told"), [("", REFUSED), ("no", "no")])
def test_a_refusal_is_a_part_of_the_message(explanation: str, told: str) -> None:
    (item,) = made(text("Well"), reason="refusal", explanation=explanation)
    assert item["content"][1] == {"type": "refusal", "refusal": told}


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded", "pause_turn"])
def test_the_last_item_of_what_was_cut_is_incomplete(reason: str) -> None:
    assert [item["status"] for item in made(THINKING, text("a"), reason=reason)] == ["completed", "incomplete"]


def test_a_block_of_tomorrow_is_held() -> None:
    block = {"type": "of_tomorrow", "x": [1.0, None]}
    (item,) = made(block)
    assert held(item) == [block]
