"""How many more turns a conversation will have: survival by turns so far, learned per application.

Most conversations are short and few of them are long, so that the longer one has gone on the longer it is likely to go on.
Turns are cut into ranges; each range has a hazard: the chance that a conversation which has come to a turn of it has no next
one. A conversation has ended when nothing more was heard of it for half a day.

What was learned is sums: it can be kept, and merged with what another process learned.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from thriftgate.core.generations import Generations

STARTS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144)
"""The first turn of each range."""
SILENCE_S = 43_200.0
HALF_LIFE_S = 7 * 86_400.0
WEIGHT = 6.0  # observations that the level above counts for
GROWS_FIRST_GUESS = 1_500.0  # tokens a turn; of 300 coding sessions half grow by less than 700, the mean is near 1,900
_ALL = b""
_APPS_MAX = 4_096
_WAITING_MAX = 50_000
_HOUR_S = 3_600.0


class Lengths(Struct, array_like=True):
    """Of one application, decayed to `at_s`: per range of turns, how many turns were followed to their outcome, and how many
    of them were the last."""

    at_s: float
    turns: list[float]
    last: list[float]

    def decay(self, now_s: float) -> None:
        """Let what is old count less."""
        factor = 0.5 ** ((now_s - self.at_s) / HALF_LIFE_S)
        self.turns = [value * factor for value in self.turns]
        self.last = [value * factor for value in self.last]
        self.at_s = now_s


class _Awaited:
    """A turn whose next one is awaited."""

    __slots__ = ("app", "at_s", "conversation", "followed", "turn")

    def __init__(self, app: bytes, conversation: bytes, turn: int, at_s: float) -> None:
        self.app = app
        self.conversation = conversation
        self.turn = turn
        self.at_s = at_s
        self.followed = False


class Further:
    """Owned by one engine; bounded; time comes with each call.

    What became of a turn is booked after half a day, whether another one followed or not: to book the ones at once and the
    others late would make conversations look longer than they are.
    """

    def __init__(self) -> None:
        self._lengths: Generations[bytes, Lengths] = Generations(_APPS_MAX)
        self._open: Generations[bytes, _Awaited] = Generations(_WAITING_MAX)
        self._waiting: deque[_Awaited] = deque()

    def turn(self, app: bytes, conversation: bytes, turn: int, now_s: float) -> None:
        """A conversation of this application has sent its turn of this number, counted from 1."""
        self.pass_time(now_s)
        before = self._open.get(conversation)
        if before is not None:
            before.followed = True
        awaited = self._open[conversation] = _Awaited(app, conversation, max(1, turn), now_s)
        self._waiting.append(awaited)
        if len(self._waiting) > _WAITING_MAX:
            self._waiting.popleft()  # goes unbooked: nothing is learned of it

    def pass_time(self, now_s: float) -> None:
        """Book what has become of turns by now."""
        while self._waiting and self._waiting[0].at_s + SILENCE_S <= now_s:
            awaited = self._waiting.popleft()
            for app in (_ALL, awaited.app):
                self._book(app, awaited, now_s)
            if not awaited.followed:
                self._open.discard(awaited.conversation)

    def hazards(self, app: bytes) -> Sequence[float]:
        """Per range of turns, the chance that a turn of it is the last. The chance of so many turns more is the product of
        what each of them leaves."""
        hazards: Sequence[float] = _PRIOR
        for level in (_ALL, app):
            known = self._lengths.get(level)
            if known is not None:
                each = zip(known.turns, known.last, hazards, strict=True)
                hazards = [(last + WEIGHT * above) / (turns + WEIGHT) for turns, last, above in each]
        return hazards

    def expected(self, app: bytes, turn: int) -> float:
        """How many turns are expected after this one."""
        hazards = self.hazards(app)
        alive, turns = 1.0, 0.0
        for at in range(_range(turn), len(STARTS) - 1):
            goes_on = 1.0 - hazards[at]
            lives = goes_on ** (STARTS[at + 1] - max(turn, STARTS[at]))
            turns += alive * goes_on * (1.0 - lives) / hazards[at]
            alive *= lives
        return turns + alive * (1.0 - hazards[-1]) / hazards[-1]

    def kept(self) -> bytes:
        """What is worth keeping over a restart. Turns that wait for their outcome are not."""
        return msgspec.msgpack.encode(list(self._lengths.recent(_APPS_MAX)))

    def restore(self, data: bytes) -> None:
        """Add what `kept` gave to what is known. Raises ValueError for anything else, and then takes in nothing of it."""
        kept = msgspec.msgpack.decode(data, type=list[tuple[bytes, Lengths]])
        for _, lengths in kept:
            if len(lengths.turns) != len(STARTS) or len(lengths.last) != len(STARTS):
                raise ValueError(f"kept lengths have {len(lengths.turns)} and {len(lengths.last)} ranges, not {len(STARTS)}")
        for app, lengths in reversed(kept):
            known = self._of(app, lengths.at_s)
            later_s = max(known.at_s, lengths.at_s)
            known.decay(later_s)
            lengths.decay(later_s)
            known.turns = [mine + theirs for mine, theirs in zip(known.turns, lengths.turns, strict=True)]
            known.last = [mine + theirs for mine, theirs in zip(known.last, lengths.last, strict=True)]

    def _of(self, app: bytes, now_s: float) -> Lengths:
        known = self._lengths.get(app)
        if known is None:
            known = self._lengths[app] = Lengths(now_s, [0.0] * len(STARTS), [0.0] * len(STARTS))
        return known

    def _book(self, app: bytes, awaited: _Awaited, now_s: float) -> None:
        known = self._of(app, now_s)
        if now_s - known.at_s > _HOUR_S:
            known.decay(now_s)
        at = _range(awaited.turn)
        known.turns[at] += 1.0
        known.last[at] += not awaited.followed


def growth(gained: int, turns: int) -> float:
    """Tokens that a turn is expected to add to the prompt of a conversation that gained so many in so many turns."""
    return (gained + 5 * GROWS_FIRST_GUESS) / (turns + 5)


def _range(turn: int) -> int:
    return bisect_right(STARTS, turn) - 1


_PRIOR = tuple(max(0.02, 1.0 / (2 + start)) for start in STARTS)
"""Believed before anything was seen: three of ten conversations end with each of their first turns, few that are long."""
