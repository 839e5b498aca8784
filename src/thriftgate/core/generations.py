"""A bounded map that forgets what was not used for long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Generic, TypeVar

_K = TypeVar("_K")
_V = TypeVar("_V")


class Generations(Generic[_K, _V]):
    """Two dicts, the older one dropped when the newer is full: cheaper than an ordered LRU, since a hit in the newer half
    writes nothing. Holds at most `entries_max` entries, at least half of them the most recently used."""

    __slots__ = ("_extra", "_half", "_new", "_old")

    def __init__(self, entries_max: int) -> None:
        if entries_max < 2:
            raise ValueError(f"entries_max must be at least 2, not {entries_max}")
        self._half = entries_max // 2
        self._extra = 0
        self._new: dict[_K, _V] = {}
        self._old: dict[_K, _V] = {}

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def get(self, key: _K) -> _V | None:
        value = self._new.get(key)
        if value is None:
            value = self._old.pop(key, None)
            if value is not None:
                self[key] = value
        return value

    def __setitem__(self, key: _K, value: _V) -> None:
        if len(self._new) + self._extra >= self._half and key not in self._new:
            self.age()
        self._old.pop(key, None)
        self._new.pop(key, None)  # written again it stands last
        self._new[key] = value

    def charge(self, entries: int) -> None:
        """Count what hangs on the newest entry as so many more: where values are of unequal size, memory stays bounded."""
        self._extra += entries

    def age(self) -> None:
        """Forget what was not used since the last time, or since the newer half was full."""
        self._old, self._new, self._extra = self._new, {}, 0

    def discard(self, key: _K) -> None:
        self._new.pop(key, None)
        self._old.pop(key, None)

    def recent(self, entries_max: int) -> Iterator[tuple[_K, _V]]:
        """The entries, last written first, at most so many."""
        entries = chain(reversed(self._new.items()), reversed(self._old.items()))
        return islice(entries, entries_max)

    def among(self, keys: Sequence[_K]) -> dict[_K, _V]:
        """The known ones of these keys. Does not count as use, so that it costs one look-up a key."""
        new, old = self._new, self._old
        found = {key: new[key] for key in filter(new.__contains__, keys)} if new else {}
        if old and len(found) < len(keys):
            found.update({key: old[key] for key in filter(old.__contains__, keys)})
        return found


class Ageing:
    """When it is time for generations to age: what was not used for `every_s` goes, and nothing stays for longer than twice
    that. What a process takes then follows from its traffic, not from how long it runs."""

    __slots__ = ("_every_s", "_last_s")

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._last_s: float | None = None

    def is_due(self, now_s: float) -> bool:
        """Whether they are to age now; not again before that time has passed."""
        if self._last_s is None or now_s - self._last_s >= self._every_s:
            first, self._last_s = self._last_s is None, now_s
            return not first
        return False
