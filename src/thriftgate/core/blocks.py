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
from thriftgate.core.splice import Path, without_member
from thriftgate.core.tokens import estimate_block

Section = Literal["tools", "system", "messages"]
DIGEST_BYTES = 16
_T = TypeVar("_T")
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


class Message(Struct):
    """The members of a message that are looked at."""

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


_MESSAGE = msgspec.json.Decoder(Message)
_HEAD = msgspec.json.Decoder(_BlockHead)
_LIST = msgspec.json.Decoder(list[Raw])


def read_message(raw: bytes | Raw, at: int, family: TokenizerFamily) -> tuple[Block, ...]:
    """The blocks of message `at`. Raises InputError, naming the place, for what is no message."""
    try:
        message = _MESSAGE.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"messages.{at}: {error}") from None
    parts = _read_content(message.content, f"messages.{at}.content", family, message.role.encode())
    return tuple(Block(part, "messages", at, item) for item, part in enumerate(parts))


def read_system(raw: bytes, family: TokenizerFamily) -> tuple[Block, ...]:
    """The blocks of the `system` member, string or list. Raises InputError."""
    return tuple(Block(part, "system", at) for at, part in enumerate(_read_content(Raw(raw), "system", family, b"")))


def read_tools(raw: bytes, family: TokenizerFamily) -> tuple[Block, ...]:
    """The tool definitions of the `tools` member, one block each. Raises InputError."""
    if raw == b"null":
        return ()
    try:
        tools = _LIST.decode(raw)
    except msgspec.DecodeError:
        raise InputError("tools: Input should be a valid list") from None
    return tuple(Block(_read_block(tool, f"tools.{at}", "tool", family), "tools", at) for at, tool in enumerate(tools))


def lenient(raw: bytes | Raw, kind: type[_T]) -> _T | None:
    """The value as `kind`, or None where it has another form: the provider will judge it."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _read_content(raw: Raw, where: str, family: TokenizerFamily, role: bytes) -> tuple[Part, ...]:
    first = bytes(memoryview(raw)[:1])
    if not first or raw == b"null":
        return ()
    if first == b'"':
        return (_text_part(raw, role, family, mark=None, is_string=True),)
    if first != b"[":
        raise InputError(f"{where}: Input should be a valid string or list of content blocks")
    return tuple(_read_block(block, where, "", family, role) for block in _LIST.decode(raw))


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


def _read_block(raw: Raw, where: str, kind: str, family: TokenizerFamily, role: bytes = b"") -> Part:
    try:
        head = _HEAD.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{where}: not a valid content block or tool: {error}") from None
    mark = read_mark(head.cache_control) if head.cache_control is not UNSET else None
    if head.type == "text" and head.text is not UNSET and head.citations is UNSET:
        return _text_part(head.text, role, family, mark=mark, is_string=False)
    data = bytes(raw) if head.cache_control is UNSET else without_member(bytes(raw), "cache_control")
    kind = kind or head.type
    estimate = estimate_block(kind, data, family)
    return Part(
        kind=kind,
        digest=digest_of(role, b"raw", data),
        tokens=estimate.tokens,
        upper=estimate.upper,
        mark=mark,
        markable=kind not in _UNMARKABLE and not head.defer_loading,
        has_image=kind == "image" or (kind == "tool_result" and b'"image"' in data),
        cites=head.citations is not UNSET and bool((lenient(head.citations, _Citations) or _Citations()).enabled),
    )


def digest_of(*pieces: bytes) -> bytes:
    """A cryptographic digest: prefix identity decides what is believed to be cached."""
    return sha256(b"\0".join(pieces)).digest()[:DIGEST_BYTES]
