"""A finished message of the simulator's machinery as a chat answer, whole or in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from thriftgate.simulator.chat.styles import Style

REASONS = {"max_tokens": "length", "tool_use": "tool_calls", "refusal": "content_filter"}
PIECE = 12
"""characters of a chunk"""


def completion(message: dict[str, Any], model: str, style: Style, usage: dict[str, Any] | None) -> dict[str, Any]:
    """The whole answer."""
    content = message["content"]
    said: dict[str, Any] = {"role": "assistant", "content": _text(content) or None}
    said |= _thoughts(content, style)
    calls = [_call(block, at) for at, block in enumerate(block for block in content if block["type"] == "tool_use")]
    if calls:
        said["tool_calls"] = calls
    choice = {"index": 0, "message": said, "finish_reason": REASONS.get(message["stop_reason"], "stop"), "logprobs": None}
    if style.name == "openrouter":
        choice["native_finish_reason"] = message["stop_reason"]
    if style.name == "vllm":
        choice["stop_reason"] = message.get("stop_sequence")
    whole = _frame(message, model, "chat.completion") | {"choices": [choice]}
    return whole | ({"usage": usage} if usage is not None else {})


def chunks(
    message: dict[str, Any], model: str, style: Style, usage: dict[str, Any] | None, *, tells: bool
) -> Iterator[bytes]:
    """The chunks of a stream, without the last line that says that it is done. With `tells` the usage comes in one of its
    own."""
    frame = _frame(message, model, "chat.completion.chunk")
    whole = completion(message, model, style, None)["choices"][0]
    said = whole.pop("message")
    yield _event(frame, {"role": "assistant", "content": ""})
    if style.name == "openrouter":
        yield b": OPENROUTER PROCESSING\n\n"
    for delta in (*_thinking(said), *({"content": piece} for piece in _pieces(said["content"] or ""))):
        yield _event(frame, delta)
    for at, call in enumerate(said.get("tool_calls") or []):
        function = {"name": call["function"]["name"], "arguments": ""}
        yield _event(frame, {"tool_calls": [{"index": at, "id": call["id"], "type": "function", "function": function}]})
        for piece in _pieces(call["function"]["arguments"]):
            yield _event(frame, {"tool_calls": [{"index": at, "function": {"arguments": piece}}]})
    yield _event(frame, {}, whole)
    if tells:
        yield b"data: " + msgspec.json.encode(frame | {"choices": [], "usage": usage}) + b"\n\n"


def _thinking(said: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The deltas of thinking: text first, then the signature, where there is one."""
    for detail in said.get("reasoning_details") or []:
        for piece in _pieces(detail["text"]):
            yield {"reasoning": piece, "reasoning_details": [detail | {"text": piece, "signature": None}]}
        yield {"reasoning_details": [detail | {"text": ""}]}
    for block in said.get("thinking_blocks") or []:
        for piece in _pieces(block["thinking"]):
            shown = {"type": "thinking", "thinking": piece, "signature": None}
            yield {"reasoning_content": piece, "thinking_blocks": [shown]}
        yield {"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": block["signature"]}]}
    if "thinking_blocks" not in said:
        yield from ({"reasoning_content": piece} for piece in _pieces(said.get("reasoning_content") or ""))


def _frame(message: dict[str, Any], model: str, kind: str) -> dict[str, Any]:
    return {"id": message["id"].replace("msg_", "chatcmpl-"), "object": kind, "created": 0, "model": model}


def _event(frame: dict[str, Any], delta: dict[str, Any], closing: dict[str, Any] | None = None) -> bytes:
    choice = {"index": 0, "finish_reason": None, **(closing or {}), "delta": delta}
    return b"data: " + msgspec.json.encode(frame | {"choices": [choice]}) + b"\n\n"


def _text(content: list[dict[str, Any]]) -> str:
    return "".join(block["text"] for block in content if block["type"] == "text")


def _thoughts(content: list[dict[str, Any]], style: Style) -> dict[str, Any]:
    blocks = [block for block in content if block["type"] == "thinking"]
    if not blocks:
        return {}
    text = "".join(block["thinking"] for block in blocks) or "(thought)"
    if style.name == "openrouter":
        details = [
            {
                "type": "reasoning.text",
                "text": block["thinking"],
                "signature": block["signature"],
                "format": "anthropic-claude-v1",
                "index": at,
            }
            for at, block in enumerate(blocks)
        ]
        return {"reasoning": text, "reasoning_details": details}
    told: dict[str, Any] = {"reasoning_content": text}
    return told | ({"thinking_blocks": blocks} if style.name == "litellm" else {})


def _call(block: dict[str, Any], at: int) -> dict[str, Any]:
    arguments = msgspec.json.encode(block["input"]).decode()
    return {"id": block["id"], "type": "function", "index": at, "function": {"name": block["name"], "arguments": arguments}}


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE]
