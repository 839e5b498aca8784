"""Turns of a chat as Messages turns."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.openai.completions import assistant, called, lost, messages_of, request, result, system, user
from thriftgate.core.errors import InputError


def turns(*messages: dict[str, Any], **members: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = messages_of(request(*messages, **members))["messages"]
    return found


def test_parts() -> None:
    parts = [
        {"type": "text", "text": "look", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "text", "text": " "},
        {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "auto"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}},
    ]
    (turn,) = turns(user(parts))
    assert turn["content"] == [
        {"type": "text", "text": "look"},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
            "title": "a.pdf",
        },
    ]
    assert lost(request(user(parts))) == ""


def test_parallel_calls_and_their_results() -> None:
    _, answer, results, last = turns(
        user("Weather?"),
        called(("a", '{"city": "Oslo"}'), ("b", "")),
        result("a", "rain"),
        result("b", [{"type": "text", "text": "sun"}, {"type": "image_url", "image_url": {"url": "https://x/y"}}]),
        user("And?"),
        assistant("Well."),
    )
    assert answer["content"] == [
        {"type": "tool_use", "id": "a", "name": "get_weather", "input": {"city": "Oslo"}},
        {"type": "tool_use", "id": "b", "name": "get_weather", "input": {}},
    ]
    assert results["role"] == "user"
    assert [block["type"] for block in results["content"]] == ["tool_result", "tool_result", "text"]
    assert results["content"][0] == {"type": "tool_result", "tool_use_id": "a", "content": "rain"}
    assert [block["type"] for block in results["content"][1]["content"]] == ["text", "image"]
    assert last == {"role": "assistant", "content": [{"type": "text", "text": "Well."}]}


def test_an_assistant_turn_says_all_that_it_holds() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
    answer = called(("a", "{}"), thinking_blocks=[thought], reasoning_content="hm", parsed=None)
    content = [{"type": "text", "text": "I will "}, {"type": "refusal", "refusal": "not"}]
    asked = request(user("Do"), answer | {"content": content, "refusal": "No.", "annotations": []}, result("a", ""))
    _, told, results = messages_of(asked)["messages"]
    assert [block["type"] for block in told["content"]] == ["thinking", "text", "text", "tool_use", "text"]
    assert results["content"] == [{"type": "tool_result", "tool_use_id": "a"}]
    assert lost(asked) == ""


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (user("x") | {"name": "bob"}, "messages[].name"),
        (user("x") | {"of_tomorrow": 1}, "messages[].of_tomorrow"),
        (assistant("x", reasoning_content="hm"), "messages[].reasoning_content"),
        (assistant("x", annotations=[{"type": "url_citation"}]), "messages[].annotations"),
        (
            user([{"type": "image_url", "image_url": {"url": "https://x", "detail": "low"}}]),
            "messages[].content[].image_url.detail",
        ),
        (user([{"type": "text", "text": "x", "of_tomorrow": 1}]), "messages[].content[].of_tomorrow"),
    ],
)
def test_what_is_lost_is_told(message: dict[str, Any], told: str) -> None:
    assert lost(request(user("first"), message)) == told


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ({"content": "x"}, r"messages\[0\].role: Field required"),
        ({"role": "function", "content": "x"}, "none of system"),
        ({"role": "user", "content": [{"type": "input_audio"}]}, "none of text, image_url, file"),
        (system([{"type": "image_url", "image_url": {"url": "https://x"}}]), "instructions are text"),
        (user([{"type": "image_url"}]), "image_url: Field required"),
        (user([{"type": "file"}]), "file: Field required"),
        (user(["x"]), r"messages\[0\].content\[0\]: Input should be an object"),
        (user(5), "content: Input should be a list"),
        (assistant("x", audio={"id": "a"}), "messages.*audio"),
        (assistant("x", function_call={"name": "f"}), "use `tool_calls`"),
        (assistant("x", tool_calls=[{"id": "a", "type": "custom", "custom": {}}]), "only calls of functions"),
        (assistant("x", tool_calls=[{"type": "function", "function": {"name": "f"}}]), "id: Field required"),
        ({"role": "tool", "content": "x"}, "tool_call_id: Field required"),
        ("x", "Input should be an object"),
    ],
)
def test_what_cannot_be_carried_is_refused_with_its_place(message: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        messages_of(request(message))
