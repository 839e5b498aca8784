"""The signature of a loop: one run that calls on and on at machine pace, its prompt the same or ever longer.

Every agent does that for a while. A prompt that stays the same to within a few tokens, call after call, is a loop soon;
one that grows is one only when it has gone on for much longer than any run of this key came to before it stopped,
paused, or began anew with a shorter prompt. A key without a past is held against the other keys'.
"""

from __future__ import annotations

from msgspec import Struct

from thriftgate.core.anomalies.call import Call
from thriftgate.core.generations import Generations

PAUSE_S = 45.0  # between calls: longer is somebody thinking
SHORTER = 0.98  # of the prompt before: less is a new beginning
ALIKE, ALIKE_TOKENS = 0.001, 32  # of the prompt, and tokens: so much more or less is the same
ALIKE_LEAST = 60  # calls in a row
CALLS_LEAST = 250
CALLS_COUNTED = 8  # shorter streaks say nothing of how long they get
STREAKS_KNOWN = 12  # that a key has to have ended before it is held against its own
TIMES = 2.0  # the longest streak that ended by itself
RUNS_MAX = 4_096
KEYS_MAX = 4_096

RunId = tuple[str, str, str]


class Streak(Struct):
    """Of one run: calls since `began_s`, what they cost, and how many of the last ones were alike. `told`: it was raised."""

    began_s: float
    last_s: float
    prompt: int
    calls: int = 1
    cost_pico: int = 0
    alike: int = 1
    alike_most: int = 1
    told: bool = False


class Longest(Struct):
    """The longest streaks of a key that ended by themselves, in calls, this week and the last."""

    calls: int = 0
    before: int = 0
    alike: int = 0
    alike_before: int = 0
    ended: int = 0

    def turn(self) -> None:
        """A week is over."""
        self.before, self.calls = self.calls, 0
        self.alike_before, self.alike = self.alike, 0

    def take(self, streak: Streak) -> None:
        """One that ended by itself."""
        self.ended += 1
        self.calls = max(self.calls, streak.calls)
        self.alike = max(self.alike, streak.alike_most)


class KeptStreaks(Struct):
    """What is kept of all."""

    runs: list[tuple[RunId, Streak]]
    keys: list[tuple[str, Longest]]
    longest: Longest


class Streaks:
    """Of all keys, bounded: runs that were not seen for long are forgotten first."""

    def __init__(self) -> None:
        self._runs: Generations[RunId, Streak] = Generations(RUNS_MAX)
        self._keys: Generations[str, Longest] = Generations(KEYS_MAX)
        self._longest = Longest()

    def see(self, call: Call) -> bool:
        """Whether with this call it is a loop, and not told yet."""
        run = (call.key, call.task, call.run)
        streak = self._runs.get(run)
        prompt = call.read + call.write + call.plain
        now_s = call.settled_s
        if streak is None:
            self._runs[run] = Streak(now_s, now_s, prompt, 1, call.cost_pico)
            return False
        before = streak.prompt
        if now_s - streak.last_s > PAUSE_S or prompt < SHORTER * before:
            if streak.calls >= CALLS_COUNTED and not streak.told:
                self._ended(call.key, streak)
            streak.began_s, streak.calls, streak.cost_pico, streak.told = now_s, 0, 0, False
            streak.alike = streak.alike_most = 0
        elif abs(prompt - before) > ALIKE * before + ALIKE_TOKENS:
            streak.alike_most = max(streak.alike_most, streak.alike)
            streak.alike = 0
        streak.last_s, streak.prompt = now_s, prompt
        streak.calls += 1
        streak.alike += 1
        streak.cost_pico += call.cost_pico
        if streak.told or (streak.alike < ALIKE_LEAST and streak.calls < CALLS_LEAST):
            return False
        known = self._known(call.key)
        alike = TIMES * max(known.alike, known.alike_before)
        return (streak.alike >= ALIKE_LEAST and streak.alike >= alike) or (
            streak.calls >= CALLS_LEAST and streak.calls >= TIMES * max(known.calls, known.before)
        )

    def at(self, run: RunId) -> Streak | None:
        """The streak that a run is in."""
        return self._runs.get(run)

    def longest(self, key: str) -> int:
        """The most calls in a row that ended by themselves: of this key, or of any while little is known of it."""
        known = self._known(key)
        return max(known.calls, known.before)

    def _known(self, key: str) -> Longest:
        own = self._keys.get(key)
        return self._longest if own is None or own.ended < STREAKS_KNOWN else own

    def kept(self, runs_max: int) -> KeptStreaks:
        """The newest of it."""
        runs, keys = list(self._runs.recent(runs_max))[::-1], list(self._keys.recent(runs_max))[::-1]
        return KeptStreaks(runs, keys, self._longest)

    def restore(self, kept: KeptStreaks) -> None:
        """Go on from there."""
        self._longest = kept.longest
        for run, streak in kept.runs:
            self._runs[run] = streak
        for key, longest in kept.keys:
            self._keys[key] = longest

    def turn(self) -> None:
        """A week is over."""
        for _, each in self._keys.recent(KEYS_MAX):
            each.turn()
        self._longest.turn()

    def _ended(self, key: str, streak: Streak) -> None:
        streak.alike_most = max(streak.alike_most, streak.alike)
        longest = self._keys.get(key)
        if longest is None:
            longest = self._keys[key] = Longest()
        longest.take(streak)
        self._longest.take(streak)
