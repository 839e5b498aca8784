"""How much quality is at stake where the cheap arm serves a request in place of the strong one: a score read in a fraction
of a millisecond, in plain Python.

One or two logistic heads are added up: the chance of a loss, or the chance that the strong arm is right less the chance that
the cheap one is. In each of them the task speaks first; words and numbers of the prompt may shift it by `TEXT_LOGITS` at
most, so that a few words appended to a prompt to reach another model cannot outweigh what is known of its task. It is fitted
in `quality/fitting.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import repeat
from math import exp, sqrt

from msgspec import Struct

from thriftgate.core.routing.features import Features

TEXT_LOGITS = 2.0
FAR = 3.0
"""Numbers further than this many deviations from the usual count as this far."""


class Head(Struct, frozen=True):
    """One chance, by logistic regression, taken `times` in the sum. `tasks` are shifts by task, `words` weights by bucket,
    `numbers` weights of the numbers in deviations from the usual."""

    times: float
    base: float
    tasks: Mapping[str, float]
    words: Mapping[int, float]
    numbers: tuple[float, ...]


class Scorer(Struct, frozen=True):
    """A fitted score. `version` is that of the features it reads; `usual` and `deviation` are those of the numbers."""

    version: int
    heads: tuple[Head, ...]
    usual: tuple[float, ...]
    deviation: tuple[float, ...]

    def score(self, features: Features) -> float:
        """Estimated net loss of quality, -1 to 1, of serving this with the cheap arm: lower is safer."""
        numbers = [
            min(FAR, max(-FAR, (value - usual) / deviation))
            for value, usual, deviation in zip(features.numbers, self.usual, self.deviation, strict=True)
        ]
        shrink = 1.0 / sqrt(len(features.words) or 1)
        total = 0.0
        for head in self.heads:
            text = sum(map(head.words.get, features.words, repeat(0.0))) * shrink
            text += sum(map(float.__mul__, head.numbers, numbers))
            logit = head.base + head.tasks.get(features.task, 0.0) + min(TEXT_LOGITS, max(-TEXT_LOGITS, text))
            total += head.times / (1.0 + exp(-logit))
        return total

    def knows(self, features: Features) -> bool:
        """Whether the task was among the examples. Of others nothing is known: they belong to the strong arm."""
        return any(features.task in head.tasks for head in self.heads)
