"""What a metric came to, slot by slot of time, of one rule and one of those that it looks at apart."""

from __future__ import annotations

from thriftgate.core.alerting.metrics import Cell, Metric, Seen, value_of


class Series:
    """Slots of `width_us`; those older than `keep_us` are forgotten. Only slots with calls take room."""

    __slots__ = ("_cells", "_keep", "_width_us", "first_us", "last_us", "metric")

    def __init__(self, metric: Metric, width_us: int, keep_us: int) -> None:
        self.metric = metric
        self.first_us = 0  # when its oldest call was settled, of those ever taken
        self.last_us = 0
        self._width_us = width_us
        self._keep = -(-keep_us // width_us) + 1
        self._cells: dict[int, Cell] = {}

    def take(self, seen: Seen) -> None:
        """Some calls more. Those that are too old count for nothing."""
        slot = seen.at_us // self._width_us
        if self.last_us and slot < self.last_us // self._width_us - self._keep:
            return
        cell = self._cells.get(slot)
        if cell is None:
            cell = self._cells[slot] = Cell()
            self._forget()
        cell.take(self.metric, seen)
        self.first_us = min(self.first_us or seen.at_us, seen.at_us)
        self.last_us = max(self.last_us, seen.at_us)

    def over(self, since_us: int, until_us: int) -> tuple[int, float | None]:
        """Calls, and the metric, over all slots of which any part lies in the span."""
        first, last = since_us // self._width_us, (until_us - 1) // self._width_us
        if last - first < len(self._cells):
            slots = [self._cells[slot] for slot in range(first, last + 1) if slot in self._cells]
        else:
            slots = [cell for slot, cell in self._cells.items() if first <= slot <= last]
        return value_of(self.metric, slots)

    def values(self, since_us: int, until_us: int) -> list[float]:
        """The sums of the whole slots of a span, in order of time; the first is that in which it begins."""
        first, last = since_us // self._width_us, until_us // self._width_us
        return [float(self._cells[slot].part) if slot in self._cells else 0.0 for slot in range(first, last)]

    def _forget(self) -> None:
        if len(self._cells) > self._keep + 1:
            for slot in sorted(self._cells)[: len(self._cells) - self._keep - 1]:
                del self._cells[slot]
