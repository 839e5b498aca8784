"""A shelf at work, written down and taken up again: the same certificates, the same evidence, the same items.

Holds questions (as vectors and slots) and answers, so whoever writes it down seals it.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.semantic.shelf import Index, Item, Match
from thriftgate.core.semantic.stages import Stage, Stages, Tally, Terms


class _Kept(Struct, array_like=True, forbid_unknown_fields=True):
    terms: Terms
    encoder: str
    tally: Tally
    tests: int
    frozen: int
    settled: int
    next_look: int
    certified: list[Stage]
    watched: Stage | None
    pilot: list[tuple[Match, bool]]
    detector: bytes
    items: list[Item]
    vectors: list[bytes]


def kept(stages: Stages, encoder: str) -> bytes:
    """All of it; `encoder` names what made the vectors."""
    return msgspec.msgpack.encode(
        _Kept(
            stages.terms,
            encoder,
            stages.tally,
            stages.tests,
            stages.frozen,
            stages.settled,
            stages.next_look,
            stages.certified,
            stages.watched,
            list(stages.pilot),
            stages.detector.kept(),
            stages.shelf.items,
            stages.shelf.vectors(),
        )
    )


def restored(data: bytes, terms: Terms, encoder: str, index: Index) -> Stages:
    """Go on from what `kept` gave. Raises ValueError (msgspec's errors are) for anything else, and for what was learned
    under other terms or by another encoder: a certificate speaks of these alone. How long answers are given is no such
    term."""
    found = msgspec.msgpack.decode(data, type=_Kept)
    if replace(found.terms, ttl_s=terms.ttl_s) != terms or found.encoder != encoder:
        raise ValueError("it was learned under other terms, or by another encoder: begin anew")
    if len(found.items) != len(found.vectors) or not 0 <= found.settled <= len(found.items):
        raise ValueError("items and vectors do not fit")
    stages = Stages(found.terms, index)
    for at, (item, vector) in enumerate(zip(found.items, found.vectors, strict=True), start=1):
        stages.shelf.put_back(item, vector)
        if at == found.settled:
            stages.shelf.settle()
    stages.tally, stages.tests, stages.frozen = found.tally, found.tests, found.frozen
    stages.settled, stages.next_look = found.settled, found.next_look
    stages.certified, stages.watched = found.certified, found.watched
    stages.pilot.extend(found.pilot)
    stages.detector.restore(found.detector)
    return stages
