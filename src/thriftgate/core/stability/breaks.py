"""Two requests of one application: where their prefixes part, and why.

A prefix is shared up to the first block that differs (platform.claude.com/docs/en/build-with-claude/prompt-caching,
2026-10). A `Break` names the place and the cause; of the prompts it holds two short digests and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Literal, NamedTuple

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.blocks import Block, lenient, read_system, read_tools
from thriftgate.core.errors import InputError
from thriftgate.core.models import TokenizerFamily
from thriftgate.core.splice import without_member
from thriftgate.core.stability.volatile import kind_at, stands_alone
from thriftgate.core.tokens import estimate_block

Cause = Literal[
    "date",
    "id",
    "number",
    "whitespace",
    "key_order",
    "tool_order",
    "document_order",
    "tools_changed",
    "text_changed",
]
ADVICE: dict[Cause, str] = {
    "date": "Put dates and times behind everything that stays: in the last system block or in the last user message. A day "
    "instead of a time of day breaks the prefix once a day only.",
    "id": "Take request, session and trace ids out of the prompt: send them in `metadata` or a header. Where the model "
    "needs one, put it in the last user message.",
    "number": "Put counters and other numbers that change from call to call in the last user message.",
    "whitespace": "Write the same text with the same white space each time: one serialiser, one template.",
    "key_order": "Serialise with sorted keys: maps of Go, Swift and Rust write theirs in another order each time.",
    "tool_order": "Send the tools in one order, for instance sorted by name.",
    "document_order": "Send the same documents in one order, for instance sorted by id, and the ranking in the question.",
    "tools_changed": "Send the same list of tools with every call and forbid some by `tool_choice`, or load tools late "
    "(`defer_loading`): adding or removing one in front loses the whole prefix.",
    "text_changed": "Put what differs from call to call behind what stays the same.",
}
"""What the author of the prompt can do about each cause."""
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError)
DOCUMENTS = ("document", "search_result")
_DIGEST_CHARS = 8
_SIMILAR = 0.5


class Head(NamedTuple):
    """The part of a request that all calls of an application could share: raw `tools` and `system`, b"" where absent."""

    tools: bytes
    system: bytes


class Documents(NamedTuple):
    """Digests of documents in the order in which they stand, and their tokens together (an estimate)."""

    digests: tuple[bytes, ...]
    tokens: int


NO_DOCUMENTS = Documents((), 0)


class Break(Struct, frozen=True):
    """Where a prefix breaks and why.

    `where` is a path such as `tools`, `tools.3`, `system.0` or `messages.0`; `at_block` counts tools, then system blocks,
    then the content of the first message; `offset_chars` is the position of the first difference within that block, in
    characters; `before` and `after` are digests of the block. `pattern` says what stands there ("ISO date", "UUID",
    "17 digits"), never which. `switch` names the switch of `cache.stabilise` that is meant for it, "" where there is none;
    whether it mends the prompt at hand only a try tells. `tokens_behind` estimates what could be read from the cache if
    the break were mended: the tokens of tools, system and first documents from the differing block on.
    """

    cause: Cause
    where: str
    at_block: int
    offset_chars: int
    before: str
    after: str
    pattern: str = ""
    switch: str = ""
    tokens_behind: int = 0


class _Text(Struct):
    type: str = ""
    text: str | None = None


class _Tool(Struct):
    name: str = ""


class _Kind(Struct):
    type: str = ""


class _First(Struct):
    role: str = ""
    content: list[Raw] = []


def find_break(before: Head, after: Head, family: TokenizerFamily) -> Break | None:
    """The first difference between two heads; None where a cache sees none, or where one cannot be read."""
    try:
        tools_before, tools_after = _items(before.tools), _items(after.tools)
        found = _tools_break(tools_before, tools_after)
        if found is None:
            found = _system_break(_items(before.system), _items(after.system), len(tools_after))
    except (*_UNREADABLE, InputError):
        return None
    if found is None:
        return None
    return msgspec.structs.replace(found, tokens_behind=_tokens_behind(found, after, len(tools_after), family))


def find_document_break(before: Sequence[bytes], after: Documents, head: Head) -> Break | None:
    """The same documents (digests) in another order, behind an equal head."""
    digests = after.digests
    if len(before) != len(digests) or before == digests or sorted(before) != sorted(digests):
        return None
    at = next(at for at, (old, new) in enumerate(zip(before, digests, strict=True)) if old != new)
    try:
        ahead = len(_items(head.tools)) + len(_items(head.system))
    except (*_UNREADABLE, InputError):
        ahead = 0
    shown = before[at].hex()[:_DIGEST_CHARS], digests[at].hex()[:_DIGEST_CHARS]
    pattern = f"{len(digests)} documents"
    return Break("document_order", "messages.0", ahead + at, 0, *shown, pattern, "order_documents", after.tokens)


def first_documents(messages: bytes, family: TokenizerFamily) -> Documents:
    """The documents and search results of the first message, where a user sent it."""
    turns = lenient(messages, list[Raw]) or []
    first = lenient(turns[0], _First) if turns else None
    digests: list[bytes] = []
    tokens = 0
    for block in first.content if first is not None and first.role == "user" else ():
        kind = lenient(block, _Kind)
        if kind is not None and kind.type in DOCUMENTS:
            digests.append(sha256(_unmarked(block)).digest()[:8])
            tokens += estimate_block(kind.type, block, family).tokens
    return Documents(tuple(digests), tokens)


def similar(before: Head, after: Head) -> bool:
    """Whether two heads are one application's: at least half of the tools by name, and half of the system text, agree."""
    try:
        names_before, names_after = (set(_names(_items(head.tools))) for head in (before, after))
    except (*_UNREADABLE, InputError):
        return False
    if bool(names_before) != bool(names_after) or bool(before.system) != bool(after.system):
        return False
    if names_before and len(names_before & names_after) < _SIMILAR * min(len(names_before), len(names_after)):
        return False
    return before.system == after.system or _texts_agree(before.system, after.system)


