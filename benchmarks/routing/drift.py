"""Are changes seen soon, and is nothing cried that is none? Monitors of audited losses, replayed shifts, the hold-out
interval.

losses     simulated audits against a limit of 2 %: how often each rule cries falsely within 5,000, and after how many audits
it            sees a rate that rises from 1.2 % to 4, 6 and 10 % shifts     public outcomes: traffic of easy tasks turns to
hard ones, all served by the cheap model, 5 % audited hold-out   conversations whose costs have heavy tails: how often the
interval of the saving misses the truth
"""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import exp, sqrt
from typing import Any, Protocol

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict

from benchmarks.cache.goals import Goal
from benchmarks.cache.report import align
from benchmarks.routing.data import DataSet
from thriftgate.core.sequential.detector import Detector, shortfall
from thriftgate.quality.holdout import Holdout, Unit

SPLITS = 500
LIMIT, BELOW = 0.02, 0.012
RISES = (0.04, 0.06, 0.10)
AUDITS, SETTLED = 5_000, 1_000  # audits of a run without a change, and before one
FALSE_ALARMS = 0.05
DELAYS = ((850, 600), (300, 220), (110, 80))  # audits; must and aim
OURS, KNOWING = "e-detector", "a bet on the very rate that comes"
_STUDY_BETS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)

# Requests before a shift, requests until it is whole, and whether it must be seen in time. Half of the audits that the alarm
# is set for are 50,000 requests; after fewer, the total is over sooner.
SHIFTS = ((50_000, 0, True), (50_000, 20_000, True), (20_000, 0, False))
AUDITED = 0.05
OVER = 0.01
IN_TIME = 0.95
THETAS = (0.98, 0.95, 0.9, 0.8)
WITHIN = 0.6  # of the margin: a certified policy's loss
_SEGMENT = 60_000  # requests drawn at most after a shift

SAVING = 0.4
UNITS = 4_000
HELD_OUT = 0.1
COVERAGE = 0.95


_Row = np.ndarray[Any, np.dtype[np.float64]]


class Alarms(Struct, frozen=True):
    """One rule. Shares of runs with a false alarm at the limit and below it; mean audits until each rise was seen."""

    rule: str
    runs: int
    at_limit: float | None
    below: float | None
    delays: tuple[float | None, ...]


class Shift(Struct, frozen=True):
    """One replayed shift. `before` and `after` are net losses, `margin` what the promise allows before the shift; `early` is
    the share of runs with an alarm before it, `in_time` that of the others whose alarm came before the policy's total had
    fallen short by a point more than promised. Medians of requests after the shift: until the alarm, and until then."""

    name: str
    must: bool
    theta: float
    margin: float
    before: float
    after: float
    runs: int
    early: float
    in_time: float
    alarm_at: float
    over_at: float


class Covered(Struct, frozen=True):
    """One kind of cost. Shares of streams whose interval held the truth at a random stop, and at every look; of those that
    told an interval at the stop; the median width at the end."""

    costs: str
    streams: int
    at_stop: float
    at_all: float
    told: float
    width: float


class Figures(Struct, frozen=True):
    alarms: Sequence[Alarms]
    shifts: Sequence[Shift]
    covered: Sequence[Covered]
    seed: int


class Rule(Protocol):
    def see(self, x: float, /) -> bool: ...


class Rolling:
    """The mean of the last 200 over the limit by two standard errors."""

    def __init__(self, limit: float = LIMIT, window: int = 200) -> None:
        self._last: deque[float] = deque(maxlen=window)
        self._most = window * limit + 2 * sqrt(window * limit * (1 - limit))
        self._sum = 0.0

    def see(self, x: float) -> bool:
        full = len(self._last) == self._last.maxlen
        self._sum += x - (self._last[0] if full else 0.0)
        self._last.append(x)
        return len(self._last) == self._last.maxlen and self._sum > self._most


