"""The last values of a stream of whole numbers, in order of arrival and in order of size."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence


class Recent:
    """The last `most` of them; four bytes each, twice. From −2^31 to 2^31 − 1."""

    __slots__ = ("arrived", "most", "ranked")

    def __init__(self, most: int) -> None:
        self.most = most
        self.arrived = array("i")
        self.ranked = array("i")

    def __len__(self) -> int:
        return len(self.arrived)

    def add(self, value: int) -> int | None:
        """The value that had to go for it, if any."""
        gone = self.drop() if len(self.arrived) >= self.most else None
        self.arrived.append(value)
        insort(self.ranked, value)
        return gone

    def drop(self) -> int:
        """The oldest, forgotten. Raises IndexError where there is none."""
        oldest = self.arrived.pop(0)
        del self.ranked[bisect_left(self.ranked, oldest)]
        return oldest

    def above(self, value: int) -> Sequence[int]:
        """Those that are larger, the smallest first."""
        return self.ranked[bisect_right(self.ranked, value) :]