def canonical_json(raw: bytes | Raw) -> bytes:
    """The same value with sorted keys and no white space. Raises what msgspec raises for what it cannot write again."""
    return msgspec.json.encode(msgspec.json.decode(raw), order="sorted")


def common_prefix(one: str, other: str) -> int:
    """How many characters two texts share from their beginning. Linear: each half is compared once."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


# --- tools ----------------------------------------------------------------------------------------------------------------


def _tools_break(before: list[bytes], after: list[bytes]) -> Break | None:
    if before == after:
        return None
    at = next((at for at, (old, new) in enumerate(zip(before, after, strict=False)) if old != new), len(after))
    at = min(at, len(before), len(after))
    old, new = _at(before, at), _at(after, at)
    names_before, names_after = _names(before), _names(after)
    if sorted(names_before) != sorted(names_after):
        added, removed = _surplus(names_after, names_before), _surplus(names_before, names_after)
        return _Pair("tools", at, old, new).differ("tools_changed", f"{added} added, {removed} removed")
    if names_before != names_after:
        moved = sum(one != other for one, other in zip(names_before, names_after, strict=True))
        return _Pair("tools", at, old, new).differ("tool_order", f"{moved} of {len(after)} moved", switch="order_tools")
    pair = _Pair(f"tools.{at}", at, old, new)
    if canonical_json(old) == canonical_json(new):
        same_tight = msgspec.json.format(old, indent=-1) == msgspec.json.format(new, indent=-1)
        offset = common_prefix(old.decode(), new.decode())
        return pair.differ("whitespace" if same_tight else "key_order", offset=offset, switch="stable_json")
    return _text_break(old.decode(), new.decode(), pair)


def _names(tools: list[bytes]) -> list[str]:
    heads = [lenient(tool, _Tool) for tool in tools]
    return [head.name if head is not None else "" for head in heads]


def _surplus(names: list[str], others: list[str]) -> int:
    return len(set(names) - set(others)) or max(0, len(names) - len(others))


# --- system and texts -----------------------------------------------------------------------------------------------------


def _system_break(before: list[bytes], after: list[bytes], tools: int) -> Break | None:
    texts_before, texts_after = [_text(block) for block in before], [_text(block) for block in after]
    for at, (old, new) in enumerate(zip(texts_before, texts_after, strict=False)):
        if old != new and not (at == 0 and _is_attribution(old) and _is_attribution(new)):
            return _text_break(old, new, _Pair(f"system.{at}", tools + at, _utf8(old), _utf8(new)))
    if len(before) == len(after):
        return None
    at = min(len(before), len(after))
    return _Pair(f"system.{at}", tools + at, _at(before, at), _at(after, at)).differ("text_changed", "a block more or less")


def _is_attribution(text: str) -> bool:
    """Claude Code's first block, which the provider takes off before it looks into the cache."""
    return text.startswith("x-anthropic-billing-header:")


