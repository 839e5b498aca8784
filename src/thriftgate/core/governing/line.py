"""Who goes next: fair between the clients' keys; of one key by priority, then by deadline and age.

The key that has had least goes first (start-time fair queueing: Goyal, Vin and Cheng, SIGCOMM 1996), so that a noisy key
delays itself and nobody else: one that sends less than its share hardly waits. A call of high priority counts a quarter of a
normal one, one of low priority four times as much. So what is urgent goes first, and nobody who calls everything urgent
starves the others.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from thriftgate.core.governing.gate import Need
from thriftgate.core.governing.told import FAMILIES

PRIORITIES: Mapping[str, int] = {"high": 0, "normal": 1, "low": 2}
_FACTOR = 4.0  # by which a call counts more than one of the next higher priority
_KEPT = 64  # keys that are remembered beyond those that wait


class Waiting:
    """A call in the line. `cost` is its share of what it takes most of, `number` its place by age."""

    __slots__ = ("cost", "deadline_s", "key", "need", "number", "present", "priority")

    def __init__(self, key: str, priority: int, need: Need, *, cost: float, deadline_s: float) -> None:
        self.key = key
        self.priority = priority
        self.need = need
        self.cost = cost * _FACTOR**priority
        self.deadline_s = deadline_s
        self.number = 0
        self.present = False


class Line:
    """The calls that wait at one gate."""

    def __init__(self) -> None:
        self._keys: dict[str, list[tuple[int, float, int, Waiting]]] = {}
        self._turns: list[tuple[float, int, str]] = []
        self._had: dict[str, float] = {}
        self._now = 0.0  # what the last one to go had had
        self._ending: list[tuple[float, int, Waiting]] = []
        self._numbers = 0
        self._amounts = [0.0] * FAMILIES
        self._of_key: dict[str, list[float]] = {}  # of each key that waits: how many calls, then their tokens

    def __len__(self) -> int:
        return round(self._amounts[0])

    def add(self, one: Waiting) -> None:
        """To its place; one that has been in the line before keeps its age."""
        self._numbers += 1
        one.number = one.number or self._numbers
        one.present = True
        waiting = self._keys.get(one.key)
        if waiting is None:
            waiting = self._keys[one.key] = []
            self._had[one.key] = max(self._now, self._had.get(one.key, 0.0))
            self._line_up(one.key)
        heapq.heappush(waiting, (one.priority, one.deadline_s, one.number, one))
        heapq.heappush(self._ending, (one.deadline_s, one.number, one))
        self._count(one, 1.0)

    def first(self) -> Waiting | None:
        """Who goes next; it stays in the line."""
        while self._turns:
            had, _, key = self._turns[0]
            waiting = self._keys.get(key)
            while waiting and not waiting[0][-1].present:
                heapq.heappop(waiting)
            if waiting and had == self._had[key]:
                return waiting[0][-1]
            heapq.heappop(self._turns)
            if waiting is not None and not waiting:
                del self._keys[key]
        return None

    def take(self, one: Waiting) -> None:
        """It goes: its key has had that much more."""
        self._now = self._had[one.key]
        self._had[one.key] += one.cost
        self._line_up(one.key)
        self.remove(one)
        if len(self._had) > 2 * len(self._keys) + _KEPT:
            self._had = {key: had for key, had in self._had.items() if key in self._keys or had > self._now}

    def remove(self, one: Waiting) -> None:
        """It waits no longer."""
        if one.present:
            one.present = False
            self._count(one, -1.0)

    def overdue(self, now_s: float) -> Waiting | None:
        """One whose time is over."""
        found = self._soonest()
        return found if found is not None and found.deadline_s <= now_s else None

    def next_deadline_s(self) -> float:
        """When the next one's time is over."""
        found = self._soonest()
        return found.deadline_s if found is not None else float("inf")

    def ahead(self, key: str, need: Need) -> list[float]:
        """How much, by family, goes at most before a call of this key and with it: all that waits, or as much of each key
        that waits as of this one."""
        own = self._of_key.get(key, [0.0] * FAMILIES)
        keys = len(self._of_key) + (key not in self._of_key)
        mine = [own[family] + need.of(family) for family in range(FAMILIES)]
        everybody = [self._amounts[family] + need.of(family) for family in range(FAMILIES)]
        return [min(one * keys, all_) for one, all_ in zip(mine, everybody, strict=True)]

    def _soonest(self) -> Waiting | None:
        while self._ending:
            if self._ending[0][-1].present:
                return self._ending[0][-1]
            heapq.heappop(self._ending)
        return None

    def _line_up(self, key: str) -> None:
        self._numbers += 1
        heapq.heappush(self._turns, (self._had[key], self._numbers, key))

    def _count(self, one: Waiting, sign: float) -> None:
        own = self._of_key.setdefault(one.key, [0.0] * FAMILIES)
        for family in range(FAMILIES):
            amount = sign * one.need.of(family)
            self._amounts[family] += amount
            own[family] += amount
        if own[0] < 0.5:  # the number of its calls
            del self._of_key[one.key]
            if not self._of_key:  # what is left of sums of fractions
                self._amounts = [0.0] * FAMILIES
