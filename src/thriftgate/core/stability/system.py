"""A system prompt with its volatile lines at the end.

Works on the JSON as it was written: pieces of string literals are cut and joined, never decoded and written anew, so that
escapes stay as they came.
"""

from __future__ import annotations

from collections import Counter

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.splice import Edit, apply, object_members
from thriftgate.core.stability.volatile import Line, is_fence, last_sentences, lines_of


class StableSystem(Struct, frozen=True):
    """The `system` member to send. `moved` lines went behind the rest; `split` where the end became a block of its own,
    which leaves the text as a whole as it was."""

    raw: bytes
    moved: int
    split: bool


class _Block:
    """A system block: its JSON, and where it is a text block with nothing else to it, its literal and lines."""

    __slots__ = ("lines", "literal", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.literal = _literal(raw)
        self.lines = lines_of(self.literal) if self.literal is not None else []

    @property
    def is_volatile(self) -> bool:
        """Whether it says nothing that stays."""
        return self.literal is not None and bool(self.lines) and all(line.volatile or line.blank for line in self.lines)

    def with_literal(self, literal: bytes) -> bytes:
        return apply(self.raw, [Edit(("text",), literal)]) if self.raw.startswith(b"{") else _text_block(literal)


def stable_system(raw: bytes) -> StableSystem | None:
    """The system prompt with volatile text behind the rest; None where it is so already, or where there is no rest.

    A volatile end is split off in place. A volatile line further up is moved only where it means the same at the end: its
    label says what it is, stands only once, and not in a fenced block. Raises InputError or what msgspec raises where the
    member cannot be read.
    """
    items = [Raw(raw)] if raw.startswith(b'"') else msgspec.json.decode(raw, type=list[Raw])
    blocks = [_Block(bytes(item)) for item in items]
    stable = len(blocks)
    while stable and blocks[stable - 1].is_volatile:
        stable -= 1
    if not stable:
        return None
    labels = Counter(line.label for block in blocks for line in block.lines if line.strong)
    head: list[bytes] = []
    moved: list[bytes] = []
    tail: list[bytes] = []
    for at, block in enumerate(blocks[:stable]):
        literal = block.literal
        if literal is None:
            head.append(block.raw)
            continue
        end = _tail_start(block) if at == stable - 1 else len(literal) - 1
        going = _movable(block, labels, end)
        moved += [_ended(literal[line.start : line.end]) for line in going]
        kept = _without(literal, going, end)
        if end < len(literal) - 1:
            tail.append(_text_block(b'"' + literal[end:]))
        if kept == literal:
            head.append(block.raw)
        elif len(kept) > 2:
            head.append(block.with_literal(kept))
    if not (moved or tail):
        return None
    together = [_text_block(b'"' + b"".join(moved) + b'"')] if moved else []
    rest = [block.raw if block.raw.startswith(b"{") else _text_block(block.raw) for block in blocks[stable:]]
    return StableSystem(b"[" + b",".join([*head, *together, *tail, *rest]) + b"]", len(moved), bool(tail))


def _tail_start(block: _Block) -> int:
    """Where the volatile end of a block that is not all volatile begins; the end of its text where it has none."""
    literal = block.literal or b'""'
    start = len(literal) - 1
    for line in reversed(block.lines):
        if line.volatile:
            start = line.start
        elif not line.blank:
            begin = last_sentences(literal, line)
            return start if begin is None else begin
    return start


def _movable(block: _Block, labels: Counter[tuple[str, ...]], end: int) -> list[Line]:
    """The lines before `end` that may go to the end of the prompt."""
    literal = block.literal or b'""'
    found: list[Line] = []
    fenced = False
    for line in block.lines:
        if line.start >= end:
            break
        if is_fence(literal, line):
            fenced = not fenced
        elif line.strong and not fenced and labels[line.label] == 1:
            found.append(line)
    return found


def _without(literal: bytes, going: list[Line], end: int) -> bytes:
    """The literal up to `end` without these lines. A block that would be left blank is left out altogether."""
    if not going and end == len(literal) - 1:
        return literal
    pieces: list[bytes] = []
    position = 1
    for line in going:
        pieces.append(literal[position : line.start])
        position = line.end
    pieces.append(literal[position:end])
    text = b"".join(pieces)
    blank = not msgspec.json.decode(b'"' + text + b'"', type=str).strip()
    return b'""' if blank and going else b'"' + text + b'"'


def _ended(line: bytes) -> bytes:
    return line if line.endswith(b"\\n") else line + b"\\n"


def _text_block(literal: bytes) -> bytes:
    return b'{"type":"text","text":' + literal + b"}"


def _literal(raw: bytes) -> bytes | None:
    """The text of a block that is a string, or a text block with no other member."""
    if raw.startswith(b'"'):
        return raw
    if not raw.startswith(b"{"):
        return None
    members = object_members(raw, 0, len(raw))
    if members.keys() != {"type", "text"}:
        return None
    kind, text = (raw[members[name].start : members[name].end] for name in ("type", "text"))
    return text if kind == b'"text"' and text.startswith(b'"') else None
