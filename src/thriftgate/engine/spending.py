"""What each key has spent on this UTC day: for rules that ask. Advice, not a budget: calls under way are not in it."""

from __future__ import annotations

import msgspec

from thriftgate.core.cost import day_of
from thriftgate.core.generations import Generations

KEYS = 10_000


class Spending:
    """One per engine."""

    def __init__(self) -> None:
        self._spent: Generations[str, tuple[int, int]] = Generations(KEYS)  # day, pico-USD

    def add(self, key: str, pico: int, now_s: float) -> None:
        self._spent[key] = (day_of(now_s), self.of(key, now_s) + pico)

    def of(self, key: str, now_s: float) -> int:
        """Pico-USD of today."""
        day, pico = self._spent.get(key) or (0, 0)
        return pico if day == day_of(now_s) else 0

    def kept(self) -> bytes:
        """What was spent, to be restored at the next start."""
        return msgspec.msgpack.encode(list(self._spent.recent(KEYS)))

    def restore(self, data: bytes) -> None:
        """Take in what `kept` gave. Raises msgspec's errors."""
        for key, spent in reversed(msgspec.msgpack.decode(data, type=list[tuple[str, tuple[int, int]]])):
            self._spent[key] = spent
