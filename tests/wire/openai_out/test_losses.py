"""What cannot be carried is said, and named."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.wire.openai_out.samples import BY_NAME, MARK, TOOL, messages_call
from thriftgate.wire.openai_out.losses import NEEDLESS, OTHERWISE, OURS, loss

SIGNED = {"type": "thinking", "thinking": "hm", "signature": "sig"}
PLAIN = {"type": "thinking", "thinking": "hm", "signature": OURS}
DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
IMAGE = {"type": "image", "source": {"type": "url", "url": "https://x/y"}}


def lost(body: dict[str, Any], server: str = "openai_compatible") -> str:
    return loss(msgspec.json.encode(body), BY_NAME[server])


def after(*blocks: dict[str, Any]) -> dict[str, Any]:
    said = [{"role": "assistant", "content": list(blocks)}, {"role": "user", "content": "go on"}]
    body = messages_call()
    return body | {"messages": [*body["messages"], *said]}


@pytest.mark.parametrize("server", BY_NAME)
def test_a_plain_call_loses_nothing(server: str) -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "r"}], "is_error": True}
    marked = {"type": "text", "text": "a", "cache_control": MARK}
    body = messages_call(
        [marked, IMAGE], system=[marked], temperature=1.0, stop_sequences=["x"], stream=True, container=None
    )
    assert lost(body | {name: {} for name in NEEDLESS}) == ""
    assert lost(body, server) == ""
    if BY_NAME[server].tools:
        assert lost(messages_call([result, marked], tools=[TOOL]), server) == ""


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"container": "c"}, "container"),
        ({"mcp_servers": []}, "mcp_servers"),
        ({"context_management": {}}, "context_management"),
        ({"thread": "t"}, "thread"),
        ({"max_tokens": 0}, "warm"),
        ({"top_k": 5}, "top_k"),
        ({"stop_sequences": list("abcde")}, "4 stop sequences"),
        ({"thinking": {"type": "between_tools"}}, "between_tools"),
        ({"thinking": {"type": "adaptive", "block_binding": {}}}, "block_binding"),
        ({"output_config": {"task_budget": {}}}, "task_budget"),
        ({"tools": [{"type": "web_search_20260101", "name": "web_search"}]}, "web_search_20260101"),
        ({"tools": [TOOL | {"input_examples": [{}]}]}, "input_examples"),
        ({"cache_control": MARK}, "cache_control at the top"),
        ({"messages": [{"role": "assistant", "content": "{"}]}, "prefilled"),
    ],
)
def test_members_that_cannot_be_told(members: dict[str, Any], why: str) -> None:
    assert why in lost(messages_call() | members)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ([DOCUMENT], "document"),
        ([{"type": "image", "source": {"type": "file", "file_id": "f"}}], "files"),
        ([{"type": "search_result"}], "search_result"),
        ([{"type": "tool_result", "tool_use_id": "t", "content": [IMAGE]}], "image in the result"),
        ([{"type": "container_upload"}], "container_upload"),
    ],
)
def test_blocks_that_cannot_be_told(content: list[dict[str, Any]], why: str) -> None:
    assert why in lost(messages_call(content))


def test_what_an_answer_held_may_not_fit() -> None:
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    assert "behind a tool call" in lost(after(call, {"type": "text", "text": "x"}))
    assert "citations" in lost(after({"type": "text", "text": "x", "citations": [{}]}))
    assert "server_tool_use" in lost(after({"type": "server_tool_use", "id": "s", "name": "w", "input": {}}))


def test_thinking_goes_only_where_it_came_from() -> None:
    kept = {name for name in BY_NAME if not lost(after(SIGNED, {"type": "text", "text": "x"}), name)}
    assert kept == {"openrouter", "litellm"}
    plain = {name for name in BY_NAME if not lost(after(PLAIN, {"type": "text", "text": "x"}), name)}
    assert plain == {"openrouter", "litellm", "deepseek", "qwen"}


def test_servers_differ() -> None:
    schema = {"output_config": {"format": {"type": "json_schema", "schema": {}}}}
    assert "schema" in lost(messages_call(**schema), "deepseek")
    assert lost(messages_call(**schema), "openrouter") == ""
    assert "no tools" in lost(messages_call(tools=[TOOL]), "claudexia")
    assert "think" in lost(messages_call(thinking={"type": "adaptive"}), "vllm")
    assert "effort" in lost(messages_call(output_config={"effort": "low"}), "qwen")
    assert lost(messages_call(cache_control=MARK), "deepseek") == ""


@pytest.mark.parametrize(
    "body", [b"", b"[1]", b'{"max_tokens":1}', b'{"max_tokens":1,"messages":[{"role":"user"}]}', b"\xff"]
)
def test_what_cannot_be_read_is_not_carried(body: bytes) -> None:
    assert loss(body, BY_NAME["openai"]) == "its body cannot be read"


def test_what_is_told_otherwise_is_declared() -> None:
    assert {"tool_result.is_error", "stop_reason stop_sequence"} <= set(OTHERWISE)
