"""Contents of answers, generated: blocks of every kind, searches and citations too, as a whole answer and streamed."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from tests.wire.streams import stream

Block = dict[str, Any]
TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=10)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)
USAGE = {
    "input_tokens": 11,
    "cache_creation_input_tokens": 200,
    "cache_read_input_tokens": 3_000,
    "output_tokens": 70,
    "output_tokens_details": {"thinking_tokens": 30},
    "service_tier": "standard",
}


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _cited(text: str, url: str) -> Block:
    citation = {
        "type": "web_search_result_location",
        "url": url,
        "title": "A page",
        "encrypted_index": "xyz",
        "cited_text": "",
    }
    return {"type": "text", "text": text, "citations": [citation]}


def _search(query: str) -> list[Block]:
    use = "srvtoolu"
    found = {"type": "web_search_result", "url": "https://a.example", "title": query, "encrypted_content": "Zm9v"}
    return [
        {"type": "server_tool_use", "id": use, "name": "web_search", "input": {"query": query}},
        {"type": "web_search_tool_result", "tool_use_id": use, "content": [found]},
    ]


def _thinking(text: str) -> Block:
    return {"type": "thinking", "thinking": text, "signature": "c2VhbA=="}


texts = st.builds(_text, st.text(st.characters(codec="utf-8"), min_size=1, max_size=30))
cited = st.builds(_cited, st.text(min_size=1, max_size=9), st.sampled_from(["https://a.example", "https://b.example/x?y"]))
thinking = st.builds(_thinking, TEXTS)
redacted = st.builds(lambda data: {"type": "redacted_thinking", "data": data}, NAMES)
calls = st.builds(
    lambda name, given: {"type": "tool_use", "name": name, "input": given}, NAMES, st.dictionaries(NAMES, VALUES, max_size=3)
)
searches = st.builds(_search, TEXTS)
unheard = st.builds(lambda text: {"type": "unheard_of", "what": text}, TEXTS)


def _numbered(parts: list[Block | list[Block]]) -> list[Block]:
    """The blocks with ids of their own."""
    blocks: list[Block] = []
    for at, part in enumerate(parts):
        for block in part if isinstance(part, list) else [part]:
            name = {"tool_use": "id", "server_tool_use": "id", "web_search_tool_result": "tool_use_id"}.get(block["type"])
            blocks.append(block if name is None else {**block, name: f"{block.get(name, 'toolu')}_{at}"})
    return blocks


contents: st.SearchStrategy[list[Block]] = st.builds(
    _numbered, st.lists(texts | cited | thinking | redacted | calls | searches | unheard, max_size=6)
)


def message(content: list[Block], stop_reason: str = "end_turn", explanation: str | None = None) -> Block:
    """A whole answer."""
    details = {"type": "refusal", "category": None, "explanation": explanation} if stop_reason == "refusal" else None
    return {
        "id": "msg_01abc",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5-5",
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "stop_details": details,
        "usage": USAGE,
    }


def streamed(whole: Block, size: int = 7) -> bytes:
    """The stream of an answer, its texts in pieces of `size`."""
    opening = {**whole, "content": [], "stop_reason": None, "stop_details": None, "usage": {**USAGE, "output_tokens": 1}}
    events: list[tuple[str, dict[str, Any]]] = [("message_start", {"message": opening}), ("ping", {})]
    for index, block in enumerate(whole["content"]):
        start, deltas = _opened(block, size)
        events.append(("content_block_start", {"index": index, "content_block": start}))
        events += [("content_block_delta", {"index": index, "delta": delta}) for delta in deltas]
        events.append(("content_block_stop", {"index": index}))
    ended = {name: whole[name] for name in ("stop_reason", "stop_sequence", "stop_details")}
    events += [("message_delta", {"delta": ended, "usage": {"output_tokens": 70}}), ("message_stop", {})]
    return stream(*events)


def _opened(block: Block, size: int) -> tuple[Block, list[Block]]:
    kind = block["type"]
    if kind == "text":
        deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"], size)]
        cited = [{"type": "citations_delta", "citation": one} for one in block.get("citations", ())]
        return {**block, "text": "", **({"citations": []} if cited else {})}, [*cited, *deltas]
    if kind == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"], size)]
        signed = [{"type": "signature_delta", "signature": block["signature"]}] if block["signature"] else []
        return {**block, "thinking": "", "signature": ""}, [*deltas, *signed]
    if kind in ("tool_use", "server_tool_use"):
        given = _pieces(msgspec.json.encode(block["input"]).decode(), size)
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *given)]
    return block, []


def _pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]
