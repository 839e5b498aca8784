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
        alike, top = index.alike(one.vector, 1) if labels else ((), ())
        if top and alike[top[0]] >= threshold:
            served += 1
            wrong += labels[top[0]] != one.label
            continue
        index.add(one.vector)
        labels.append(one.label)
    return Fixed(len(stream), served, wrong)
