"""A Messages body as a chat body: the same call, the same bytes each time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.errors import InputError
from thriftgate.wire.openai_out.conversation import chat_messages, chat_system
from thriftgate.wire.openai_out.servers import Server
from thriftgate.wire.openai_out.thinking import ThinkingAsked, told_to_think
from thriftgate.wire.openai_out.tools import chat_choice, chat_tools

_NULL = Raw(b"null")
_AS_IT_IS = ("temperature", "top_p", "top_k")
BYTES_PER_TOKEN = 3  # low on purpose: an estimate shall not undercount


class _Format(Struct):
    schema: Raw = _NULL


class _Config(Struct):
    effort: str | None = None
    format: _Format | None = None


class Asked(Struct, frozen=True):
    """What must be known of a call to read its answer: the model's name here, whether a stream and thinking are wanted, its
    stop sequences, and the tokens of its prompt, for a server that does not tell them (an estimate by its length)."""

    server: Server
    model: str
    stream: bool = False
    thinks: bool = False
    stops: tuple[str, ...] = ()
    prompt_tokens: int = 1


def chat_request(body: bytes, server: Server, names: Mapping[str, str]) -> tuple[bytes, Asked]:
    """The chat body, and what its answer needs. `names` are what the server calls models, by their names here. Raises
    InputError for what is no Messages body."""
    try:
        members = {name: value for name, value in msgspec.json.decode(body, type=dict[str, Raw]).items() if value != _NULL}
        return _translated(members, server, names, len(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"the request cannot be told {server.name}: {error}") from None


def _translated(members: dict[str, Raw], server: Server, names: Mapping[str, str], length: int) -> tuple[bytes, Asked]:
    stream = members.get("stream") == Raw(b"true")
    stops: tuple[str, ...] = _read(members, "stop_sequences", tuple[str, ...]) or ()
    thinking: ThinkingAsked | None = _read(members, "thinking", ThinkingAsked)
    config: _Config = _read(members, "output_config", _Config) or _Config()
    model: str = _read(members, "model", str) or ""
    chat: dict[str, Any] = {
        "model": names.get(model, model),
        "messages": [
            *chat_system(members.get("system", _NULL), server),
            *chat_messages(members.get("messages", Raw(b"[]")), server),
        ],
    }
    if "max_tokens" in members:
        chat[server.output_limit] = members["max_tokens"]
    chat |= {name: members[name] for name in _AS_IT_IS if name in members and (name != "top_k" or server.top_k)}
    if stops:
        chat["stop"] = stops[: server.stops_max]
    if "tools" in members and members["tools"] != Raw(b"[]"):
        chat["tools"] = chat_tools(members["tools"], server)
        if "tool_choice" in members:
            chat |= chat_choice(members["tool_choice"])
    if config.format is not None and server.schema:
        schema = {"name": "answer", "strict": True, "schema": config.format.schema}
        chat["response_format"] = {"type": "json_schema", "json_schema": schema}
    chat |= told_to_think(thinking, config.effort or "", server)
    if stream:
        chat |= {"stream": True, "stream_options": {"include_usage": True}}
    thinks = thinking is not None and thinking.type != "disabled"
    return msgspec.json.encode(chat), Asked(server, model, stream, thinks, stops, max(1, -(-length // BYTES_PER_TOKEN)))


def _read(members: dict[str, Raw], name: str, kind: Any) -> Any:
    return msgspec.json.decode(members[name], type=kind) if name in members else None
