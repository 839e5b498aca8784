"""`cache.stabilise` (unsafe): put what changes from call to call behind what stays, and what has no order in one order.

What: rewrites the prompt before it is planned, so that the other levers see what will be sent, by the switches of
`StabilisePolicy`: a line of the system prompt that says only the date, the time or an id goes behind the rest, into a block
of its own; tools are sorted by name; tool definitions are written with sorted keys; documents of the first message are
sorted by digest. One request always becomes the same, and what is stable already stays byte for byte.
Why it saves: a prefix is read from the cache only up to its first difference; a date on the first line, or tools in another
order, make every call pay for the whole prompt again.
When it must not: the client marks cache breakpoints in the section at hand; the client is Claude Code (its attribution block
must stay first, and it is stable by itself); a thread; server-side fallbacks; documents with citations; a model that binds
thinking to its prefix, unless thinking is off: the client sends the original back, and a prefix that was changed once would
have to be changed for ever. Sorted keys also sort the properties of a schema, which a model tends to fill in that order:
leave `stable_json` off where the order means something.
Example: {"system": "Today is 2026-11-21.\\nSort tickets."} -> {"system": [{"type": "text", "text": "Sort tickets."},
{"type": "text", "text": "Today is 2026-11-21.\\n"}]}
Source: platform.claude.com/docs/en/build-with-claude/prompt-caching (exact match, key order), 2026-10;
…/build-with-claude/preserved-thinking (what is bound), 2026-10. How system blocks are joined for the model is not published;
hence unsafe even where the text stays the same.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.blocks import THINKING, Message, lenient
from thriftgate.core.errors import InputError
from thriftgate.core.models import Capabilities
from thriftgate.core.request import Request
from thriftgate.core.splice import Edit, apply
from thriftgate.core.stability.breaks import DOCUMENTS, canonical_json
from thriftgate.core.stability.system import stable_system

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError, InputError)
_MARK = b'"cache_control"'
_ATTRIBUTION = b"x-anthropic-billing-header:"
_CITED = (b'"citations"', b"document_index", b"search_result_index")


LEVER = "cache.stabilise"


class StabilisePolicy(Struct, frozen=True):
    """What may be rewritten; all of it is off until somebody says that it may.

    `single_turn` is the caller's word that answers of these calls are never sent back: only then are models that bind
    thinking to its prefix served, and only calls without an earlier answer.
    """

    split_volatile: bool = False
    order_tools: bool = False
    order_documents: bool = False
    stable_json: bool = False
    single_turn: bool = False


class Stabilised(Struct, frozen=True):
    """The request to go on with: the client's own bytes object where nothing was to be done. `changes` are sentences for
    `explain`; `aside` says why the whole request was left alone, "" where it was not."""

    body: bytes
    changes: tuple[str, ...] = ()
    aside: str = ""


def stabilise(request: Request, capability: Capabilities, policy: StabilisePolicy) -> Stabilised:
    """Rewrite what breaks prefixes. A function of the request alone, so that each turn of a conversation is rewritten alike;
    done twice is done once. Never raises: what cannot be read is left as it came."""
    aside = _aside(request, capability, policy)
    if aside:
        return Stabilised(request.body, aside=aside)
    edits: list[Edit] = []
    changes: list[str] = []
    for on, rewrite in (
        (policy.split_volatile, _system),
        (policy.order_tools or policy.stable_json, lambda one: _tools(one, policy)),
        (policy.order_documents, _documents),
    ):
        if on:
            made, told = rewrite(request)
            edits += made
            changes += told
    try:
        body = apply(request.body, edits)
    except _UNREADABLE:
        return Stabilised(request.body, aside="the JSON cannot be edited")
    return Stabilised(body, tuple(changes))


# --- when to stand aside --------------------------------------------------------------------------------------------------


class _Thinking(Struct):
    type: str = ""


class _Kind(Struct):
    type: str = ""


def _aside(request: Request, capability: Capabilities, policy: StabilisePolicy) -> str:
    """Why the request must be left alone, or ""."""
    if request.in_thread:
        return "the provider holds this conversation"
    if "fallbacks" in request.members:
        return "another model may answer, whose thinking may be bound to its prefix"
    if len(request.body) < capability.cache_min_tokens:  # a token is at least a byte
        return f"the prompt is shorter than the {capability.cache_min_tokens} tokens that can be cached"
    if "system" in request.members and _ATTRIBUTION in request.raw("system"):
        return "the attribution block must stay first and unmodified"
    return _bound(request, capability, policy) if capability.prefix_bound_thinking else ""


def _bound(request: Request, capability: Capabilities, policy: StabilisePolicy) -> str:
    """The same for a model that binds thinking to its prefix."""
    roles, thinks = _conversation(request)
    if thinks:
        return "thinking in this conversation is bound to its exact prefix"
    if _may_think(request, capability) and not (policy.single_turn and "assistant" not in roles):
        return f"{capability.id} binds thinking to its exact prefix, and the next turn would send the original back"
    return ""


def _may_think(request: Request, capability: Capabilities) -> bool:
    """Whether the answer to this call may hold thinking."""
    if capability.thinking_always_on:
        return True
    raw = request.raw("thinking")
    if not raw or raw == b"null":
        return capability.thinking_default_on
    thinking = lenient(raw, _Thinking)
    return thinking is None or thinking.type != "disabled"


def _conversation(request: Request) -> tuple[frozenset[str], bool]:
    """The roles that have spoken, and whether thinking stands among what they said; what cannot be read may be some."""
    messages = lenient(request.raw("messages"), list[Message])
    if messages is None:
        return frozenset(), True
    for message in messages:
        if not bytes(message.content).startswith(b'"'):
            kinds = lenient(message.content, list[_Kind])
            if kinds is None or any(kind.type in THINKING for kind in kinds):
                return frozenset(), True
    return frozenset(message.role for message in messages), False


# --- the rewrites ---------------------------------------------------------------------------------------------------------

_Rewrite = tuple[list[Edit], list[str]]
_NOTHING: _Rewrite = ([], [])


def _system(request: Request) -> _Rewrite:
    raw = request.raw("system")
    if not raw or _MARK in raw:
        return _NOTHING
    try:
        found = stable_system(raw)
    except _UNREADABLE:
        return _NOTHING
    if found is None:
        return _NOTHING
    told = []
    if found.moved:
        told.append(f"moved {found.moved} line{'s' * (found.moved > 1)} of the system prompt behind the rest")
    if found.split:
        told.append("split a volatile end off the system prompt")
    return [Edit(("system",), found.raw)], told


class _Tool(Struct):
    type: str | None = None
    name: str = ""


def _tools(request: Request, policy: StabilisePolicy) -> _Rewrite:
    raw = request.raw("tools")
    if not raw or _MARK in raw:
        return _NOTHING
    items = [bytes(item) for item in lenient(raw, list[Raw]) or []]
    heads = [lenient(item, _Tool) for item in items]
    custom = [at for at, head in enumerate(heads) if head is not None and head.name and head.type in (None, "custom")]
    names = {at: head.name for at in custom if (head := heads[at]) is not None}
    if not custom or len(set(names.values())) < len(custom):  # two of one name: the provider refuses that
        return _NOTHING
    try:
        fresh = {at: canonical_json(items[at]) if policy.stable_json else items[at] for at in custom}
    except _UNREADABLE:
        return _NOTHING
    told = ["wrote tool definitions with sorted keys"] if any(fresh[at] != items[at] for at in custom) else []
    order = sorted(custom, key=names.__getitem__) if policy.order_tools else custom
    if order != custom:
        told.append("sorted the tools by name")
    edits = [
        Edit(("tools", at), fresh[source]) for at, source in zip(custom, order, strict=True) if fresh[source] != items[at]
    ]
    return edits, told


class _First(Struct):
    role: str = ""
    content: list[Raw] = []


def _documents(request: Request) -> _Rewrite:
    """Runs of documents and search results in the first message, sorted by digest. Where anything is cited, an index may
    refer to their order."""
    raw = request.raw("messages")
    if not any(b'"%b"' % kind.encode() in raw for kind in DOCUMENTS) or any(word in raw for word in _CITED):
        return _NOTHING
    turns = lenient(raw, list[Raw]) or []
    first = lenient(turns[0], _First) if turns else None
    if first is None or first.role != "user" or _MARK in bytes(turns[0]):
        return _NOTHING
    items = [bytes(item) for item in first.content]
    kinds = [lenient(item, _Kind) for item in items]
    runs: list[list[int]] = [[]]
    for at, kind in enumerate(kinds):
        if kind is not None and kind.type in DOCUMENTS:
            runs[-1].append(at)
        elif runs[-1]:
            runs.append([])
    edits: list[Edit] = []
    for run in runs:
        for at, source in zip(run, sorted(run, key=lambda one: (sha256(items[one]).digest(), one)), strict=True):
            if items[at] != items[source]:
                edits.append(Edit(("messages", 0, "content", at), items[source]))
    return edits, ["sorted the documents of the first message"] if edits else []
