"""The prompt as the provider's cache sees it: blocks in render order, and a rolling digest at each block boundary.

Two requests share a cached prefix exactly when they share a boundary digest. Render order is tools, system, messages;
`cache_control` is no part of a block's identity, and `"content": "x"` is the same block as
`[{"type": "text", "text": "x"}]` (platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-10).

Reading is incremental: a tool list, system prompt or message seen before is recognised by the digest of its bytes and
not read again, so a long conversation costs its new turns.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Literal, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from thriftgate.core.errors import InputError
from thriftgate.core.generations import Generations
from thriftgate.core.models import Capabilities, TokenizerFamily
from thriftgate.core.request import Request, Ttl, read_mark
from thriftgate.core.splice import Path, without_member
from thriftgate.core.tokens import estimate_block

Section = Literal["tools", "system", "messages"]
_T = TypeVar("_T")
DIGEST_BYTES = 16
_UNMARKABLE = frozenset({"thinking", "redacted_thinking"})


class Part(Struct, frozen=True, gc=False):
    """What one block is, independent of where it stands. `tokens` and `upper` are estimates, in tokens."""

    kind: str
    digest: bytes
    tokens: int
    upper: int
    mark: Ttl | None = None
    markable: bool = True
    is_string: bool = False
    has_image: bool = False
    cites: bool = False


class Block(Struct, frozen=True, gc=False):
    """One block in place. `item` counts within a message's content; it is 0 where the content is a plain string."""

    part: Part
    section: Section
    index: int
    item: int = 0

    def path(self) -> Path:
        """Where the block stands in the request document."""
        if self.section == "messages":
            return ("messages", self.index, "content", *(() if self.part.is_string else (self.item,)))
        if self.section == "system" and self.part.is_string:
            return ("system",)
        return (self.section, self.index)


class Prefix(Struct, frozen=True):
    """All blocks, and the digest of everything up to and including each of them."""

    blocks: tuple[Block, ...]
    chain: tuple[bytes, ...]

    def marks(self) -> tuple[tuple[int, Ttl], ...]:
        """The breakpoints the client set itself, as (block index, TTL)."""
        return tuple((at, block.part.mark) for at, block in enumerate(self.blocks) if block.part.mark is not None)

    def last_markable(self) -> int | None:
        """Index of the last block that may carry a breakpoint: where automatic caching puts its own."""
        return next((at for at in reversed(range(len(self.blocks))) if self.blocks[at].part.markable), None)

    def head_end(self) -> int | None:
        """Index of the last block of tools and system together: the part every conversation of an application shares."""
        head = None
        for at, block in enumerate(self.blocks):
            if block.section == "messages":
                break
            if block.part.markable:
                head = at
        return head


class PartMemo:
    """Remembers how tool lists, system prompts and messages split into parts; what was not used for long goes first.

    A few hundred bytes an entry: 20,000 entries are well under 20 MB.
    """

    __slots__ = ("_known",)

    def __init__(self, entries_max: int = 20_000) -> None:
        self._known: Generations[bytes, tuple[Part, ...]] = Generations(entries_max)

    def __len__(self) -> int:
        return len(self._known)

    def parts(self, raw: bytes, salt: bytes, read: Callable[[], tuple[Part, ...]]) -> tuple[Part, ...]:
        """The parts of these bytes, read only when they are new."""
        hashed = sha256(raw)
        hashed.update(salt)
        key = hashed.digest()[:DIGEST_BYTES]
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = read()
        return known


def read_prefix(request: Request, capability: Capabilities, memo: PartMemo, scope: bytes) -> Prefix:
    """Split the request into blocks and chain their digests.

    `scope` separates what the provider's cache keeps apart: organisation and workspace, told by the key. Raises
    InputError where system or a message has a form that is no Messages content.
    """
    family = capability.tokenizer
    salt = family.encode()
    tools: list[Part] = []
    for raw in request.tools:
        tools += memo.parts(bytes(raw), salt, lambda raw=raw: (_read_block(raw, "tool", family),))  # type: ignore[misc]
    system = memo.parts(bytes(request.system), salt, lambda: _read_content(request.system, "system", family))
    messages = [
        memo.parts(bytes(raw), salt, lambda raw=raw, at=at: _read_message(raw, at, family))  # type: ignore[misc]
        for at, raw in enumerate(request.messages)
    ]
    blocks = [Block(part, "tools", at) for at, part in enumerate(tools)]
    blocks += [Block(part, "system", at) for at, part in enumerate(system)]
    blocks += [Block(part, "messages", at, item) for at, parts in enumerate(messages) for item, part in enumerate(parts)]
    return Prefix(tuple(blocks), _chain(blocks, request, capability, scope))


def _chain(blocks: list[Block], request: Request, capability: Capabilities, scope: bytes) -> tuple[bytes, ...]:
    """Rolling digests. What invalidates a level enters where that level begins (table "What invalidates what",
    platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-10)."""
    levels = {
        "tools": b"tools",
        "system": b"system" + (b"+cites" if any(block.part.cites for block in blocks) else b""),
        "messages": b"messages" + _message_level(blocks, request, capability),
    }
    rolling = sha256(b"\0".join((scope, capability.id.encode(), request.mode.encode()))).digest()
    section = ""
    chain: list[bytes] = []
    for block in blocks:
        if block.section != section:
            section = block.section
            rolling = sha256(rolling + levels[section]).digest()
        rolling = sha256(rolling + block.part.digest).digest()
        chain.append(rolling[:DIGEST_BYTES])
    return tuple(chain)


