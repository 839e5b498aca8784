"""Does the promise hold? Audited calls, verdict by verdict, against what was certified; an alarm takes an artefact, or one
of its tasks, out of service.

Without a judge two answers are compared, and one that differs counts against the limit that calibration set: how often the
two models were not both right where the cheap one was to serve. With a judge, what counts is by how much the cheap answers
fall short of the target. Either way the alarm may be asked after every audit and is false with a chance of at most `ALPHA`
within `HORIZON` audits (`core/sequential/detector.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from thriftgate.core.routing.artefact import Artefact
from thriftgate.core.sequential.detector import ALPHA, HORIZON, Detector, shortfall
from thriftgate.core.sequential.intervals import BettingSequence, Interval
from thriftgate.core.sequential.mix import MixMonitor

Verdict = Literal["same", "different", "cheap better", "strong better"]
SHIFTS_TOLD = 3
TASKS_ALPHA = 0.5  # of α goes to all tasks together, the rest to the artefact as a whole


class Tally(Struct):
    """Verdicts so far, of one artefact or of one of its tasks."""

    same: int = 0
    different: int = 0
    cheap_better: int = 0
    strong_better: int = 0

    def count(self, verdict: Verdict) -> None:
        name = verdict.replace(" ", "_")
        setattr(self, name, getattr(self, name) + 1)

    @property
    def audits(self) -> int:
        return self.same + self.different + self.cheap_better + self.strong_better


class Alarm(Struct, frozen=True):
    """What is to be taken out of service: a task of an artefact, or ("") all of it, and the evidence in words."""

    artefact: str
    task: str
    evidence: str


class _Kept(Struct):
    tallies: dict[str, Tally]
    detectors: dict[str, bytes]
    mix: bytes


class Watch:
    """Over one artefact. `judged`: verdicts come from a judge."""

    def __init__(self, artefact: Artefact, *, judged: bool) -> None:
        self.artefact = artefact
        self.judged = judged
        self.tallies: dict[str, Tally] = {}
        self._detectors: dict[str, Detector] = {}
        self._tasks = max(1, len(artefact.tasks))
        self._differing = BettingSequence(0.0, 1.0)  # since this process began
        self._mix = MixMonitor(artefact.mix) if artefact.mix else None

    @property
    def differing(self) -> Interval:
        """How often answers differ, all tasks together: an interval that may be looked at any time."""
        return self._differing.interval

    def came(self, task: str) -> Alarm | None:
        """A call of that task has come, whoever serves it. Tasks that calibration has not seen are the strong model's, and
        change nothing for the others."""
        mix = self._mix
        if mix is None or mix.alarmed or task not in self.artefact.mix or not mix.see(task):
            return None
        moved = ", ".join(f"{name or 'others'} {by:+.0%}" for name, by in list(mix.shifts().items())[:SHIFTS_TOLD])
        return Alarm(self.artefact.id, "", f"its calls come in another mix than in calibration ({moved}): calibrate again")

    def see(self, task: str, verdict: Verdict) -> Alarm | None:
        """Take in the verdict on a call that the cheap arm has served."""
        self._differing.see(float(verdict != "same"))
        alarm = None
        for scope in (task, "") if task in self.artefact.tasks else ("",):
            self.tallies.setdefault(scope, Tally()).count(verdict)
            detector = self._detector(scope)
            was = detector.alarmed
            if detector.see(self._observed(verdict)) and not was:
                alarm = Alarm(self.artefact.id, scope, self._evidence(scope, detector))
        return alarm

    def kept(self) -> bytes:
        """What is worth keeping over a restart."""
        detectors = {scope: detector.kept() for scope, detector in self._detectors.items()}
        return msgspec.msgpack.encode(_Kept(self.tallies, detectors, self._mix.kept() if self._mix is not None else b""))

    def restore(self, data: bytes) -> None:
        """Go on from what `kept` gave. Raises ValueError (msgspec's errors are) for anything else."""
        kept = msgspec.msgpack.decode(data, type=_Kept)
        for scope, evidence in kept.detectors.items():
            self._detector(scope).restore(evidence)
        if self._mix is not None and kept.mix:
            self._mix.restore(kept.mix)
        self.tallies = kept.tallies

    def _detector(self, scope: str) -> Detector:
        found = self._detectors.get(scope)
        if found is None:
            alpha = ALPHA * TASKS_ALPHA / self._tasks if scope else ALPHA * (1 - TASKS_ALPHA)
            if self.judged:
                found = Detector.for_difference(alpha=alpha)
            else:
                found = Detector.for_losses(self.artefact.limit_for(scope), alpha=alpha)
            self._detectors[scope] = found
        return found

    def _observed(self, verdict: Verdict) -> float:
        if not self.judged:
            return float(verdict != "same")
        strong, cheap = {"strong better": (1.0, 0.0), "cheap better": (0.0, 1.0)}.get(verdict, (1.0, 1.0))
        return shortfall(self.artefact.target, strong, cheap)

    def _evidence(self, scope: str, detector: Detector) -> str:
        tally = self.tallies[scope]
        where = f"task {scope}" if scope else "all tasks"
        if self.judged:
            told = f"the strong answer was better {tally.strong_better} times and the cheap one {tally.cheap_better} times"
        else:
            told = f"{tally.different} differed, where calibration allows {self.artefact.limit_for(scope):.1%}"
            if not scope:
                told += f" (surely between {self.differing.low:.1%} and {self.differing.high:.1%})"
        proof = f"evidence e^{detector.evidence:.1f} of e^{detector.needed:.1f}"
        return f"of {tally.audits} audited calls ({where}) {told}; {proof}"


def tallies_in(data: bytes) -> Mapping[str, Tally]:
    """The verdicts in what `Watch.kept` gave, by task. Raises msgspec's errors."""
    return msgspec.msgpack.decode(data, type=_Kept).tallies


def by_task(found: Iterable[Mapping[str, Tally]]) -> dict[str, Tally]:
    """The verdicts on each task, of all artefacts together. Those without a task are left out."""
    told: dict[str, Tally] = {}
    for tallies in found:
        for task, one in tallies.items():
            if task:
                sums = (mine + more for mine, more in zip(astuple(told.get(task, Tally())), astuple(one), strict=True))
                told[task] = Tally(*sums)
    return told


class Delay(Struct, frozen=True):
    """Audits until the alarm: half of all runs need at most `median`, 95 % at most `most`."""

    median: int
    most: int


def delay_of(limit: float, rate: float, draw: Callable[[], float], *, runs: int = 400) -> Delay:
    """How soon it is noticed that answers differ at `rate` where `limit` is allowed, all tasks together: by simulation.

    `draw` gives numbers in [0, 1). Runs that see no alarm within `HORIZON` audits count as that long. Raises ValueError for
    rates that are none.
    """
    if not limit < rate <= 1:
        raise ValueError(f"a rate of {rate} is no rise over the limit of {limit}")
    found: list[int] = []
    for _ in range(runs):
        detector = Detector.for_losses(limit, alpha=ALPHA * (1 - TASKS_ALPHA))
        while not detector.see(float(draw() < rate)) and detector.seen < HORIZON:
            pass
        found.append(detector.seen)
    found.sort()
    return Delay(found[runs // 2], found[min(runs - 1, int(runs * 0.95))])
