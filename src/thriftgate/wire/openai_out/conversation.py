"""System prompt and messages of a Messages call, as chat completions has them.

Message by message, and by nothing but what stands in it: a conversation that grows yields the same messages, and a few more,
so that the server's cache of prefixes finds them again.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from thriftgate.wire.openai_out.losses import OURS
from thriftgate.wire.openai_out.servers import Server

CLAUDE = "anthropic-claude-v1"  # what OpenRouter calls Claude's thinking (openrouter.ai/docs, reasoning tokens, 2026-11)
_NULL, _EMPTY = Raw(b"null"), Raw(b"{}")
_BETWEEN = "\n\n"


class _Source(Struct):
    type: str = ""
    media_type: str = ""
    data: str = ""
    url: str = ""


class _Block(Struct):
    type: str
    text: str = ""
    source: _Source | None = None
    id: str = ""
    name: str = ""
    input: Raw = _EMPTY
    tool_use_id: str = ""
    content: str | list[_Block] | None = None
    is_error: bool | None = None
    thinking: str = ""
    signature: str | None = None
    data: str = ""
    cache_control: Raw = _NULL


class _Message(Struct):
    role: str
    content: str | list[_Block]


_SYSTEM = msgspec.json.Decoder(str | list[_Block] | None)
_MESSAGES = msgspec.json.Decoder(list[_Message])


def chat_system(system: Raw, server: Server) -> list[dict[str, Any]]:
    """The system prompt as the first message, where there is one."""
    content = _SYSTEM.decode(system)
    return [{"role": "system", "content": _content(content, server)}] if content else []


def chat_messages(messages: Raw, server: Server) -> list[dict[str, Any]]:
    """The messages. Raises msgspec's errors for what cannot be read."""
    found: list[dict[str, Any]] = []
    for message in _MESSAGES.decode(messages):
        if isinstance(message.content, str):
            found.append({"role": message.role, "content": message.content})
        elif message.role == "assistant":
            found.append(_said(message.content, server))
        else:
            found += _asked(message.role, message.content, server)
    return found


def _asked(role: str, blocks: list[_Block], server: Server) -> list[dict[str, Any]]:
    """What tools brought, then what the user says."""
    found: list[dict[str, Any]] = [
        {"role": "tool", "tool_call_id": block.tool_use_id, "content": _brought(block, server)}
        for block in blocks
        if block.type == "tool_result"
    ]
    rest = [block for block in blocks if block.type != "tool_result"]
    return [*found, {"role": role, "content": _content(rest, server)}] if rest or not found else found


def _said(blocks: list[_Block], server: Server) -> dict[str, Any]:
    """An answer: its thinking, its text, its calls."""
    texts = [block for block in blocks if block.type == "text"]
    calls = [block for block in blocks if block.type == "tool_use"]
    said: dict[str, Any] = {"role": "assistant", "content": _content(texts, server, joined="") if texts else None}
    if calls:
        said["tool_calls"] = [
            {
                "id": block.id,
                "type": "function",
                "function": {"name": block.name, "arguments": msgspec.json.format(bytes(block.input), indent=-1).decode()},
            }
            for block in calls
        ]
    elif not texts:
        said["content"] = ""
    return said | _thoughts([block for block in blocks if block.type in ("thinking", "redacted_thinking")], server)


def _thoughts(blocks: list[_Block], server: Server) -> dict[str, Any]:
    """Thinking, back where it came from: with its signature where it has one."""
    plain = _BETWEEN.join(block.thinking for block in blocks if is_ours(block.signature))
    signed = [block for block in blocks if not is_ours(block.signature)]
    if not blocks or not server.thoughts:
        return {}
    if server.thoughts == "reasoning_details":
        return {"reasoning_details": [_detail(block, at) for at, block in enumerate(blocks)]}
    told: dict[str, Any] = {"reasoning_content": plain} if plain else {}
    return told | ({"thinking_blocks": [_signed(block) for block in signed]} if signed else {})


def is_ours(signature: str | None) -> bool:
    """Whether a thinking block holds another model's thoughts, which came without a signature."""
    return signature is not None and signature.startswith(OURS)


def _detail(block: _Block, at: int) -> dict[str, Any]:
    if block.type == "redacted_thinking":
        told: dict[str, Any] = {"type": "reasoning.encrypted", "data": block.data, "format": CLAUDE}
    elif is_ours(block.signature):
        told = {"type": "reasoning.text", "text": block.thinking}
    else:
        told = {"type": "reasoning.text", "text": block.thinking, "signature": block.signature, "format": CLAUDE}
    return told | {"index": at}


def _signed(block: _Block) -> dict[str, Any]:
    if block.type == "redacted_thinking":
        return {"type": block.type, "data": block.data}
    return {"type": block.type, "thinking": block.thinking, "signature": block.signature}


def _content(content: str | list[_Block], server: Server, *, joined: str = _BETWEEN) -> str | list[dict[str, Any]]:
    """Text as text; in parts where there is more than text, or a mark that counts there."""
    if isinstance(content, str):
        return content
    marked = server.marks and any(block.cache_control != _NULL for block in content)
    texts = all(block.type == "text" for block in content)
    if texts and not marked and (len(content) == 1 or not server.parts or not joined):
        return joined.join(block.text for block in content)
    return [_part(block, server) for block in content]


def _part(block: _Block, server: Server) -> dict[str, Any]:
    if block.type == "image" and block.source is not None:
        source = block.source
        url = source.url if source.type == "url" else f"data:{source.media_type};base64,{source.data}"
        part: dict[str, Any] = {"type": "image_url", "image_url": {"url": url}}
    else:
        part = {"type": "text", "text": block.text}
    if server.marks and block.cache_control != _NULL:
        part["cache_control"] = block.cache_control
    return part


def _brought(block: _Block, server: Server) -> str | list[dict[str, Any]]:
    """The result of a tool, as text: of these servers few take more."""
    content = block.content or ""
    text = content if isinstance(content, str) else _BETWEEN.join(part.text for part in content)
    text = f"<error>{text}</error>" if block.is_error else text
    if server.marks and block.cache_control != _NULL:
        return [{"type": "text", "text": text, "cache_control": block.cache_control}]
    return text
