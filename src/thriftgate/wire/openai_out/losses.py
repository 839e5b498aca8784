"""What a chat server cannot be told of a Messages call. Such a call is not sent there: it goes to another target, or is
refused, saying why. What is told in other words stands in `OTHERWISE`, what is left out since it changes no answer in
`NEEDLESS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from thriftgate.wire.openai_out.servers import Server

OTHERWISE = {
    "system": "the first message, of the role system",
    "tool_result.is_error": "a result between <error> and </error>",
    "thinking.budget_tokens": "the server's own measure of thinking, where it takes no budget",
    "output_config.effort": "the nearest level below that the server knows",
    "stop_reason stop_sequence": "end_turn, where the server does not say which of both it was",
    "thinking": "blocks with a signature of ours where the server tells its thoughts as plain text",
    "text": "several texts of one message are one text, where the server takes no parts",
}
"""What the server, or the caller, is told in another form than on the Messages API."""

NEEDLESS = frozenset({"metadata", "service_tier", "diagnostics"})
"""Members of a request that change no answer: left out."""
NEEDLESS_BETAS = frozenset({"interleaved-thinking-2025-05-14", "output-128k-2025-02-19", "redact-thinking-2026-02-12"})
"""Values of `anthropic-beta` that Claude's own API alone needs: servers think, and write, as they do."""
OURS = "thriftgate:"
"""How the signature of a thinking block begins that holds another model's thoughts: no Claude model takes it."""

_CARRIED = frozenset(
    {"model", "messages", "system", "max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "tools"}
    | {"tool_choice", "thinking", "output_config", "cache_control"}
)
_IMAGES = frozenset({"base64", "url"})
_TOOL = frozenset({"type", "name", "description", "input_schema", "strict", "cache_control", "eager_input_streaming"})


def loss(body: bytes, server: Server) -> str:
    """Why a call cannot be carried to that server; "" where it can. Never raises: what cannot be read is not carried."""
    try:
        request = msgspec.json.decode(body)
        return next(_losses(request, server), "")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, AttributeError, TypeError, LookupError):
        return "its body cannot be read"


def _losses(request: dict[str, Any], server: Server) -> Iterator[str]:
    for name, value in request.items():
        if name not in _CARRIED and name not in NEEDLESS and value is not None:
            yield f"it cannot be told {name}"
    if not request.get("max_tokens"):
        yield "it has no calls that only warm a cache"
    if request.get("cache_control") is not None and not (server.caches and not server.marks):
        yield "it takes no cache_control at the top of a request"
    if request.get("top_k") is not None and not server.top_k:
        yield "it takes no top_k"
    if len(request.get("stop_sequences") or ()) > server.stops_max:
        yield f"it takes {server.stops_max} stop sequences at most"
    yield from _thinking(request, server)
    yield from _output(request.get("output_config") or {}, server)
    yield from _tools(request, server)
    messages = request["messages"]
    if messages and messages[-1]["role"] == "assistant":
        yield "it takes no prefilled answer"
    if not isinstance(request.get("system") or "", str):
        yield from _blocks(request["system"], server)
    for message in messages:
        if not isinstance(message["content"], str):
            yield from _blocks(message["content"], server, message["role"])


def _thinking(request: dict[str, Any], server: Server) -> Iterator[str]:
    thinking = request.get("thinking") or {"type": "disabled"}
    unknown = set(thinking) - {"type", "budget_tokens", "display"}
    if unknown:
        yield f"it cannot be told thinking.{min(unknown)}"
    if thinking["type"] not in ("disabled", "enabled", "adaptive"):
        yield f"it cannot be told to think {thinking['type']}"
    if thinking["type"] != "disabled" and not server.thinking:
        yield "it cannot be told to think"


def _output(config: dict[str, Any], server: Server) -> Iterator[str]:
    for name, value in config.items():
        if value is None:
            continue
        if name == "effort" and not server.efforts:
            yield "it takes no effort"
        elif name == "format" and (not server.schema or value["type"] != "json_schema"):
            yield "it keeps no answer to a schema"
        elif name not in ("effort", "format"):
            yield f"it cannot be told output_config.{name}"


def _tools(request: dict[str, Any], server: Server) -> Iterator[str]:
    tools = request.get("tools") or []
    if tools and not server.tools:
        yield "it documents no tools"
    for tool in tools:
        if tool.get("type") not in (None, "custom"):
            yield f"it has no {tool['type']} tool"
        yield from (f"it cannot be told {name} of a tool" for name in tool if name not in _TOOL and tool[name] is not None)


def _blocks(blocks: Sequence[dict[str, Any]], server: Server, role: str = "system") -> Iterator[str]:
    called = False
    for block in blocks:
        kind = block["type"]
        if called and kind != "tool_use":
            yield "it takes nothing behind a tool call"
        called = called or kind == "tool_use"
        if kind == "text":
            if block.get("citations"):
                yield "it has no citations"
        elif kind == "image" and role == "user":
            if block["source"]["type"] not in _IMAGES:
                yield "it has no files"
        elif kind == "tool_result" and role == "user":
            yield from _result(block.get("content"))
        elif kind in ("thinking", "redacted_thinking") and role == "assistant":
            yield from _thought(block, server)
        elif kind != "tool_use" or role != "assistant":
            yield f"it takes no {kind} blocks"


def _result(content: str | list[dict[str, Any]] | None) -> Iterator[str]:
    if isinstance(content, list):
        yield from (f"it takes no {part['type']} in the result of a tool" for part in content if part["type"] != "text")


def _thought(block: dict[str, Any], server: Server) -> Iterator[str]:
    ours = block["type"] == "thinking" and str(block.get("signature") or "").startswith(OURS)
    if not server.thoughts or (server.thoughts == "reasoning_content" and not ours):
        yield "it cannot be sent the thinking of another model"
