"""The questions of one scope that were answered, and which of them comes nearest to a new one.

That a stored question is near says less than how much nearer it is than any with another answer. So answers that say the
same are one group, and a match tells three things: how alike it is, how alike the nearest of another group, and how much
of the neighbourhood stands behind its group. Only a question with equal slots can be a match; rivals are any.

The shelf only grows. What it was at some time is its first so many items, so one search answers for all of these times.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nlargest
from typing import NamedTuple, Protocol

from msgspec import Struct

from thriftgate.core.semantic.slots import Slots, swapped

NEIGHBOURS = 10
LOOKED_AT = 32


class Index(Protocol):
    """Vectors in the order in which they came. What a vector is, is between it and its encoder."""

    def add(self, vector: Vector) -> None: ...

    def settle(self) -> None:
        """From now on what two vectors have in common must not change any more."""

    def alike(self, vector: Vector, most: int) -> tuple[Sequence[float], Sequence[int]]:
        """How alike each of them is, 0 to 1; and which are the most alike, at most so many, the nearest first."""

    def kept(self) -> list[bytes]:
        """Each vector, to be written down."""

    def restored(self, kept: bytes) -> Vector:
        """What was written down. Raises ValueError, or msgspec's errors."""


class Item(Struct):
    """One answered question. `answer` is whatever its owner kept of it, `said` a digest of what that says; `call` the id of
    the call that was answered. One that is `dead` answers no more, and keeps its place."""

    slots: str
    words: tuple[str, ...]
    group: int
    born_s: float
    call: str
    said: bytes
    answer: bytes
    dead: bool = False


class Fresh(NamedTuple):
    """An answer of the model's, as an item has it."""

    call: str
    said: bytes
    answer: bytes


class Match(NamedTuple):
    """The nearest item that may answer, and how near it is: itself, the nearest of another group, and the share of the
    neighbourhood that is of its group."""

    item: int
    alike: float
    rival: float
    backed: float


class Weights(NamedTuple):
    """How a match is scored."""

    rival: float
    backed: float

    def score(self, match: Match) -> float:
        return match.alike - self.rival * match.rival + self.backed * match.backed


WEIGHTS = (Weights(0.8, 0.2), Weights(0.8, 1.0), Weights(0.0, 1.0), Weights(0.0, 0.0))
"""Of these the pilot of a stage picks the one that sorts best (measured: benchmarks/semantic)."""


class Shelf:
    """One scope's."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self.items: list[Item] = []
        self._slots: dict[str, list[int]] = {}
        self._said: dict[bytes, int] = {}
        self._groups = 0

    def __len__(self) -> int:
        return len(self.items)

    def settle(self) -> None:
        self._index.settle()

    def add(self, vector: Vector, slots: Slots, new: Fresh, *, like: int | None, born_s: float) -> None:
        """One more. `like` is an item whose answer was found to say the same."""
        twin = self._said.get(new.said) if like is None else like
        group = self.items[twin].group if twin is not None else self._groups
        self._groups = max(self._groups, group + 1)
        self._put(vector, Item(slots.key, slots.words, group, born_s, new.call, new.said, new.answer))

    def put_back(self, item: Item, kept: bytes) -> None:
        """One that was written down. Raises ValueError, or msgspec's errors."""
        self._groups = max(self._groups, item.group + 1)
        self._put(self._index.restored(kept), item)

    def vectors(self) -> list[bytes]:
        return self._index.kept()

    def matches(self, vector: Vector, slots: Slots, sizes: Sequence[int]) -> list[Match | None]:
        """The match among the first so many items, for each of these sizes."""
        if not self.items:
            return [None for _ in sizes]
        alike, top = self._index.alike(vector, 2 * LOOKED_AT)
        same = self._slots.get(slots.key, ())
        return [self._match(alike, same, top, slots, size) for size in sizes]

    def _match(
        self, alike: Sequence[float], same: Sequence[int], top: Sequence[int], slots: Slots, size: int
    ) -> Match | None:
        found = max((at for at in same if at < size), key=alike.__getitem__, default=None)
        if found is None or alike[found] <= 0 or swapped(slots.words, self.items[found].words):
            return None
        near = [at for at in top if at < size]
        if len(near) < LOOKED_AT and size > len(near):
            near = nlargest(LOOKED_AT, range(size), key=alike.__getitem__)
        near = near[:LOOKED_AT]
        group = self.items[found].group
        rival = next((at for at in near if self.items[at].group != group), near[-1] if len(near) < size else None)
        votes = near[:NEIGHBOURS]
        whole = sum(alike[at] for at in votes)
        behind = sum(alike[at] for at in votes if self.items[at].group == group)
        backed = behind / whole if whole > 0 else 0.0
        return Match(found, alike[found], max(0.0, alike[rival]) if rival is not None else 0.0, backed)

    def _put(self, vector: Vector, item: Item) -> None:
        self._index.add(vector)
        self._slots.setdefault(item.slots, []).append(len(self.items))
        self._said.setdefault(item.said, len(self.items))
        self.items.append(item)


Vector = dict[int, float] | Sequence[float]
