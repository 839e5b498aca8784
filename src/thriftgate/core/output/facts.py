"""What of a call decides how its answer may be shaped: read once from the request and its messages."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.blocks import lenient
from thriftgate.core.cost import day_of
from thriftgate.core.errors import InputError
from thriftgate.core.memo import Turn
from thriftgate.core.models import Capabilities
from thriftgate.core.request import Request
from thriftgate.core.routing.task import in_tool_loop, schema_of
from thriftgate.core.splice import object_members

NULL = b"null"
_FORCED = frozenset({"any", "tool"})
_NO_PREFIX = "the conversation began without it, and its cache would be lost"


class Told(Struct, frozen=True):
    """What became of one lever. `reason` is one sentence for `explain`."""

    applied: bool
    reason: str


class Facts(Struct, frozen=True):
    """`aside`: why nothing may be shaped, "" where something may. `acts`: the model may call tools; `forced`: it must.
    `cites`: something in the prompt asks for citations. `mode` is the `thinking.type` that was asked for ("" for none),
    `budget` its tokens, `binds` where it says what becomes of thinking that does not fit its prefix; `thinks`: thinking may
    stand in the answer. `asked_effort` is the client's, `effort` the one in force. `spoken`: the model has answered before;
    `thought`: thinking is sent back; `loops`: the model waits for nothing but results of its tools. `warms`: the call has no
    answer, it fills the cache. `readable` is False where `output_config` has a form that cannot be edited."""

    aside: str
    acts: bool
    forced: bool
    cites: bool
    mode: str
    budget: int
    binds: bool
    thinks: bool
    asked_effort: str
    effort: str
    has_format: bool
    spoken: bool
    thought: bool
    loops: bool
    last_role: str
    warms: bool
    readable: bool


class _Choice(Struct):
    type: str = "auto"


class _Thinking(Struct):
    type: str = ""
    budget_tokens: int | None = None
    block_binding: Raw = Raw(NULL)


class _Role(Struct):
    role: str = ""


def facts_of(request: Request, turns: tuple[Turn, ...], capability: Capabilities, now_s: float) -> Facts:
    """What is to be known of the call. Never raises: what cannot be read is taken for what allows least."""
    choice = lenient(request.raw("tool_choice"), _Choice) if said(request, "tool_choice") else None
    kind = choice.type if choice is not None else "auto"
    acts = (_offers_tools(request) and kind != "none") or said(request, "mcp_servers")
    asked = lenient(request.raw("thinking"), _Thinking) if said(request, "thinking") else _Thinking()
    mode = asked.type if asked is not None else "unknown"
    config = lenient(request.raw("output_config"), dict[str, Any]) if said(request, "output_config") else {}
    readable = config is not None and editable(request, "output_config")
    effort = str((config or {}).get("effort") or "")
    return Facts(
        aside=_aside(request, turns, capability, now_s),
        acts=acts,
        forced=kind in _FORCED,
        cites=any(turn.run.cites or _cites_within(turn.text) for turn in turns),
        mode=mode,
        budget=(asked.budget_tokens or 0) if asked is not None else 0,
        binds=asked is None or bytes(asked.block_binding) != NULL or not editable(request, "thinking"),
        thinks=may_think(mode, capability, acts=acts),
        asked_effort=effort,
        effort=effort or capability.effort_default,
        has_format=bool(schema_of(request)),
        spoken=any(_role(turn) == "assistant" for turn in turns),  # the second message, as a rule
        thought=any(turn.run.thinks for turn in turns),
        loops=in_tool_loop(turns),
        last_role=_role(turns[-1]) if turns else "",
        warms=request.max_tokens == 0 and "max_tokens" in request.members,
        readable=readable,
    )


def may_think(mode: str, capability: Capabilities, *, acts: bool) -> bool:
    """Whether a call with this `thinking.type` ("" for none) may think; under `between_tools` only one with tools does."""
    if mode == "":
        return capability.thinking_default_on
    return mode != "disabled" and (mode != "between_tools" or acts)


def said(request: Request, key: str) -> bool:
    """Whether the request has the member, and something in it."""
    return key in request.members and request.raw(key) != NULL


def editable(request: Request, key: str) -> bool:
    """Whether members can be put into the object that stands there, or there is none yet."""
    raw = request.raw(key)
    try:
        return not said(request, key) or object_members(raw, 0, len(raw)) is not None
    except InputError:
        return False


def barred(facts: Facts, capability: Capabilities, *, begun: bool, warm: bool, head: bool) -> str:
    """Why something that belongs to the prompt may not be changed now, or "".

    `begun`: the conversation has been shaped so from its first call on. `warm`: it may be in the cache as it is. `head`: it
    stands in front of the messages, where thinking is bound to it (platform.claude.com/docs/en/build-with-claude/
    preserved-thinking, 2026-10); thinking mode and effort do not, yet the cache of the messages hangs on them too
    (…/prompt-caching, what invalidates what, 2026-10).
    """
    if begun:
        return ""
    if head and facts.thought and capability.prefix_bound_thinking:
        return "thinking in this conversation is bound to the prompt as it was"
    return _NO_PREFIX if facts.spoken and warm else ""


def _role(turn: Turn) -> str:
    read = lenient(turn.text[turn.lead :], _Role)
    return read.role if read is not None else ""


def _aside(request: Request, turns: tuple[Turn, ...], capability: Capabilities, now_s: float) -> str:
    checks = (
        (request.in_thread, "the provider holds this conversation"),
        (said(request, "fallbacks"), "the call names fallbacks, which may not take it"),
        (capability.is_retired(day_of(now_s)), f"{capability.id} is retired"),
        (not turns, "there are no messages"),
    )
    return next((reason for holds, reason in checks if holds), "")


def _offers_tools(request: Request) -> bool:
    if not said(request, "tools"):
        return False
    tools = lenient(request.raw("tools"), list[Raw])
    return tools is None or bool(tools)


def _cites_within(text: bytes) -> bool:
    """Whether a search result within a tool result may ask for citations."""
    return b'"search_result"' in text and b'"citations"' in text


def joined(raw: bytes, *items: bytes) -> bytes:
    """The JSON array with these items behind its own, which keep their bytes."""
    body = raw.strip()[1:-1].rstrip()
    return b"[" + b",".join((body, *items) if body.strip() else items) + b"]"


def literal(value: object) -> bytes:
    """The value as JSON."""
    return msgspec.json.encode(value)
