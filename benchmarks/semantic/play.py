"""One stream of questions through one shelf, with exact labels in the place of answers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from thriftgate.core.semantic.shelf import Fresh, Index, Vector
from thriftgate.core.semantic.slots import Slots
from thriftgate.core.semantic.stages import Stages, Terms


class Question(NamedTuple):
    """A question, what it is compared by, and which answer is right."""

    text: str
    label: str
    vector: Vector
    slots: Slots | None


class Played(NamedTuple):
    """What came of a stream. `served` are the answers from the shelf, `wrong` how many of them were; `first` the call from
    which on it answered at all; `served_after` and `calls_after` are of the last third of the stream."""

    calls: int
    served: int
    wrong: int
    audits: int
    first: int
    served_after: int
    calls_after: int
    stages: int
    alarms: int


def play(stream: Sequence[Question], terms: Terms, make_index: Callable[[], Index], seed: str) -> Played:
    """Every call in its order; what the model answers is the label."""
    draw, stages = random.Random(seed), Stages(terms, make_index())
    served = wrong = served_after = first = 0
    last_third = len(stream) * 2 // 3
    for at, one in enumerate(stream):
        if one.slots is None:
            continue
        looked = stages.look(one.vector, one.slots, float(at), draw.random())
        said = one.label.encode()
        if looked.hit is not None and not looked.audit:
            served += 1
            served_after += at >= last_third
            first = first or at
            wrong += looked.hit.answer != said
            continue
        same = {item: stages.shelf.items[item].answer == said for item in looked.compare}
        event = stages.learn(looked, one.vector, one.slots, same, now_s=float(at), fresh=Fresh(str(at), said, said))
        if event in ("alarm", "worn out"):
            stages.clear(make_index())
    after = len(stream) - last_third
    tally = stages.tally
    return Played(len(stream), served, wrong, tally.audits, first, served_after, after, len(stages.certified), tally.alarms)