def _text(block: bytes) -> str:
    """The text of a text block, or of any other its JSON."""
    if block.startswith(b'"'):
        return msgspec.json.decode(block, type=str)
    head = lenient(block, _Text)
    return head.text if head is not None and head.type == "text" and head.text is not None else block.decode()


def _text_break(before: str, after: str, pair: _Pair) -> Break:
    offset = common_prefix(before, after)
    one, other = kind_at(before, offset), kind_at(after, offset)
    if one is not None and other is not None and one.kind != other.kind and "date" in (one.kind, other.kind):
        one = other = one if one.kind == "date" else other  # a date, cut short in one of them
    if one is not None and other is not None and one.kind == other.kind:
        alone = pair.where.startswith("system") and other.kind != "number" and stands_alone(after, offset)
        return pair.differ(other.kind, other.name, offset, "split_volatile" if alone else "")
    if "".join(before.split()) == "".join(after.split()):
        return pair.differ("whitespace", offset=offset)
    return pair.differ("text_changed", offset=offset)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _texts_agree(before: bytes, after: bytes) -> bool:
    """Whether half of the shorter text stands in the other: as beginning and end, or by sentences and lines."""
    one, other = before.decode("latin-1"), after.decode("latin-1")
    shorter = min(len(one), len(other))
    ahead = common_prefix(one, other)
    behind = common_prefix(one[ahead:][::-1], other[ahead:][::-1])
    if ahead + behind >= _SIMILAR * shorter:
        return True
    pieces, others = _pieces(one), set(_pieces(other))
    return sum(len(piece) for piece in pieces if piece in others) >= _SIMILAR * shorter


_SAME_DIGIT = str.maketrans("123456789", "000000000")


def _pieces(text: str) -> list[str]:
    return text.translate(_SAME_DIGIT).replace("\\n", "\n").replace(". ", "\n").split("\n")


# --- pieces ---------------------------------------------------------------------------------------------------------------


def _items(raw: bytes) -> list[bytes]:
    """The items of a list, without breakpoints; a string is a list of one; nothing and null are an empty one."""
    if not raw or raw == b"null":
        return []
    if raw.startswith(b'"'):
        return [raw]
    return [_unmarked(item) for item in msgspec.json.decode(raw, type=list[Raw])]


def _unmarked(item: Raw) -> bytes:
    data = bytes(item)
    return without_member(data, "cache_control") if b'"cache_control"' in data and data.startswith(b"{") else data


def _at(items: list[bytes], at: int) -> bytes:
    return items[at] if at < len(items) else b""


class _Pair(NamedTuple):
    """Two blocks at one place."""

    where: str
    at: int
    old: bytes
    new: bytes

    def differ(self, cause: Cause, pattern: str = "", offset: int = 0, switch: str = "") -> Break:
        return Break(cause, self.where, self.at, offset, _short(self.old), _short(self.new), pattern, switch)


def _short(data: bytes) -> str:
    return sha256(data).hexdigest()[:_DIGEST_CHARS] if data else ""


def _tokens_behind(found: Break, head: Head, tools: int, family: TokenizerFamily) -> int:
    try:
        blocks: tuple[Block, ...] = read_tools(head.tools, family).blocks if head.tools else ()
        instructed = read_system(head.system, family).blocks if head.system else ()
    except (*_UNREADABLE, InputError):
        return 0
    if found.where.startswith("tools"):
        return _tokens_from(blocks, found.at_block) + _tokens_from(instructed, 0)
    return _tokens_from(instructed, found.at_block - tools)


def _tokens_from(blocks: tuple[Block, ...], index: int) -> int:
    return sum(block.part.tokens for block in blocks if block.index >= index)
