"""Where the mean of bounded observations lies, told after every observation, and when it is known well enough.

A confidence sequence: the interval holds the mean at all times at once with a chance of at least 1 − α, so one may look as
often as one likes and stop when it is narrow enough, or when it excludes a limit. Each candidate mean is bet against,
upwards and downwards; a candidate that loses more than 2/α is out for good (Waudby-Smith and Ramdas, "Estimating means of
bounded random variables by betting", https://arxiv.org/abs/2010.09686, 2020-10-19). No assumption on the distribution, and
the observations need not be alike, only of one mean given those before.

Bets are fixed shares of the largest safe one, so that what is held against a candidate falls from one candidate to the next.
The ends are therefore exact but for the grid, and rounded outwards to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import pi, sin
from typing import Literal

from msgspec import Struct

ALPHA = 0.05
POINTS = 300
_BETS = (0.004, 0.015, 0.05, 0.14, 0.35, 0.75)
_ROUNDING = 1e-12

Side = Literal["above", "below"]


class Interval(Struct, frozen=True):
    """Both ends belong to it."""

    low: float
    high: float

    def excludes(self, value: float) -> bool:
        return not self.low <= value <= self.high


class _Edge:
    """One end: candidates from one bound inwards, and what the bets hold against those that are not out. Works on 0…1 with
    the candidates rising; the other end is the mirror."""

    __slots__ = ("_needed", "first", "held", "points")

    def __init__(self, points: list[float], needed: float) -> None:
        self.points, self.first, self._needed = points, 0, needed * len(_BETS)
        self.held = [[1.0] * len(points) for _ in _BETS]

    @property
    def at(self) -> float:
        """The last candidate that is out, 0 if none is."""
        return self.points[self.first - 1] if self.first else 0.0

    def see(self, x: float) -> None:
        points = self.points[self.first :]
        ratios = [x / point for point in points]
        self.held = [
            [held * (1.0 - bet + bet * ratio) for held, ratio in zip(row, ratios, strict=True)]
            for bet, row in zip(_BETS, self.held, strict=True)
        ]
        out = 0
        while out < len(points) and sum(row[out] for row in self.held) >= self._needed:
            out += 1
        if out:
            self.first += out
            self.held = [row[out:] for row in self.held]

    def forget_beyond(self, point: float) -> None:
        """Candidates that the other end has put out need no more bets."""
        while self.points and self.points[-1] > point and len(self.points) > self.first + 1:
            self.points.pop()
            for row in self.held:
                row.pop()


class BettingSequence:
    """The confidence sequence of one mean. `at` names candidates that must be told exactly, such as a limit."""

    def __init__(
        self,
        lowest: float = 0.0,
        highest: float = 1.0,
        *,
        alpha: float = ALPHA,
        points: int = POINTS,
        at: Iterable[float] = (),
    ) -> None:
        if not lowest < highest or not 0 < alpha < 1 or points < 2:
            raise ValueError(f"bounds {lowest} to {highest}, alpha {alpha}, {points} points: out of range")
        self._lowest, self._width = lowest, highest - lowest
        named = {self._scaled(one) for one in at}
        grid = sorted(
            {sin(pi / 2 * step / points) ** 2 for step in range(1, points)} | {one for one in named if 0 < one < 1}
        )
        self._low = _Edge(list(grid), 2 / alpha)
        self._high = _Edge([1.0 - point for point in reversed(grid)], 2 / alpha)
        self.seen = 0

    @property
    def interval(self) -> Interval:
        low, high = sorted((self._low.at, 1.0 - self._high.at))  # they may cross where the data broke the promise
        return Interval(self._lowest + low * self._width, self._lowest + high * self._width)

    def see(self, x: float) -> Interval:
        """Take in one observation. Raises ValueError for one outside the bounds."""
        scaled = self._scaled(x)
        if not 0 <= scaled <= 1:
            raise ValueError(f"observation {x}: must be from {self._lowest} to {self._lowest + self._width}")
        self._low.see(scaled)
        self._high.see(1.0 - scaled)
        self._low.forget_beyond(1.0 - self._high.at)
        self._high.forget_beyond(1.0 - self._low.at)
        self.seen += 1
        return self.interval

    def side(self, limit: float) -> Side | None:
        """Where the mean is known to lie. To be asked of a limit that was named at first: others are rounded to the grid."""
        scaled = self._scaled(limit)
        if self._low.first and self._low.at >= scaled - _ROUNDING:
            return "above"
        if self._high.first and 1.0 - self._high.at <= scaled + _ROUNDING:
            return "below"
        return None

    def _scaled(self, x: float) -> float:
        return (x - self._lowest) / self._width
