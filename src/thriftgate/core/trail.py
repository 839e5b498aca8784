"""What of a prompt is kept in the books, so that its calls can be replayed: digests and token estimates, no text.

A conversation is appended to, so a trail names the call whose prompt it continues and holds the blocks that are new. Digests
begin with the key's own name (`read_prefix`), so that those of two keys never meet and none tells a text by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from thriftgate.core.blocks import Block, Section
from thriftgate.core.cache import Breakpoint
from thriftgate.core.generations import Generations
from thriftgate.core.prefix import Prefix
from thriftgate.core.request import Ttl

LOOKED_BACK = 64  # blocks from the end, for the prompt that this one continues: more are hardly added in one turn
ENDS_KEPT = 50_000  # of conversations that may go on
SECTIONS: tuple[Section, ...] = ("tools", "system", "messages")


class TrailBlock(Struct, frozen=True, array_like=True, gc=False):
    """One block: digest of everything up to it, where it stands, its own estimate in tokens (`framing`: what the provider
    adds before it)."""

    digest: bytes
    section: int
    kind: str
    index: int
    item: int
    tokens: int
    upper: int
    framing: int
    markable: bool = True


class Trail(Struct, frozen=True, array_like=True):
    """The prompt of one call: the first `shared` blocks of the call `parent`, and those behind them. `marks` are the
    breakpoints that the client set on blocks (block index, TTL), `marks_count` how many it set at all, `placed` those that
    were sent."""

    parent: str
    shared: int
    blocks: list[TrailBlock]
    marks: list[tuple[int, Ttl]]
    placed: list[tuple[int, Ttl]]
    marks_count: int = 0


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Trail)


class Trails:
    """Which call's prompt ended where. Owned by one engine; bounded."""

    def __init__(self) -> None:
        self._ends: Generations[bytes, tuple[str, int]] = Generations(ENDS_KEPT)

    def of(self, call: str, prefix: Prefix, framing: Sequence[int], placed: Sequence[Breakpoint]) -> bytes:
        """The trail of a call, to be booked with it. b"" where nothing of the prompt can be told."""
        chain = prefix.chain
        if not chain:
            return b""
        parent, shared = "", 0
        for at in range(len(chain) - 1, max(-1, len(chain) - 1 - LOOKED_BACK), -1):
            known = self._ends.get(chain[at])
            if known is not None:
                parent, shared = known[0], at + 1
                break
        fresh = range(shared, len(chain))
        blocks = [_written(prefix.blocks[at], chain[at], framing[at] if framing else 0) for at in fresh]
        self._ends[chain[-1]] = (call, len(chain))
        marks = list(prefix.marks()) if prefix.marks_count else []
        sent = [(mark.at, mark.ttl) for mark in placed]
        return _ENCODER.encode(Trail(parent, shared, blocks, marks, sent, prefix.marks_count))


def _written(block: Block, digest: bytes, framing: int) -> TrailBlock:
    part = block.part
    return TrailBlock(
        digest,
        SECTIONS.index(block.section),
        part.kind,
        block.index,
        block.item,
        part.tokens,
        part.upper,
        framing,
        part.markable,
    )


def read_trail(data: bytes) -> Trail:
    """The inverse of what `Trails.of` gives. Raises msgspec.DecodeError for anything else."""
    return _DECODER.decode(data)


def walk(trail: Trail, earlier: Sequence[TrailBlock] | None) -> tuple[TrailBlock, ...] | None:
    """All blocks of the prompt, where `earlier` are those of the call it continues; None where that is not there."""
    if not trail.parent:
        return tuple(trail.blocks)
    if earlier is None or len(earlier) < trail.shared:
        return None
    return (*earlier[: trail.shared], *trail.blocks)
