"""Breakpoints that the bill of their own call does not show, but that of a later one does.

A call that writes 25,000 tokens may have marked its prompt at 20,000 as well; its bill is the same. Once a later call reads
20,000 tokens that nobody is known to have cached up to there, somebody must have: the conversation's own call that wrote
through that depth, or, of a conversation that has just begun, that of the last one in its workspace.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from thriftgate.audit.replay.growth import ENDS_MAX, THREADS_MAX, Scope
from thriftgate.core.cache import TTL_S
from thriftgate.core.generations import Generations

RECENT_MAX = 64  # conversations of a workspace that are searched for one that wrote
STEPS_KEPT = 12  # of a conversation's calls, the first of them surely


class Step(NamedTuple):
    """What one call read and wrote. `thread` names its conversation, () where the log does not; depths in tokens: `cached`
    is how much of the prompt was read or written, `hour` how much of it for an hour or read."""

    call: int
    scope: Scope
    thread: tuple[str, ...]
    at_s: float
    read: int
    hour: int
    cached: int


class _Talk:
    """A conversation. `steps` are its calls (how deep it read, when, which), each deeper than the one before it and made
    later; so the last one that read less than a depth is the one that wrote through it. `marked` are depths it is known to
    mark, 0 where it has just begun and nothing is known."""

    __slots__ = ("at_s", "cached", "life_s", "marked", "session", "steps")

    def __init__(self, session: str) -> None:
        self.session = session
        self.steps: list[tuple[int, float, int]] = []
        self.marked: set[int] = set()
        self.at_s = 0.0
        self.life_s = TTL_S["5m"]
        self.cached = 0

    def went(self, step: Step) -> None:
        steps = self.steps
        if not steps and step.read:
            self.marked.add(step.read)
        elif step.at_s < self.at_s + self.life_s:  # what it could have read and did not is gone
            self.marked = {depth for depth in self.marked if depth <= step.read}
        while steps and steps[-1][0] >= step.read:
            steps.pop()
        if len(steps) >= STEPS_KEPT:
            del steps[-1]
        steps.append((step.read, step.at_s, step.call))
        self.at_s, self.cached = step.at_s, step.cached
        self.life_s = TTL_S["1h"] if step.hour > step.read else TTL_S["5m"]

    def writer(self, depth: int) -> tuple[float, int] | None:
        """When this depth was written through, and by which call."""
        if depth >= self.cached:
            return None
        return next(((at_s, call) for read, at_s, call in reversed(self.steps) if read < depth), None)


class _Hidden:
    def __init__(self) -> None:
        self.found: dict[int, list[int]] = {}
        self._talks: Generations[tuple[str, ...], _Talk] = Generations(THREADS_MAX)
        self._recent: dict[Scope, deque[_Talk]] = {}
        self._live: Generations[tuple[Scope, int], tuple[float, float]] = Generations(ENDS_MAX)

    def take(self, step: Step) -> None:
        name = (*step.scope, *step.thread)
        talk = self._talks.get(name) if step.thread else None
        near = self._recent.get(step.scope)
        if near is None:
            near = self._recent[step.scope] = deque(maxlen=4 * RECENT_MAX)
        if step.read:
            since_s, until_s = self._live.get((step.scope, step.read)) or (0.0, 0.0)
            if until_s <= step.at_s:
                if talk is not None:  # whatever else is known, what it reads it has
                    self._explain(step, [talk], 0.0, 0.0)
                if talk is None or step.at_s >= talk.at_s + talk.life_s:
                    self._explain(step, _others(step, near), since_s, until_s)
        if talk is None:
            talk = _Talk(step.thread[0] if step.thread else "")
            if step.thread:
                self._talks[name] = talk
        talk.went(step)
        near.append(talk)
        for depth in {step.read, step.hour, step.cached, *talk.marked}:
            if depth <= step.cached:
                self._lives(step.scope, depth, step.at_s, step.at_s + talk.life_s)

    def _explain(self, step: Step, talks: Iterable[_Talk], since_s: float, until_s: float) -> None:
        """Find the call that wrote what this one reads. One that read less while that was live has another prompt."""
        for talk in talks:
            wrote = talk.writer(step.read)
            if wrote is not None and not since_s <= wrote[0] < until_s:
                self.found.setdefault(wrote[1], []).append(step.read)
                talk.marked.add(step.read)
                self._lives(step.scope, step.read, wrote[0], talk.at_s + talk.life_s)
                return

    def _lives(self, scope: Scope, depth: int, from_s: float, until_s: float) -> None:
        since_s, known_s = self._live.get((scope, depth)) or (from_s, until_s)
        self._live[scope, depth] = (from_s if from_s >= known_s else min(since_s, from_s), max(known_s, until_s))


def _others(step: Step, near: deque[_Talk]) -> list[_Talk]:
    """The conversations of the workspace whose entries are live, those of the same session first, then the latest first;
    none of whose beginning more is known."""
    found: dict[int, _Talk] = {}
    for other in reversed(near):
        if step.at_s >= other.at_s + other.life_s or len(found) >= RECENT_MAX:
            break
        if not other.marked:
            found.setdefault(id(other), other)
    session = step.thread[0] if step.thread else None
    return sorted(found.values(), key=lambda other: other.session != session)


def hidden_marks(steps: Iterable[Step]) -> dict[int, list[int]]:
    """By call, the depths in tokens up to which it wrote unseen. `steps` in order of time."""
    hidden = _Hidden()
    for step in steps:
        if step.cached:
            hidden.take(step)
    return hidden.found
