"""Stored prompts as Messages requests. Only a whole request is of use to a replay: what cannot be one stays out."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from thriftgate.audit.importers.rows import embedded, unquoted
from thriftgate.audit.records import COUNT_MAX

_OPENAI_BLOCKS = ("image_url", "input_audio", "file")
_CUT = b"litellm_truncated"  # what LiteLLM writes in place of the middle of a long text


class _Turn(Struct):
    role: str
    content: Raw
    tool_calls: Raw = Raw(b"null")
    function_call: Raw = Raw(b"null")
    name: Raw = Raw(b"null")


class _Block(Struct):
    type: str = ""


class _Tool(Struct):
    function: Raw = Raw(b"")


class _Request(Struct):
    messages: list[_Turn]
    max_tokens: int | None = None
    model: str | None = None
    stream: bool | None = None
    tools: list[_Tool] | None = None
    functions: Raw = Raw(b"null")
    system: Raw = Raw(b"null")
    response_format: Raw = Raw(b"null")


class Body(Struct, frozen=True):
    """A Messages request as JSON (empty: there is none), and what else the stored prompt tells."""

    json: bytes = b""
    max_tokens: int = 0
    streamed: bool = False


NO_BODY = Body()
_request = msgspec.json.Decoder(_Request)
_turns = msgspec.json.Decoder(list[_Turn])
_blocks = msgspec.json.Decoder(list[_Block])
_string = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode


def body_in(value: Raw, model: str, *, chat: bool = False) -> Body:
    """The request that a field holds, as an object, as text, or as the `body` of an HTTP request.

    One in Anthropic's form (roles user and assistant, `max_tokens`, no tools in OpenAI's form) is taken as it is, with the
    model added if it names none. With `chat`, one in OpenAI's form is rewritten where that is faithful, see `body_of_chat`.
    """
    try:
        data = embedded(value)
        return NO_BODY if not data or _CUT in data else _body_of(data, model, chat=chat)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return NO_BODY


def _body_of(data: bytes, model: str, *, chat: bool) -> Body:
    found, data = _parsed(data)
    limit, streamed = found.max_tokens or 0, bool(found.stream)
    if not 0 <= limit <= COUNT_MAX:
        limit = 0
    plain = all(turn.role in ("user", "assistant") and not _in_openai_form(turn) for turn in found.messages)
    bare = bytes(found.functions) == b"null" and not any(bytes(tool.function) for tool in found.tools or ())
    if plain and bare and found.max_tokens and found.messages:
        return Body(data if found.model else _with_model(data, model), limit, streamed)
    simple = bytes(found.system) == bytes(found.response_format) == b"null"
    if chat and bare and simple and not found.tools:
        return Body(_from_turns(found.messages, model, limit), limit, streamed)
    return Body(b"", limit, streamed)


def body_of_chat(messages: Raw, model: str, max_tokens: int) -> bytes:
    """A Messages request of a stored list of messages in OpenAI's form. Empty where that would not be faithful: contents
    that are no plain strings, calls of tools, a system message behind the first turn. `max_tokens` 0 is left out."""
    try:
        data = unquoted(messages)
        if data[:1] != b"[" or _CUT in data:
            return b""
        return _from_turns(_turns.decode(data), model, max_tokens)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return b""


def _parsed(data: bytes) -> tuple[_Request, bytes]:
    """The request, and its JSON: in `data` itself, or in its `body`."""
    try:
        return _request.decode(data), data
    except msgspec.ValidationError:
        inner = embedded(msgspec.json.decode(data, type=dict[str, Raw]).get("body", Raw(b"")))
        return _request.decode(inner), inner


def _in_openai_form(turn: _Turn) -> bool:
    if any(bytes(value) != b"null" for value in (turn.tool_calls, turn.function_call, turn.name)):
        return True
    return bytes(turn.content)[:1] == b"[" and any(block.type in _OPENAI_BLOCKS for block in _blocks.decode(turn.content))


def _with_model(data: bytes, model: str) -> bytes:
    fields = msgspec.json.decode(data, type=dict[str, Raw])
    fields["model"] = Raw(_encode(model))
    return _encode(fields)


def _from_turns(turns: list[_Turn], model: str, max_tokens: int) -> bytes:
    system: list[str] = []
    messages: list[dict[str, Any]] = []
    for turn in turns:
        if bytes(turn.content)[:1] != b'"' or _in_openai_form(turn):
            return b""
        content = _string.decode(turn.content)
        if turn.role in ("user", "assistant"):
            messages.append({"role": turn.role, "content": content})
        elif turn.role in ("system", "developer") and not messages:
            system.append(content)
        else:
            return b""
    if not messages:
        return b""
    body: dict[str, Any] = {"model": model}
    if max_tokens:
        body["max_tokens"] = max_tokens
    if len(system) == 1:
        body["system"] = system[0]
    elif system:
        body["system"] = [{"type": "text", "text": text} for text in system]
    body["messages"] = messages
    return _encode(body)