class _ToolChoice(Struct):
    type: str = "auto"
    name: str = ""
    disable_parallel_tool_use: bool = False


class _Thinking(Struct):
    type: str = ""
    budget_tokens: int = 0


class _OutputConfig(Struct):
    effort: str = ""
    format: Raw | UnsetType = UNSET
    task_budget: Raw | UnsetType = UNSET


def _message_level(blocks: list[Block], request: Request, capability: Capabilities) -> bytes:
    """Parameters that invalidate the messages level; at their default they equal being absent."""
    members = request.members
    salt: list[bytes] = []
    if "tool_choice" in members:
        choice = _lenient(members["tool_choice"], _ToolChoice)
        if choice != _ToolChoice():
            salt.append(b"choice" + bytes(members["tool_choice"]))
    if "thinking" in members:
        thinking = _lenient(members["thinking"], _Thinking)
        default = "adaptive" if capability.thinking_default_on else "disabled"
        if thinking is None or thinking.type != default:
            salt.append(b"thinking" + bytes(members["thinking"]))
    if "output_config" in members:
        config = _lenient(members["output_config"], _OutputConfig) or _OutputConfig()
        if config.effort not in ("", capability.effort_default):
            salt.append(b"effort" + config.effort.encode())
        salt += [b"format" + bytes(config.format)] if config.format is not UNSET else []
        salt += [b"budget" + bytes(config.task_budget)] if config.task_budget is not UNSET else []
    if any(block.part.has_image for block in blocks):
        salt.append(b"images")
    return b"\0".join(salt)


def _lenient(raw: Raw, kind: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError:
        return None


class _Message(Struct):
    role: str = ""
    content: Raw = Raw()


class _Citations(Struct):
    enabled: bool = False


class _BlockHead(Struct):
    type: str = ""
    text: Raw | UnsetType = UNSET
    cache_control: Raw | UnsetType = UNSET
    citations: Raw | UnsetType = UNSET
    defer_loading: bool | None = None


_MESSAGE = msgspec.json.Decoder(_Message)
_HEAD = msgspec.json.Decoder(_BlockHead)
_LIST = msgspec.json.Decoder(list[Raw])


def _read_message(raw: Raw, at: int, family: TokenizerFamily) -> tuple[Part, ...]:
    try:
        message = _MESSAGE.decode(raw)
    except msgspec.DecodeError as error:
        raise InputError(f"messages.{at}: {error}") from None
    return _read_content(message.content, f"messages.{at}.content", family, message.role.encode())


def _read_content(raw: Raw, where: str, family: TokenizerFamily, role: bytes = b"") -> tuple[Part, ...]:
    if not len(raw) or raw == b"null":
        return ()
    first = bytes(memoryview(raw)[:1])
    if first == b'"':
        return (_text_part(raw, role, family, mark=None, is_string=True),)
    if first != b"[":
        raise InputError(f"{where}: Input should be a valid string or list of content blocks")
    return tuple(_read_block(block, "", family, role) for block in _LIST.decode(raw))


def _text_part(literal: Raw, role: bytes, family: TokenizerFamily, *, mark: Ttl | None, is_string: bool) -> Part:
    text = bytes(literal)
    estimate = estimate_block("text", text, family)
    return Part(
        kind="text",
        digest=_digest(role, b"text", text),
        tokens=estimate.tokens,
        upper=estimate.upper,
        mark=mark,
        markable=not text[1:-1].isspace() and len(text) > 2,
        is_string=is_string,
    )


def _read_block(raw: Raw, kind: str, family: TokenizerFamily, role: bytes = b"") -> Part:
    try:
        head = _HEAD.decode(raw)
    except msgspec.DecodeError as error:
        raise InputError(f"a content block or tool is not valid: {error}") from None
    mark = read_mark(head.cache_control) if head.cache_control is not UNSET else None
    if head.type == "text" and head.text is not UNSET and head.citations is UNSET:
        return _text_part(head.text, role, family, mark=mark, is_string=False)
    data = bytes(raw) if head.cache_control is UNSET else without_member(bytes(raw), "cache_control")
    kind = kind or head.type
    estimate = estimate_block(kind, data, family)
    return Part(
        kind=kind,
        digest=_digest(role, b"raw", data),
        tokens=estimate.tokens,
        upper=estimate.upper,
        mark=mark,
        markable=kind not in _UNMARKABLE and not head.defer_loading,
        has_image=kind == "image" or (kind == "tool_result" and b'"image"' in data),
        cites=head.citations is not UNSET and bool((_lenient(head.citations, _Citations) or _Citations()).enabled),
    )


def _digest(*pieces: bytes) -> bytes:
    return sha256(b"\0".join(pieces)).digest()[:DIGEST_BYTES]
