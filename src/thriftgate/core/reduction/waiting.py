"""What is saved by doing it later: the value of waiting with a cut of the history, and of cutting again.

After each turn the conversation goes on with the chance `again`, and each turn's prompt costs `grows` more than that of the
turn before, until it is cut. Costs are counted above those of a prompt that has just been cut, in any one unit; a cut costs
`loss` more in its turn than going on as is. With that the best plan is to cut whenever a turn costs a certain amount too
much (optimal stopping with a geometric rest of life; without an end to come it is the square-root rule of stock-keeping:
every sqrt(2 loss / grows) turns).

    again 1, grows 70, loss 19,000: every 23 turns, when a turn costs 1,600 too much
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

_TURNS_MAX = 4_096  # a longer cycle than that is none: the history is never cut again
_LIKELY_MAX = 1.0 - 1e-6
_FAR = 1e-3  # a turn that comes with a smaller chance is never


class Rest(NamedTuple):
    """The rest of a conversation: chance of another turn after each, what each costs more than the one before, and what a
    cut costs when its time comes."""

    again: float
    grows: float
    loss: float


def chance(further: float) -> float:
    """Of another turn, where so many are expected."""
    return min(max(0.0, further) / (1.0 + max(0.0, further)), _LIKELY_MAX)


def cycle(rest: Rest) -> tuple[float, int]:
    """What all turns after a cut are expected to cost above a prompt that was just cut, with the best number of turns until
    each next cut; and that number."""
    again, grows, loss = rest.again, rest.grows, max(rest.loss, 0.0)
    if again <= 0.0 or grows <= 0.0:
        return 0.0, _TURNS_MAX
    low, high = 1, _TURNS_MAX  # the cost falls, then rises with the number of turns
    while low < high:
        middle = (low + high) // 2
        if _each(again, grows, loss, middle) <= _each(again, grows, loss, middle + 1):
            high = middle
        else:
            low = middle + 1
    return _each(again, grows, loss, low), low


def waiting(excess: float, rest: Rest, after: float) -> tuple[float, int]:
    """What it is expected to cost to go on as is and to cut at the best later turn, and in how many turns that is; 0 for
    never. This turn costs `excess` too much; `after` is what `cycle` gave."""
    again, grows, loss = rest
    if again <= 0.0:
        return 0.0, 0
    ends = 1.0 - again
    never = again * (excess / ends + grows / ends**2)
    bar = ends / again * (loss + after) - grows  # cut as soon as a turn costs that much too much
    if grows > 0.0:
        turns = max(1, ceil((bar - excess) / grows))
    elif excess >= bar:
        turns = 1
    else:
        return never, 0
    if again**turns < _FAR:
        return never, 0
    cost = _sent(again, excess, grows, turns) + again**turns * (loss + after)
    return (cost, turns) if cost <= never else (never, 0)


def _each(again: float, grows: float, loss: float, turns: int) -> float:
    """A cut every so many turns."""
    lives = again**turns
    return (_sent(again, 0.0, grows, turns) + lives * loss) / (1.0 - lives)


def _sent(again: float, excess: float, grows: float, turns: int) -> float:
    """The next turns, which cost `excess` and each time `grows` more too much: the sum of again^i (excess + i grows)."""
    ends, lives = 1.0 - again, again**turns
    once = again * (1.0 - lives) / ends
    rising = again * (1.0 - (turns + 1) * lives + turns * lives * again) / ends**2
    return excess * once + grows * rising
