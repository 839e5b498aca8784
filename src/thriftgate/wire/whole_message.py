"""A stream as the whole message it tells: for clients that asked for no stream. The other way round: `whole_stream`.

Grammar and deltas: platform.claude.com/docs/en/build-with-claude/streaming, 2026-08. What a delta brings that is not known
here continues the member of the same name. Tool inputs keep their bytes.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from thriftgate.wire.sse import Event, SseDecoder

_TELLING = frozenset({b"message_start", b"content_block_start", b"content_block_delta", b"message_delta"})
_FRAME = frozenset({"type", "delta", "usage"})
_Grown = dict[tuple[int, str], tuple[dict[str, Any], list[str]]]  # by block and member: what it is made of
_UNREADABLE = (msgspec.DecodeError, LookupError, TypeError, AttributeError, RecursionError)


def message_of(stream: bytes) -> bytes:
    """The message, as JSON. Raises ValueError, saying why, for a stream that tells no whole one."""
    message: dict[str, Any] = {}
    inputs: dict[int, list[str]] = {}
    grown: _Grown = {}
    ended = False
    for event in SseDecoder().feed(stream):
        try:
            ended = _read(event, message, inputs, grown) or ended
        except _UNREADABLE as error:
            raise ValueError(f"a {event.type.decode(errors='replace')} event cannot be read: {error}") from None
    if not ended:
        raise ValueError("it ends without message_stop")
    try:
        for index, pieces in inputs.items():
            message["content"][index]["input"] = _input("".join(pieces))
    except (LookupError, TypeError) as error:
        raise ValueError(f"the input of a tool call belongs to no block: {error}") from None
    for (_, name), (block, texts) in grown.items():
        block[name] = "".join(texts)
    return msgspec.json.encode(message)


def _read(event: Event, message: dict[str, Any], inputs: dict[int, list[str]], grown: _Grown) -> bool:
    """Lay the event over the message; whether it was the last one. Raises what odd events raise."""
    if event.type == b"message_stop":
        return True
    if event.type not in _TELLING:
        return False
    payload: dict[str, Any] = msgspec.json.decode(event.data, type=dict[str, Any])
    if event.type == b"message_start":
        message |= {"content": [], **payload["message"]}
    elif event.type == b"content_block_start":
        if payload["index"] != len(message["content"]):
            raise ValueError(f"content block {payload['index']} comes where {len(message['content'])} should")
        message["content"].append(payload["content_block"])
    elif event.type == b"content_block_delta":
        _continue(message["content"][payload["index"]], payload["index"], payload["delta"], inputs, grown)
    else:
        message |= payload["delta"]
        message |= {name: value for name, value in payload.items() if name not in _FRAME}
        message["usage"] = _merged(message.get("usage") or {}, payload.get("usage") or {})
    return False


def _merged(usage: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """The totals of a `message_delta` laid over what is known. It lacks the split of the writes by lifetime: those that a
    server tool adds are 5m ones (agents-and-tools/tool-use/tool-use-with-prompt-caching, 2026-08)."""
    merged = {**usage, **{name: value for name, value in later.items() if value is not None}}
    split = merged.get("cache_creation")
    if split:
        hour = split.get("ephemeral_1h_input_tokens") or 0
        five = max(split.get("ephemeral_5m_input_tokens") or 0, (merged.get("cache_creation_input_tokens") or 0) - hour)
        merged["cache_creation"] = {**split, "ephemeral_5m_input_tokens": five}
    return merged


def _continue(block: dict[str, Any], index: int, delta: dict[str, Any], inputs: dict[int, list[str]], grown: _Grown) -> None:
    """What continues a text is gathered and put together once, at the end."""
    if delta["type"] == "input_json_delta":
        if not isinstance(delta["partial_json"], str):
            raise TypeError("partial_json is no text")
        inputs.setdefault(index, []).append(delta["partial_json"])
        return
    if delta["type"] == "citations_delta":
        block["citations"] = cited = block.get("citations") or []
        cited.append(delta["citation"])
        return
    for name, value in delta.items():
        key = id(block), name
        known = block.get(name)
        if name == "type":
            continue
        if isinstance(known, str) and isinstance(value, str):
            grown.setdefault(key, (block, [known]))[1].append(value)
        else:
            block[name] = value
            grown.pop(key, None)


def _input(text: str) -> Raw:
    """The input of a tool call, put together: the bytes that came."""
    raw = text.encode() or b"{}"
    try:
        msgspec.json.decode(raw, type=Raw)
    except msgspec.DecodeError as error:
        raise ValueError(f"the input of a tool call is no JSON: {error}") from None
    return Raw(raw)
