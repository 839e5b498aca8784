"""What most stores do: one threshold, set by hand once, over a store that grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.semantic.play import Question
from thriftgate.core.semantic.shelf import Index

THRESHOLDS = (0.8, 0.9)


class Fixed(NamedTuple):
    """What came of a stream."""

    calls: int
    served: int
    wrong: int


def play_fixed(stream: Sequence[Question], threshold: float, make_index: Callable[[], Index]) -> Fixed:
    """The nearest question's answer is given wherever it is at least so near; every other call is made, and kept."""
    index, labels = make_index(), list[str]()
    served = wrong = 0
    for one in stream:
        alike = index.alike(one.vector) if labels else ()
        nearest = max(range(len(labels)), key=alike.__getitem__, default=None)
        if nearest is not None and alike[nearest] >= threshold:
            served += 1
            wrong += labels[nearest] != one.label
            continue
        index.add(one.vector)
        labels.append(one.label)
    return Fixed(len(stream), served, wrong)
