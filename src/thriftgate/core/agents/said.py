"""What one message of a conversation says: calls, results, texts, as digests.

Names of tools are kept as they are; inputs, results and texts only as digests.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.blocks import digest_of, lenient
from thriftgate.core.errors import InputError
from thriftgate.core.generations import Generations
from thriftgate.core.memo import Turn
from thriftgate.core.splice import without_member

MESSAGES = 10_000  # read before and recognised: about 6 MB
BITS = 2048  # that tell the calls of a conversation apart: of 300 calls, one in seven is taken for one that was made before
_ROLES = frozenset({"user", "assistant"})
_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")  # the API's own pattern, and what MCP adds
_WRAPPED = re.compile(r"\s*<(?=[A-Za-z]).*</[A-Za-z][\w:.-]*>\s*", re.DOTALL)
_FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_DIGITS = re.compile(r"\d+")


class Call(NamedTuple):
    """A tool with its input, whatever white space and order of keys that was written in. `tool` is "" where it is a text."""

    tool: str
    digest: bytes


class Result(NamedTuple):
    """What came back; `failed` as the tool said itself."""

    digest: bytes
    failed: bool = False


class Said(NamedTuple):
    """One message: calls and results with the id that ties them together, and digests: of its text, of what is fenced in it
    (else of all of it), and of what a person may have said in it (without digits; b"" where all is machine-made)."""

    role: str = ""
    calls: tuple[tuple[str, Call], ...] = ()
    results: tuple[tuple[str, Result], ...] = ()
    text: bytes = b""
    command: bytes = b""
    speech: bytes = b""


NOBODY = Said()


class _Message(Struct):
    role: str = ""
    content: Raw = Raw(b"null")


class _Block(Struct):
    type: str = ""
    id: str | None = None
    name: str | None = None
    input: Raw = Raw(b"null")
    tool_use_id: str | None = None
    content: Raw = Raw(b"null")
    is_error: bool | None = None
    text: str | None = None


class _Whole(Struct):
    """A message of the usual form."""

    role: str = ""
    content: str | list[_Block] = []


_VALUE = msgspec.json.Decoder()
_SORTED = msgspec.json.Encoder(order="deterministic")


class Reader:
    """Reads messages, each of them once: what it knows by the digests of its blocks is recognised. Bounded."""

    def __init__(self) -> None:
        self._known: Generations[bytes, Said] = Generations(MESSAGES)

    def said(self, turn: Turn) -> Said:
        noted = turn.said
        if isinstance(noted, Said):
            return noted
        name = b"".join([block.part.digest for block in turn.run.blocks])
        found = self._known.get(name) if name else NOBODY
        if found is None:
            found = self._known[name] = _read(turn.text[turn.lead :])
            self._known.charge(len(found.calls) + len(found.results))
        turn.said = found
        return found

    def made(self, turns: Sequence[Turn], at: int) -> int:
        """A bit for each call that was made up to `turns[at]`; calls may share one. Noted on the turns: each of them always
        stands behind the same ones."""
        known = at
        while known >= 0 and turns[known].made < 0:
            known -= 1
        made = turns[known].made if known >= 0 else 0
        for turn in turns[known + 1 : at + 1]:
            for _, call in self.said(turn).calls:
                made |= bit_of(call)
            turn.made = made
        return made


def bit_of(call: Call) -> int:
    """See `Reader.made`."""
    return 1 << int.from_bytes(call.digest[:2], "big") % BITS


def _read(message: bytes) -> Said:
    read = lenient(message, _Whole) or _read_pieces(message)
    if read.role not in _ROLES:
        return NOBODY
    if isinstance(read.content, str):
        return _texts(Said(read.role), [read.content])
    said = Said(
        read.role,
        tuple([(block.id or "", _call(block)) for block in read.content if block.type in _CALLS]),
        tuple([(block.tool_use_id, _result(block)) for block in read.content if block.tool_use_id is not None]),
    )
    return _texts(said, [block.text for block in read.content if block.type == "text" and block.text])


def _read_pieces(message: bytes) -> _Whole:
    """A message of another form, without the blocks that cannot be read."""
    read = lenient(message, _Message)
    if read is None:
        return _Whole()
    if bytes(memoryview(read.content)[:1]) == b'"':
        return _Whole(read.role, lenient(read.content, str) or "")
    raws = lenient(read.content, list[Raw]) or []
    return _Whole(read.role, [block for raw in raws if (block := lenient(raw, _Block)) is not None])


def _texts(said: Said, texts: Sequence[str]) -> Said:
    if not texts:
        return said
    whole = digest_of(*[text.encode() for text in texts])
    if said.role == "assistant":
        fenced = [code for text in texts for code in _FENCED.findall(text)]
        return said._replace(text=whole, command=digest_of(*[code.encode() for code in fenced]) if fenced else whole)
    spoken = [text for text in texts if text.strip() and not _WRAPPED.fullmatch(text)]
    speech = digest_of(*[_DIGITS.sub("", text).encode() for text in spoken]) if spoken else b""
    return said._replace(text=whole, speech=speech)


def _call(block: _Block) -> Call:
    name = block.name or ""
    return Call(name if _NAME.fullmatch(name) else "a tool", digest_of(name.encode(), _canonical(block.input)))


def _canonical(raw: Raw) -> bytes:
    """A JSON value whatever its white space and the order of its keys."""
    try:
        return _SORTED.encode(_VALUE.decode(raw))
    except (RecursionError, ValueError):
        return bytes(raw)


def _result(block: _Block) -> Result:
    """`"x"` and `[{"type": "text", "text": "x"}]` are one result; breakpoints are no part of it."""
    failed = bool(block.is_error)
    whole = lenient(block.content, str)
    if whole is not None:
        return Result(digest_of(whole.strip().encode()), failed)
    pieces: list[bytes] = []
    for raw in lenient(block.content, list[Raw]) or [block.content]:
        piece = lenient(raw, _Block)
        if piece is not None and piece.type == "text" and piece.text is not None:
            pieces.append(piece.text.strip().encode())
        else:
            pieces.append(_unmarked(bytes(raw)))
    return Result(digest_of(*pieces), failed)


def _unmarked(raw: bytes) -> bytes:
    if b'"cache_control"' not in raw:
        return raw
    try:
        return without_member(raw, "cache_control")
    except (InputError, ValueError):
        return raw
