"""Prompts made of named pieces, for tests of what is expected of them and of where their breakpoints go.

Two prompts share a prefix exactly as long as they begin with the same pieces, as with the digests of `read_prefix`.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from itertools import accumulate
from typing import NamedTuple

from thriftgate.core.blocks import Block, Part, Section, digest_of
from thriftgate.core.prefix import Prefix


class Piece(NamedTuple):
    """One block. In the messages each piece is a message of its own, unless it joins the one before."""

    name: str
    tokens: int = 1_000
    section: Section = "messages"
    kind: str = "text"
    markable: bool = True
    joins: bool = False


class Prompt(NamedTuple):
    """A prefix and the tokens up to each block's end."""

    prefix: Prefix
    cumulative: tuple[int, ...]


def prompt(*pieces: Piece | str) -> Prompt:
    """A plain name is a text message of 1,000 tokens."""
    return prompt_of([Piece(one) if isinstance(one, str) else one for one in pieces])


def system(name: str, tokens: int = 1_000) -> Piece:
    return Piece(name, tokens, "system")


def prompt_of(pieces: Sequence[Piece]) -> Prompt:
    rolling = b"nothing yet"
    blocks: list[Block] = []
    chain: list[bytes] = []
    index = item = -1
    for at, piece in enumerate(pieces):
        digest = digest_of(piece.section.encode(), piece.kind.encode(), piece.name.encode())
        rolling = sha256(rolling + digest).digest()[:16]
        part = Part(piece.kind, digest, piece.tokens, piece.tokens, markable=piece.markable)
        index, item = (index, item + 1) if piece.joins else (index + (piece.section == "messages"), 0)
        blocks.append(Block(part, piece.section, index if piece.section == "messages" else at, item))
        chain.append(rolling)
    return Prompt(Prefix(tuple(blocks), tuple(chain)), tuple(accumulate(piece.tokens for piece in pieces)))
