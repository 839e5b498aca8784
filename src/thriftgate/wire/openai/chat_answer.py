"""A Messages answer as a chat completion (openai-python v3.54 `types/chat/chat_completion.py`)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from thriftgate.wire.openai.thoughts import Head, kept
from thriftgate.wire.openai.usage import REFUSED, chat_usage, finish_reason, tier_of
from thriftgate.wire.usage import ApiUsage

REFUSAL = "refusal"


class StopDetails(Struct):
    """Why an answer was refused, in words."""

    explanation: str | None = None


class _Message(Struct):
    id: str
    model: str
    content: list[Raw]
    usage: ApiUsage
    stop_reason: str | None = None
    stop_details: StopDetails | None = None


class _Call(Struct):
    id: str
    name: str
    input: Raw = Raw(b"{}")


class _Thinking(Struct):
    thinking: str = ""


def chat_completion(body: bytes, created_s: int) -> bytes:
    """The completion. Raises msgspec's errors for what is no message."""
    answer = msgspec.json.decode(body, type=_Message)
    heads = [msgspec.json.decode(raw, type=Head) for raw in answer.content]
    calls = [_call(raw) for raw, head in zip(answer.content, heads, strict=True) if head.type == "tool_use"]
    text = "".join(head.text or "" for head in heads if head.type == "text")
    message: dict[str, Any] = {"role": "assistant", "content": text if text or not calls else None}
    message["refusal"] = refusal_of(answer.stop_reason, answer.stop_details)
    if calls:
        message["tool_calls"] = calls
    thoughts = [
        msgspec.json.decode(raw, type=_Thinking).thinking
        for raw, head in zip(answer.content, heads, strict=True)
        if head.type == "thinking"
    ]
    if any(thoughts):
        message["reasoning_content"] = "".join(thoughts)
    told = kept([head.type for head in heads], cites=any(head.citations for head in heads))
    if told:
        message["thinking_blocks"] = [answer.content[at] for at in told]
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": finish_reason(answer.stop_reason or ""),
    }
    document = {
        "id": answer.id,
        "object": "chat.completion",
        "created": created_s,
        "model": answer.model,
        "choices": [choice],
        "usage": chat_usage(answer.usage),
        "service_tier": tier_of(answer.usage),
    }
    return msgspec.json.encode(document)


def refusal_of(stop_reason: str | None, details: StopDetails | None) -> str | None:
    """The words of a refusal; None for an answer."""
    if stop_reason != REFUSAL:
        return None
    return (details.explanation if details is not None else None) or REFUSED


def _call(raw: Raw) -> dict[str, Any]:
    call = msgspec.json.decode(raw, type=_Call)
    return called(call.id, call.name, bytes(call.input).decode())


def called(id_: str, name: str, arguments: str) -> dict[str, Any]:
    """A call of a function."""
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
