"""What is never reused, whatever a rule says: calls that look at the world or act on it, answers that are not whole.

Each function says why, in words for `explain`; "" where nothing is in the way.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.request import Request

WHOLE = frozenset({"end_turn", "stop_sequence"})
"""Stop reasons of answers that say all that they were to say (platform.claude.com/docs/en/build-with-claude/
handling-stop-reasons, 2026-08). One that was cut, refused or paused is no answer to keep."""
TOOL_USE = "tool_use"
_PLAIN = frozenset({"text", "thinking", "redacted_thinking"})
# Members of a request that stand for something outside of it.
_ELSEWHERE = {
    "thread": "the provider holds its conversation",
    "container": "it runs in a container of the provider's",
    "mcp_servers": "it reaches out to MCP servers",
    "fallback_credit_token": "it redeems a credit of the provider's",
    "diagnostics": "it asks what the provider's cache did",
}
_SOURCES = frozenset({"base64", "text", "content"})


class _Tool(Struct):
    type: str | None = None


class _Message(Struct):
    content: Any = None


class _Whole(Struct):
    content: list[dict[str, Any]]
    stop_reason: str | None = None
    type: str = ""
    usage: dict[str, Raw] = {}


_TOOLS = msgspec.json.Decoder(list[_Tool])
_MESSAGES = msgspec.json.Decoder(list[_Message])
_EMPTY = (b"", b"null", b"[]")


def unfit_call(request: Request) -> str:
    """Why no earlier answer may serve this call, and its own is not kept. Raises msgspec's errors for what is no request."""
    if not request.max_tokens:
        return "it asks for no answer: it warms the cache"
    for name, why in _ELSEWHERE.items():
        if request.raw(name) not in _EMPTY:
            return why
    tools = request.raw("tools")
    if tools not in _EMPTY:
        for tool in _TOOLS.decode(tools):
            if tool.type not in (None, "custom"):
                return f"it has a tool of the provider's own ({tool.type[:40]}), which may look at the world"
    for message in _MESSAGES.decode(request.raw("messages")):
        if isinstance(message.content, list) and (found := _outside(message.content)):
            return found
    return ""


def unfit_answer(body: bytes, *, may_tool_use: bool) -> str:
    """Why this answer may not be given again; for a body that is no message, too."""
    try:
        answer = msgspec.json.decode(body, type=_Whole)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "it is no message"
    if answer.type != "message":
        return "it is no message"
    reason = answer.stop_reason or ""
    if reason not in WHOLE and not (reason == TOOL_USE and may_tool_use):
        return f"it stopped with {reason[:40] or 'no reason'}"
    allowed = _PLAIN | {TOOL_USE} if may_tool_use else _PLAIN
    for block in answer.content:
        if block.get("type") not in allowed:
            return f"it holds {str(block.get('type'))[:40]}"
    return "" if answer.content else "it is empty"


def _outside(blocks: list[Any]) -> str:
    """What in these blocks is not in the request itself."""
    for block in blocks:
        if not isinstance(block, dict):
            continue
        source = block.get("source")
        if isinstance(source, dict):
            if source.get("type") not in _SOURCES:
                return f"it names something by {str(source.get('type'))[:40]}, which may change"
            if isinstance(source.get("content"), list) and (found := _outside(source["content"])):
                return found
        if block.get("type") == "container_upload":
            return "it names a file of a container"
        content = block.get("content")
        if isinstance(content, list) and (found := _outside(content)):
            return found
    return ""
