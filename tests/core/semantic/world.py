"""Questions as points on a line, few topics side by side on it, and an index for them: what stages need to be tried on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from thriftgate.core.semantic.shelf import Fresh, Vector
from thriftgate.core.semantic.slots import Slots
from thriftgate.core.semantic.stages import Event, Looked, Stages, Terms

NO_SLOTS = Slots("", ("a", "b"))
TERMS = Terms(0.1, audit=0.1, fill=60, items_max=400)
TOPICS, SPREAD = 12, 0.025  # one question in ten is nearest to one of another topic


class PlainIndex:
    """Points of a line: the nearer, the more alike. Vectors of several numbers have their cosine."""

    def __init__(self) -> None:
        self.rows: list[Sequence[float]] = []

    def add(self, vector: Vector) -> None:
        assert not isinstance(vector, dict)
        self.rows.append(vector)

    def settle(self) -> None:
        return

    def alike(self, vector: Vector, most: int) -> tuple[Sequence[float], Sequence[int]]:
        assert not isinstance(vector, dict)
        if len(vector) == 1:
            here = vector[0]
            found = [max(0.0, 1.0 - 16.0 * abs(row[0] - here)) for row in self.rows]
        else:
            found = [sum(a * b for a, b in zip(row, vector, strict=True)) for row in self.rows]
        return found, sorted(range(len(found)), key=found.__getitem__, reverse=True)[:most]

    def kept(self) -> list[bytes]:
        return [msgspec.msgpack.encode(row) for row in self.rows]

    def restored(self, kept: bytes) -> Vector:
        return msgspec.msgpack.decode(kept, type=tuple[float, ...])


class Asked(NamedTuple):
    """A question: where it stands, and its right answer."""

    vector: tuple[float, ...]
    label: bytes


def question(draw: random.Random) -> Asked:
    """Near the middle of its topic."""
    topic = draw.randrange(TOPICS)
    return Asked((topic / TOPICS + draw.gauss(0, SPREAD),), b"%d" % topic)


class Stream:
    """Questions through stages, one after the other. `turned`: the answers kept so far have become wrong."""

    def __init__(self, terms: Terms = TERMS, seed: int = 1) -> None:
        self.draw = random.Random(seed)
        self.stages = Stages(terms, PlainIndex())
        self.events: list[Event] = []
        self.served = self.wrong = self.calls = 0
        self.turned = False

    def ask(self, calls: int = 1, chance: float | None = None) -> Looked:
        """So many calls; what came of the last one."""
        for _ in range(calls):
            self.calls += 1
            asked = question(self.draw)
            label = asked.label + (b"'" if self.turned else b"")
            drawn = self.draw.random() if chance is None else chance
            looked = self.stages.look(asked.vector, NO_SLOTS, float(self.calls), drawn)
            if looked.hit is not None and not looked.audit:
                self.served += 1
                self.wrong += looked.hit.answer != label
                continue
            same = {item: self.stages.shelf.items[item].answer == label for item in looked.compare}
            fresh = Fresh(f"tg_{self.calls}", label, label)
            event = self.stages.learn(looked, asked.vector, NO_SLOTS, same, now_s=float(self.calls), fresh=fresh)
            if event is not None:
                self.events.append(event)
            if event in ("alarm", "worn out"):
                self.stages.clear(PlainIndex())
        return looked
