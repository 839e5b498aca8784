"""Content blocks: what each one is, read from its raw JSON.

`cache_control` is no part of a block's identity, and `"content": "x"` is the same block as
`[{"type": "text", "text": "x"}]` (platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-10).
"""

from __future__ import annotations

from hashlib import sha256
from typing import Literal, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from thriftgate.core.errors import InputError
from thriftgate.core.models import TokenizerFamily
from thriftgate.core.request import Ttl, read_mark
from thriftgate.core.splice import Edit, Path, apply, without_member
from thriftgate.core.tokens import estimate_block

Section = Literal["tools", "system", "messages"]
DIGEST_BYTES = 16
_T = TypeVar("_T")
WEB_TOOL = "web_tool"
"""Kind of the definition of web search or web fetch. The provider renders it with the system prompt: switching it leaves the
tools level valid (prompt-caching page, table "What invalidates what")."""
THINKING = frozenset({"thinking", "redacted_thinking"})
# What may carry a breakpoint: the prompt-caching page, and each `*BlockParam` with a `cache_control` in anthropic-sdk-python
# v2.11 `types/beta`. A kind that is not listed is never marked, since that could be a 400.
_MARKABLE = frozenset(
    {"tool", WEB_TOOL, "text", "image", "document", "search_result", "tool_use", "tool_result", "server_tool_use"}
    | {"web_search_tool_result", "web_fetch_tool_result", "code_execution_tool_result", "tool_search_tool_result"}
    | {"bash_code_execution_tool_result", "text_editor_code_execution_tool_result", "advisor_tool_result"}
    | {"mcp_tool_use", "mcp_tool_result", "container_upload", "compaction", "tool_addition", "tool_removal"}
)
_WEB_TOOLS = ("web_search_", "web_fetch_")
_ATTRIBUTION = b'"x-anthropic-billing-header:'


class Part(Struct, frozen=True, gc=False):
    """What one block is, independent of where it stands. `tokens` and `upper` are estimates, in tokens. `mark` is the TTL of
    the breakpoint on it; `mark_inside` where that stands on a piece of its content."""

    kind: str
    digest: bytes
    tokens: int
    upper: int
    mark: Ttl | None = None
    mark_inside: bool = False
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


class Run(Struct, frozen=True, gc=False):
    """Blocks that are read together: the tool list, the system prompt, or one message.

    `speaks` in a message of the user that is more than tool results; `thinks` where thinking was sent back, `compacts` where
    a compaction block was: both decide what the provider leaves out of the prompt. `marks_count` counts each
    `cache_control`, wherever it stands and whatever its form.
    """

    blocks: tuple[Block, ...] = ()
    has_image: bool = False
    cites: bool = False
    speaks: bool = False
    thinks: bool = False
    compacts: bool = False
    marks_count: int = 0


def run_of(blocks: tuple[Block, ...], raw: bytes | Raw, role: str = "") -> Run:
    """The run of these blocks, which were read from `raw`."""
    kinds = {block.part.kind for block in blocks}
    return Run(
        blocks,
        has_image=any([block.part.has_image for block in blocks]),  # noqa: C419  twice as fast as a generator
        cites=any([block.part.cites for block in blocks]),  # noqa: C419
        speaks=role == "user" and kinds > kinds & {"tool_result"},
        thinks=not kinds.isdisjoint(THINKING),
        compacts="compaction" in kinds,
        marks_count=bytes(raw).count(b'"cache_control"'),
    )


class Message(Struct):
    """The members of a message that are looked at."""

    role: str = ""
    content: Raw = Raw()


class _Citations(Struct):
    enabled: bool | None = None


class _BlockHead(Struct):
    type: str | None = None
    text: Raw | UnsetType = UNSET
    content: Raw | UnsetType = UNSET
    cache_control: Raw | UnsetType = UNSET
    citations: _Citations | list[Raw] | None = None
    defer_loading: bool | None = None


_MESSAGE = msgspec.json.Decoder(Message)
_HEAD = msgspec.json.Decoder(_BlockHead)
_LIST = msgspec.json.Decoder(list[Raw])
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_message(raw: bytes | Raw, at: int, family: TokenizerFamily) -> Run:
    """The blocks of message `at`. Raises InputError, naming the place, for what is no message."""
    try:
        message = _MESSAGE.decode(raw)
    except _UNREADABLE as error:
        raise InputError(f"messages.{at}: {error}") from None
    parts = _read_content(message.content, f"messages.{at}.content", family, message.role.encode())
    return run_of(tuple([Block(part, "messages", at, item) for item, part in enumerate(parts)]), raw, message.role)


def read_system(raw: bytes, family: TokenizerFamily) -> Run:
    """The blocks of the `system` member, string or list. Raises InputError.

    Claude Code's attribution block is left out: the provider takes it off before it looks into the cache, as long as it
    stands first and unmodified (gateway protocol reference, 2026-10).
    """
    parts = _read_content(Raw(raw), "system", family, b"")
    first = 1 if parts and _opens_with_attribution(raw) else 0
    return run_of(tuple(Block(part, "system", at) for at, part in enumerate(parts) if at >= first), raw)


