"""A whole chat answer as a message."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

from thriftgate.wire.openai_out.losses import OURS
from thriftgate.wire.openai_out.request import BYTES_PER_TOKEN, Asked
from thriftgate.wire.openai_out.usage import estimated_usage, messages_usage

_NULL = Raw(b"null")
_REASONS = {"length": "max_tokens", "tool_calls": "tool_use", "function_call": "tool_use", "content_filter": "refusal"}
_UNFIT = re.compile(r"[^a-zA-Z0-9_-]")
_OBJECT = msgspec.json.Decoder(dict[str, Raw])


class Function(Struct):
    name: str | None = None
    arguments: str | None = None


class ToolCall(Struct):
    index: int | None = None
    id: str | None = None
    function: Function = msgspec.field(default_factory=Function)


class Thought(Struct):
    """A part of the thinking, as OpenRouter (`type` reasoning.…) or LiteLLM tells it."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    summary: str | None = None
    signature: str | None = None
    data: str | None = None


class Said(Struct):
    """The message of an answer, or what a chunk adds to it."""

    content: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[Thought] | None = None
    thinking_blocks: list[Thought] | None = None
    tool_calls: list[ToolCall] | None = None

    def thoughts(self) -> list[Thought]:
        """Thinking, in the form that tells most of it."""
        known = self.reasoning_details or self.thinking_blocks
        if known:
            return known
        text = self.reasoning_content or self.reasoning
        return [Thought(text=text)] if text else []


class Choice(Struct):
    index: int = 0
    message: Said | None = None
    delta: Said | None = None
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    stop_reason: str | int | None = None
    error: Raw = _NULL


class Completion(Struct):
    """An answer, or a chunk of one."""

    id: str | None = None
    choices: list[Choice] = []
    usage: Raw = _NULL
    error: Raw = _NULL


COMPLETION = msgspec.json.Decoder(Completion)


def message_of(body: bytes, asked: Asked) -> bytes:
    """The message. Raises msgspec's errors, or LookupError, for what is no answer."""
    answer = COMPLETION.decode(body)
    choice = answer.choices[0]
    said = choice.message or Said()
    content = [*_thinking(said.thoughts(), thinks=asked.thinks), *_texts(said)]
    calls = said.tool_calls or []
    content += [_called(call, at, answer.id or "") for at, call in enumerate(calls)]
    told = messages_usage(answer.usage)
    usage = told or estimated_usage(asked.prompt_tokens, len(msgspec.json.encode(content)), BYTES_PER_TOKEN)
    reason, sequence = stop_of(choice, asked, calls=bool(calls), refused=said.refusal is not None)
    return msgspec.json.encode(
        opening(answer.id or "", asked.model, usage) | {"content": content, "stop_reason": reason, "stop_sequence": sequence}
    )


def opening(answer_id: str, model: str, usage: dict[str, Any]) -> dict[str, Any]:
    """A message before anything is said."""
    return {
        "id": answer_id or "msg_unnamed",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


def stop_of(choice: Choice, asked: Asked, *, calls: bool, refused: bool = False) -> tuple[str, str | None]:
    """Why the answer ended: the reason, and the stop sequence, where the server tells it."""
    reason = choice.finish_reason or ""
    if refused:
        return "refusal", None
    if isinstance(choice.stop_reason, str) and choice.stop_reason in asked.stops:
        return "stop_sequence", choice.stop_reason
    if choice.native_finish_reason == "stop_sequence":
        return "stop_sequence", asked.stops[0] if len(asked.stops) == 1 else None
    if calls and reason in ("", "stop"):
        return "tool_use", None
    return _REASONS.get(reason, "end_turn"), None


def tool_id(call_id: str | None, at: int, answer_id: str) -> str:
    """The id of a call in signs that Claude takes, too: a conversation may go on there."""
    return _UNFIT.sub("_", call_id or f"call_{answer_id}_{at}")


def signature_of(thought: Thought) -> str:
    """The signature of a thinking block: the model's own, or ours."""
    return thought.signature or OURS


def _thinking(thoughts: list[Thought], *, thinks: bool) -> list[dict[str, Any]]:
    if not thinks:
        return []
    blocks: list[dict[str, Any]] = []
    for thought in thoughts:
        if thought.data is not None and thought.type in ("reasoning.encrypted", "redacted_thinking"):
            blocks.append({"type": "redacted_thinking", "data": thought.data})
            continue
        text = thought.text or thought.thinking or thought.summary or ""
        if text or thought.signature:
            blocks.append({"type": "thinking", "thinking": text, "signature": signature_of(thought)})
    return blocks


def _texts(said: Said) -> list[dict[str, Any]]:
    text = (said.content or "") + (said.refusal or "")
    return [{"type": "text", "text": text}] if text else []


def _called(call: ToolCall, at: int, answer_id: str) -> dict[str, Any]:
    return {
        "type": "tool_use",
        "id": tool_id(call.id, at, answer_id),
        "name": call.function.name or "",
        "input": _input(call.function.arguments or "{}"),
    }


def _input(arguments: str) -> Raw:
    """The arguments as they were written; what is no JSON object is handed on whole, under a name that says so."""
    try:
        _OBJECT.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return Raw(msgspec.json.encode({"unparsed_arguments": arguments}))
    return Raw(arguments.encode())
