"""Bodies of calls that only touch the prompt cache: `max_tokens: 0` reads or writes what is marked and answers nothing.

What may not go with it, and that the settings of the real traffic must be kept: platform.claude.com/docs/en/build-with-
claude/prompt-caching, 2026-10.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from thriftgate.core.errors import InputError
from thriftgate.core.levers.cache_breakpoints import mark_edit
from thriftgate.core.prefix import Prefix
from thriftgate.core.request import Request, Ttl, parse_request
from thriftgate.core.splice import Edit, apply

BLOCKS_MAX = 18  # of an answer: from its end look-back (20 positions) must reach what was sent
_HOUR = {"type": "ephemeral", "ttl": "1h"}
_PLACEHOLDER = b'{"role":"user","content":"."}'
# Members that make a call more than a prompt: what the provider then does with it cannot be seen from here.
_INVOLVED = ("context_management", "compaction", "mcp_servers", "thread", "output_format")


class _Type(msgspec.Struct):
    type: str = ""


class _OutputConfig(msgspec.Struct):
    format: Any = None


class _Message(msgspec.Struct):
    role: str = ""


def forbids_ping(request: Request) -> str:
    """Why this request cannot be sent with `max_tokens: 0`; "" when it can."""
    for name in _INVOLVED:
        if request.raw(name) not in (b"", b"null"):
            return f"it uses {name}"
    try:
        if _typed(request, "thinking") == "enabled":
            return "thinking has a budget"
        if _typed(request, "tool_choice") in ("any", "tool"):
            return "a tool call is forced"
        output = request.raw("output_config")
        if output and (config := msgspec.json.decode(output, type=_OutputConfig | None)) and config.format is not None:
            return "the output has a fixed format"
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "it cannot be read"
    return ""


def plain_ping(body: bytes) -> bytes:
    """The same request without an answer: every breakpoint as it was. Raises InputError."""
    return apply(body, [Edit(("max_tokens",), b"0"), Edit(("stream",), None)])


def upgrading_ping(request: Request, prefix: Prefix, at: int, content: Sequence[dict[str, Any]]) -> bytes | None:
    """The request with its answer behind it, marked for an hour there: what was cached for five minutes up to block `at`
    then lives for an hour, and only the answer is paid for. None where that cannot be said in a valid request.

    `request` and its `prefix` are what was sent. All other breakpoints go: one of five minutes may not stand before one of
    an hour, and an entry that is read needs none; one on block `at` stays.
    """
    if not 0 < len(content) < BLOCKS_MAX or _last_role(request) != "user":
        return None
    if content[-1].get("type") != "text" or not str(content[-1].get("text", "")).strip():
        return None
    answer = [*content[:-1], content[-1] | {"cache_control": _HOUR}]
    edits = [Edit((*prefix.blocks[one].path(), "cache_control"), None) for one, _ in prefix.marks() if one != at]
    if prefix.blocks[at].part.mark is not None:
        edits.append(Edit((*prefix.blocks[at].path(), "cache_control"), msgspec.json.encode(_HOUR)))
    try:
        unmarked = parse_request(apply(request.body, edits))
        said = unmarked.raw("messages").rstrip()[:-1].rstrip()
        turn = msgspec.json.encode({"role": "assistant", "content": answer})
        messages = b"%b,%b,%b]" % (said, turn, _PLACEHOLDER)
        changed = [Edit(("messages",), messages), Edit(("cache_control",), None)]
        return apply(plain_ping(unmarked.body), changed)
    except (InputError, ValueError, msgspec.EncodeError):
        return None


def warming_ping(request: Request, prefix: Prefix, ttl: Ttl) -> bytes:
    """A call that writes what requests like this one share, for `ttl`: up to its own last breakpoint, else up to the end of
    tools and system, else up to its last block. Where that ends before the messages, a placeholder takes their place.

    Raises InputError where the API takes no such call, or where there is nothing to mark.
    """
    why = forbids_ping(request)
    if why:
        raise InputError(f"cannot be sent with max_tokens 0: {why}")
    marked = [at for at, _ in prefix.marks()]
    end = prefix.head_end() if prefix.head_end() is not None else prefix.last_markable()
    if not marked and end is None:
        raise InputError("holds nothing that could be cached")
    blocks = [prefix.blocks[at] for at in marked] or [prefix.blocks[end or 0]]
    edits = [mark_edit(request, prefix, block, ttl) for block in blocks]
    edits.append(Edit(("cache_control",), None))  # automatic caching would mark the placeholder
    messages = request.raw("messages")
    # Cited documents among the messages are part of what the system prompt is cached under.
    if blocks[-1].section != "messages" and b'"citations"' not in messages:
        edits.append(Edit(("messages",), b"[" + _PLACEHOLDER + b"]"))
    return plain_ping(apply(request.body, edits))


def _typed(request: Request, name: str) -> str:
    raw = request.raw(name)
    value = msgspec.json.decode(raw, type=_Type | None) if raw else None
    return value.type if value is not None else ""


def _last_role(request: Request) -> str:
    try:
        messages = msgspec.json.decode(request.raw("messages"), type=list[_Message])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return messages[-1].role if messages else ""