def _opens_with_attribution(raw: bytes) -> bool:
    if _ATTRIBUTION not in raw or raw.startswith(b'"'):
        return raw.startswith(_ATTRIBUTION)
    text = _HEAD.decode(_LIST.decode(raw)[0]).text
    return text is not UNSET and bytes(text).startswith(_ATTRIBUTION)


def read_tools(raw: bytes, family: TokenizerFamily) -> Run:
    """The tool definitions of the `tools` member that are part of the prompt, one block each. Raises InputError.

    A tool with `defer_loading` is not: the model gets it in the conversation once it has been searched for
    (platform.claude.com/docs/en/agents-and-tools/tool-use/tool-search-tool, 2026-08).
    """
    if raw == b"null":
        return Run()
    try:
        tools = _LIST.decode(raw)
    except _UNREADABLE:
        raise InputError("tools: Input should be a valid list") from None
    blocks: list[Block] = []
    for at, tool in enumerate(tools):
        head = _head(tool, f"tools.{at}")
        if not head.defer_loading:
            kind = WEB_TOOL if (head.type or "").startswith(_WEB_TOOLS) else "tool"
            blocks.append(Block(_part(tool, head, kind, family, b""), "tools", at))
    return run_of(tuple(blocks), raw)


def lenient(raw: bytes | Raw, kind: type[_T]) -> _T | None:
    """The value as `kind`, or None where it has another form: the provider will judge it."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except _UNREADABLE:
        return None


def _read_content(raw: Raw, where: str, family: TokenizerFamily, role: bytes) -> tuple[Part, ...]:
    first = bytes(memoryview(raw)[:1])
    if not first or (len(raw) <= len(b"null") and bytes(raw) in (b"null", b'""')):
        return ()
    if first == b'"':
        return (_text_part(raw, role, family, mark=None, is_string=True),)
    if first != b"[":
        raise InputError(f"{where}: Input should be a valid string or list of content blocks")
    return tuple([_read_block(block, where, family, role) for block in _LIST.decode(raw)])


def _text_part(literal: Raw, role: bytes, family: TokenizerFamily, *, mark: Ttl | None, is_string: bool) -> Part:
    text = bytes(literal)
    estimate = estimate_block("text", text, family)
    return Part(
        kind="text",
        digest=digest_of(role, b"text", text),
        tokens=estimate.tokens,
        upper=estimate.upper,
        mark=mark,
        markable=len(text) > 2 and not text[1:-1].isspace(),
        is_string=is_string,
    )


def _head(raw: Raw, where: str) -> _BlockHead:
    try:
        return _HEAD.decode(raw)
    except _UNREADABLE as error:
        raise InputError(f"{where}: not a valid content block or tool: {error}") from None


def _read_block(raw: Raw, where: str, family: TokenizerFamily, role: bytes) -> Part:
    head = _head(raw, where)
    if head.type == "text" and head.text is not UNSET and not head.citations:
        mark = read_mark(head.cache_control) if head.cache_control is not UNSET else None
        return _text_part(head.text, role, family, mark=mark, is_string=False)
    return _part(raw, head, head.type or "", family, role)


def _part(raw: Raw, head: _BlockHead, kind: str, family: TokenizerFamily, role: bytes) -> Part:
    data = bytes(raw) if head.cache_control is UNSET else without_member(bytes(raw), "cache_control")
    mark = read_mark(head.cache_control) if head.cache_control is not UNSET else None
    inner: list[_BlockHead] = []
    nested: Ttl | None = None
    if kind == "tool_result" and head.content is not UNSET:
        inner = lenient(head.content, list[_BlockHead]) or []
        data, nested = _without_nested_marks(data, inner)
        mark = mark or nested
    estimate = estimate_block("tool" if kind == WEB_TOOL else kind, data, family)
    return Part(
        kind=kind,
        digest=digest_of(role, b"raw", data),
        tokens=estimate.tokens,
        upper=estimate.upper,
        mark=mark,
        mark_inside=nested is not None,
        markable=kind in _MARKABLE,
        has_image=kind == "image" or any(one.type == "image" for one in inner),
        cites=isinstance(head.citations, _Citations) and bool(head.citations.enabled),
    )


def _without_nested_marks(data: bytes, inner: list[_BlockHead]) -> tuple[bytes, Ttl | None]:
    """A tool result without the breakpoints inside its content, and the last of these: it stands for one on the result
    (accepted in practice; the page asks for the mark on the parent)."""
    marks = [(at, one.cache_control) for at, one in enumerate(inner) if one.cache_control is not UNSET]
    if not marks:
        return data, None
    nested = next((ttl for _, raw in reversed(marks) if (ttl := read_mark(raw))), None)
    return apply(data, [Edit(("content", at, "cache_control"), None) for at, _ in marks]), nested


def digest_of(*pieces: bytes) -> bytes:
    """A cryptographic digest: prefix identity decides what is believed to be cached."""
    return sha256(b"\0".join(pieces)).digest()[:DIGEST_BYTES]
