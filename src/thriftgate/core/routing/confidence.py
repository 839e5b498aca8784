"""How sure we may be that an answer of the cheap arm is right, from what the answer gives away: a cascade asks the strong
arm where this is low.

Claude gives no log-probabilities. What is left are signals such as `truncated`, `schema_valid`, `self_agrees` or `verifier`
(`signals.py`), each a number by name. A logistic regression adds them up; where the examples were many, the chance is the
mean of the logistic one and of a rising staircase through the examples (isotonic regression). It is fitted in
`quality/fitting.py`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from math import exp, isfinite

from msgspec import Struct

FAR = 3.0
"""Signals further than this many deviations from the usual count as this far."""


class Signal(Struct, frozen=True):
    """The weight of one signal, in deviations from the usual; `missing` is added where an answer does not have it."""

    usual: float
    deviation: float
    weight: float
    missing: float


class Confidence(Struct, frozen=True):
    """A fitted confidence. `steps` are sums (rising) and `chances` what holds there, with a straight line between two steps;
    with no steps the logistic chance holds alone."""

    base: float
    signals: Mapping[str, Signal]
    steps: tuple[float, ...] = ()
    chances: tuple[float, ...] = ()

    def of(self, signals: Mapping[str, float]) -> float:
        """Chance that the answer is right. Unknown signals are ignored; missing ones, and such as are no number, count as
        missing did among the examples."""
        total = self.base
        for name, one in self.signals.items():
            value = signals.get(name)
            if value is None or not isfinite(value):
                total += one.missing
            else:
                total += one.weight * min(FAR, max(-FAR, (value - one.usual) / one.deviation))
        chance = 1.0 / (1.0 + exp(-min(30.0, max(-30.0, total))))
        return (chance + self._stair(total)) / 2 if self.steps else chance

    def _stair(self, total: float) -> float:
        after = bisect_right(self.steps, total)
        if after in (0, len(self.steps)):
            return self.chances[max(0, after - 1)]
        left, right = self.steps[after - 1], self.steps[after]
        share = (total - left) / (right - left)
        return self.chances[after - 1] + share * (self.chances[after] - self.chances[after - 1])