class Blocks:
    """A z-test of each hundred, two standard errors."""

    def __init__(self, limit: float = LIMIT, size: int = 100) -> None:
        self._size, self._most = size, size * limit + 2 * sqrt(size * limit * (1 - limit))
        self._seen, self._sum = 0, 0.0

    def see(self, x: float) -> bool:
        self._seen, self._sum = self._seen + 1, self._sum + x
        if self._seen % self._size:
            return False
        over, self._sum = self._sum > self._most, 0.0
        return over


def measure(sets: Sequence[DataSet] = (), *, seed: int = 1, splits: int = SPLITS) -> Figures:
    """All three; `splits` scales how many runs."""
    return Figures(
        list(_alarms(seed, splits)),
        [one for data in sets for one in _shifts(data, seed, max(10, splits // 2))],
        [_covered(costs, seed, splits) for costs in _COSTS],
        seed,
    )


def _told(text: str) -> None:
    print(f"drift: {text}", file=sys.stderr, flush=True)


# --- losses ------------------------------------------------------------------------------------------------------------


def _alarms(seed: int, splits: int) -> Iterator[Alarms]:
    study = partial(Detector, LIMIT, (0.0, 1.0), _STUDY_BETS, (1.0,) * 8, horizon=AUDITS, alpha=FALSE_ALARMS)
    rules: tuple[tuple[str, Callable[[], Rule], int], ...] = (
        ("rolling mean of 200, 2 s.e.", Rolling, 1),
        ("z-test per 100", Blocks, 1),
        ("e-detector of eight bets", study, 1),
        (OURS, partial(Detector.for_losses, LIMIT, horizon=AUDITS, alpha=FALSE_ALARMS), 10),
    )
    for name, rule, times in rules:
        _told(name)
        delays = tuple(_delay(rule, rate, seed, splits * min(2, times)) for rate in RISES)
        at_limit, below = _cries(rule, LIMIT, seed, splits * times), _cries(rule, BELOW, seed, splits)
        yield Alarms(name, splits * times, at_limit, below, delays)
    _told(KNOWING)
    yield Alarms(KNOWING, splits, None, None, tuple(_delay(partial(_knowing, rate), rate, seed, splits) for rate in RISES))


def _knowing(rate: float) -> Detector:
    """What no rule can know; shown for how near to it the others come."""
    bet = (rate - LIMIT) / (1 - LIMIT)
    return Detector(LIMIT, (0.0, 1.0), [bet], [1.0], horizon=AUDITS, alpha=FALSE_ALARMS, whole=True)


def _cries(rule: Callable[[], Rule], rate: float, seed: int, runs: int) -> float:
    return sum(_first(rule(), random.Random(f"{seed} {rate} {run}"), rate, AUDITS) is not None for run in range(runs)) / runs


def _delay(rule: Callable[[], Rule], rate: float, seed: int, runs: int) -> float | None:
    """Mean over the runs without an alarm before the change; those never seen count with all their audits."""
    delays = []
    for run in range(runs):
        watching, draw = rule(), random.Random(f"{seed} {rate} rise {run}")
        if _first(watching, draw, BELOW, SETTLED) is None:
            delays.append(_first(watching, draw, rate, AUDITS) or AUDITS)
    return sum(delays) / len(delays) if delays else None


def _first(rule: Rule, draw: random.Random, rate: float, audits: int) -> int | None:
    """The audit of the first alarm, from 1."""
    see, uniform = rule.see, draw.random
    return next((audit for audit in range(1, audits + 1) if see(1.0 if uniform() < rate else 0.0)), None)


# --- shifts ------------------------------------------------------------------------------------------------------------


def _shifts(data: DataSet, seed: int, runs: int) -> Iterator[Shift]:
    """At once and gradually, where the data have tasks, and where there is a promise that the easy ones keep."""
    easy, hard = _easy_and_hard(data)
    if not easy or not hard:
        return
    cheap, strong = np.asarray(data.cheap, float), np.asarray(data.strong, float)
    before, after = (float(np.mean(strong[rows] - cheap[rows])) for rows in (easy, hard))
    right = float(np.mean(strong[easy]))
    theta = next((theta for theta in THETAS if before <= WITHIN * (1 - theta) * right), None)
    if theta is None or after <= (1 - theta) * right + OVER:
        return
    _told(f"{data.name} shifts")
    short = np.array([shortfall(theta, s, c) for s, c in zip(strong, cheap, strict=True)])
    for settled, gradual, must in SHIFTS:
        draws = (np.random.default_rng((seed, run)) for run in range(runs))
        late = [one for draw in draws if (one := _replay(short[easy], short[hard], settled, gradual, draw)) is not None]
        yield Shift(
            f"{data.name}, after {settled:,} {'gradually' if gradual else 'at once'}",
            must,
            theta,
            (1 - theta) * right,
            before,
            after,
            runs,
            1 - len(late) / runs,
            sum(alarm <= over for alarm, over in late) / max(1, len(late)),
            float(np.median([alarm for alarm, _ in late])) if late else 0.0,
            float(np.median([over for _, over in late])) if late else 0.0,
        )


def _easy_and_hard(data: DataSet) -> tuple[list[int], list[int]]:
    """Rows of the third of the traffic whose tasks lose least, and of the third whose tasks lose most."""
    rows: dict[str, list[int]] = {}
    for row, task in enumerate(data.task):
        rows.setdefault(task, []).append(row)
    net = {task: sum(data.strong[row] - data.cheap[row] for row in mine) / len(mine) for task, mine in rows.items()}
    order = sorted(rows, key=lambda task: (net[task], task))
    easy = _first_third([rows[task] for task in order[:-1]], len(data))
    hard = _first_third([rows[task] for task in order[:0:-1]], len(data))
    taken = set(easy)
    return easy, [row for row in hard if row not in taken]


def _first_third(tasks: Sequence[list[int]], total: int) -> list[int]:
    """The first task whatever its size, and those after it that fit."""
    found: list[int] = []
    for rows in tasks:
        if not found or len(found) + len(rows) <= total / 3:
            found += rows
    return found


def _replay(easy: _Row, hard: _Row, settled: int, gradual: int, draw: np.random.Generator) -> tuple[int, int] | None:
    """Requests after the shift until the alarm, and until the total is over by a point. None: an alarm before the shift."""
    watching = Detector.for_difference()
    first = easy[draw.integers(len(easy), size=settled)]
    if any(watching.see(x) for x in first[draw.random(settled) < AUDITED].tolist()):
        return None
    turned = draw.random(_SEGMENT) < (np.arange(_SEGMENT) / gradual if gradual else 1.0)
    after, before = hard[draw.integers(len(hard), size=_SEGMENT)], easy[draw.integers(len(easy), size=_SEGMENT)]
    shifted = np.where(turned, after, before)
    over = (first.sum() + np.cumsum(shifted)) / (settled + np.arange(1, _SEGMENT + 1)) > OVER
    places = np.flatnonzero(draw.random(_SEGMENT) < AUDITED).tolist()
    alarm = next((place for place in places if watching.see(float(shifted[place]))), _SEGMENT + 1)
    return alarm, int(np.argmax(over)) if over.any() else _SEGMENT


# --- hold-out ----------------------------------------------------------------------------------------------------------

_COSTS: dict[str, Callable[[random.Random], float]] = {
    "lognormal, sigma 1.5": lambda draw: exp(draw.gauss(0, 1.5)),
    "Pareto, index 2.2": lambda draw: draw.paretovariate(2.2),
}


def conversations(size: Callable[[random.Random], float], draw: random.Random, held_out: float = HELD_OUT) -> Iterator[Unit]:
    """Without end. The first call's forecast knows part of what a conversation will cost."""
    while True:
        large = size(draw)
        baseline = large * exp(draw.gauss(-0.18, 0.6))
        treated = draw.random() >= held_out
        paid = baseline * (1 - SAVING) * exp(draw.gauss(-0.045, 0.3)) if treated else baseline
        known = large**0.7 * exp(draw.gauss(0, 0.5))
        pico = (round(dollars * 1e9) for dollars in (paid, baseline, known))
        yield Unit("treated" if treated else "holdout", 1 - held_out, next(pico), next(pico), known_pico=next(pico))


def _covered(costs: str, seed: int, streams: int) -> Covered:
    _told(f"hold-out, {costs}")
    at_stop = at_all = told = 0
    widths = []
    for stream in range(streams):
        draw = random.Random(f"{seed} {costs} {stream}")
        stop = draw.randint(UNITS // 20, UNITS)
        holdout, all_held = Holdout(), True
        for number, unit in zip(range(1, UNITS + 1), conversations(_COSTS[costs], draw), strict=False):
            holdout.see(unit)
            if number == stop or number % 50 == 0:
                found = holdout.result()
                held = found.low is None or found.high is None or found.low <= SAVING <= found.high
                all_held = all_held and held
                if number == stop:
                    at_stop += held
                    told += found.low is not None
        at_all += all_held
        found = holdout.result()
        widths.append(found.high - found.low if found.high is not None and found.low is not None else float("inf"))
    return Covered(costs, streams, at_stop / streams, at_all / streams, told / streams, sorted(widths)[streams // 2])


# --- report ------------------------------------------------------------------------------------------------------------


def goals(figures: Figures) -> list[Goal]:
    """False alarms and delays of our rule, alarms in time, coverage."""
    ours = next(one for one in figures.alarms if one.rule == OURS)
    found = [Goal(f"false alarms in {AUDITS:,} audits at {LIMIT:.0%}", FALSE_ALARMS, True, True, ours.at_limit)]
    for rate, delay, (must, aim) in zip(RISES, ours.delays, DELAYS, strict=True):
        found.append(Goal(f"audits until {BELOW:.1%} -> {rate:.0%} is seen", must, True, True, delay))
        found.append(Goal(f"audits until {BELOW:.1%} -> {rate:.0%} is seen", aim, True, False, delay))
    for shift in figures.shifts:
        found.append(Goal(f"{shift.name}: alarm before a point over the margin", IN_TIME, False, shift.must, shift.in_time))
        found.append(Goal(f"{shift.name}: alarm before the shift", FALSE_ALARMS, True, True, shift.early))
    if not figures.shifts:
        found.append(Goal("replayed shifts: alarm before a point over the margin", IN_TIME, False, True, None))
    for one in figures.covered:
        found.append(Goal(f"hold-out, {one.costs}: held the truth at a random stop", COVERAGE, False, True, one.at_stop))
        found.append(Goal(f"hold-out, {one.costs}: held the truth at every look", COVERAGE, False, False, one.at_all))
    return found


def table(figures: Figures) -> str:
    """For people."""
    rises = [f"-> {rate:.0%}" for rate in RISES]
    rows = [["audited losses, limit 2 %", "runs", "cries at 2 %", "at 1.2 %", *rises]]
    for one in figures.alarms:
        delays = ["-" if delay is None else f"{delay:,.0f}" for delay in one.delays]
        rows.append([one.rule, f"{one.runs:,}", _percent(one.at_limit), _percent(one.below), *delays])
    parts = [align(rows)]
    if figures.shifts:
        rows = [["shift, 5 % audited", "theta", "margin", "before", "after", "cries before", "in time"]]
        rows[0] += ["alarm after", "a point over after"]
        for shift in figures.shifts:
            shares = [shift.margin, shift.before, shift.after, shift.early, shift.in_time]
            rows.append([shift.name, f"{shift.theta:g}", *map(_percent, shares)])
            rows[-1] += [f"{shift.alarm_at:,.0f}", f"{shift.over_at:,.0f}"]
        parts.append(align(rows))
    rows = [[f"hold-out of {HELD_OUT:.0%}, {UNITS:,} units", "streams", "held at a stop", "at every look", "told", "width"]]
    for each in figures.covered:
        shares = [each.at_stop, each.at_all, each.told]
        rows.append([each.costs, f"{each.streams:,}", *map(_percent, shares), f"{each.width:.3f}"])
    return "\n\n".join([*parts, align(rows)])


def document(figures: Figures) -> dict[str, Any]:
    """For machines."""
    parts = {"alarms": figures.alarms, "shifts": figures.shifts, "covered": figures.covered}
    return {"seed": figures.seed} | {name: [asdict(one) for one in rows] for name, rows in parts.items()}


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}".replace("%", " %")
