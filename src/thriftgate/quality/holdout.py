"""What the treatment truly saves: conversations that were drawn by lot to go without it, beside those that had it.

The books say what each call would have cost. They cannot say that a cheaper answer made the user ask twice, or that an agent
took more turns. The lot can: arms differ by chance alone, so what they cost a conversation differs by the treatment, and
chance.

    saving = 1 − (mean cost of a treated conversation) / (mean cost of one that was held out)

The unit is the conversation, because its calls are not independent. What the treatment itself costs counts as its cost.

Only what was fixed before the arm could matter may serve to cut the noise: what the first call was forecast to cost
(`known_pico`). The baseline of the books may not. It counts the calls that were made, so adjusting by it would take out the
very effect that is looked for. It is compared between the arms instead (`books_shift`): where it differs, the gross saving
is not the truth.

What is proven: the check of the lot (anytime-valid at any size, any mixture of chances; after Lindon and Malek,
https://arxiv.org/abs/2011.03567, 2020-11-06). What is asymptotic: the interval. It is a confidence sequence by strong
approximation (Waudby-Smith and others, https://arxiv.org/abs/2103.06476, 2021-03-11): one may look at any time, but the
error is α only as units grow many and where costs have a finite variance; that no method can do without (Bahadur and Savage
1956). It is told from 30 units in each arm on; how often it fails on heavy tails, and how soon,
`benchmarks/routing/drift.py` measures.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, log, sqrt
from typing import Literal, NamedTuple

from msgspec import Struct

from thriftgate.core.sequential.intervals import Interval

ALPHA = 0.05
LOT_ALPHA = 0.01  # a broken lot spoils all: told only when it is sure
PLANNED_UNITS = 2_000  # where the interval is to be narrowest; it holds everywhere
LEAST_UNITS = 30  # in each arm
_FITTED_FROM = 30  # units of an arm before its costs are foretold by what is known beforehand
_LOT_TILTS = tuple(sign * size for size in (0.05, 0.15, 0.4, 1.0, 2.5) for sign in (-1.0, 1.0))  # in logits

Arm = Literal["treated", "holdout"]


class Unit(Struct, frozen=True):
    """One conversation. `chance` is that of the treated arm when the lot was drawn. `paid_pico` is what the provider was
    paid for its calls, `own_pico` what the treatment cost besides (verifiers, shadow calls, pings), `baseline_pico` what the
    books say its calls would have cost, `known_pico` what was known of its cost before the first call, 0 where nothing
    was."""

    arm: Arm
    chance: float
    paid_pico: int
    baseline_pico: int
    calls: int = 1
    known_pico: int = 0
    own_pico: int = 0


class HoldoutResult(Struct, frozen=True):
    """Shares of cost. `saving` and its ends are None while there is too little to tell. `gross` is what the books say of the
    treated conversations, `net` the same after the treatment's own cost; both None where the books show no baseline.
    `books_shift` is by how much the treatment changes the baseline of a conversation, `calls_shift` the number of its calls;
    where 0 is outside, `gross` is not what was saved."""

    treated: int
    holdout: int
    saving: float | None
    low: float | None
    high: float | None
    sample_ratio_ok: bool
    gross: float | None
    net: float | None
    books_shift: Interval | None
    calls_shift: Interval | None


class Holdout:
    """The estimate, unit by unit, in bounded memory. Pico-dollars are counted in dollars inside."""

    def __init__(self, *, alpha: float = ALPHA, planned_units: int = PLANNED_UNITS) -> None:
        if not 0 < alpha < 1 or planned_units < 1:
            raise ValueError(f"alpha {alpha} and {planned_units} planned units: out of range")
        self._cost, self._books, self._calls = (_Ratio(alpha, planned_units) for _ in range(3))
        self._lot = _Lot()
        self._paid_pico = self._own_pico = self._baseline_pico = 0

    def see(self, unit: Unit) -> None:
        """Take in one conversation that has ended. Raises ValueError for a chance that is none."""
        if not 0 < unit.chance < 1:
            raise ValueError(f"chance {unit.chance}: a hold-out needs a chance of the treated arm between 0 and 1")
        treated = unit.arm == "treated"
        known = unit.known_pico / 1e12
        self._lot.see(unit.chance, treated=treated)
        self._cost.see((unit.paid_pico + unit.own_pico) / 1e12, known, unit.chance, treated=treated)
        self._books.see(unit.baseline_pico / 1e12, known, unit.chance, treated=treated)
        self._calls.see(float(unit.calls), known, unit.chance, treated=treated)
        if treated:
            self._paid_pico += unit.paid_pico
            self._own_pico += unit.own_pico
            self._baseline_pico += unit.baseline_pico

    def result(self) -> HoldoutResult:
        """What is known by now."""
        ratio, between = self._cost.estimate()
        baseline_pico, paid_pico = self._baseline_pico, self._paid_pico
        return HoldoutResult(
            treated=self._cost.arms[1].count,
            holdout=self._cost.arms[0].count,
            saving=None if ratio is None else 1.0 - ratio,
            low=None if between is None else 1.0 - between.high,
            high=None if between is None else 1.0 - between.low,
            sample_ratio_ok=self._lot.fair,
            gross=1.0 - paid_pico / baseline_pico if baseline_pico else None,
            net=1.0 - (paid_pico + self._own_pico) / baseline_pico if baseline_pico else None,
            books_shift=self._books.shift(),
            calls_shift=self._calls.shift(),
        )


def estimate(units: Iterable[Unit], *, alpha: float = ALPHA, planned_units: int = PLANNED_UNITS) -> HoldoutResult:
    """The same of all units at once."""
    holdout = Holdout(alpha=alpha, planned_units=planned_units)
    for unit in units:
        holdout.see(unit)
    return holdout.result()


class _Lot:
    """Were the arms drawn with the chances they were said to be drawn with? Bets on lots that lean by so many logits."""

    def __init__(self) -> None:
        self._held = [1.0 / len(_LOT_TILTS)] * len(_LOT_TILTS)
        self.fair = True

    def see(self, chance: float, *, treated: bool) -> None:
        if not self.fair:
            return
        for at, tilt in enumerate(_LOT_TILTS):
            odds = exp(tilt)
            self._held[at] *= (odds if treated else 1.0) / (chance * odds + 1.0 - chance)
        self.fair = sum(self._held) < 1.0 / LOT_ALPHA


class _Arm:
    """Sums over one arm: of costs, of what was known beforehand, and of the squares of what was foretold wrongly. `inverse`
    is the sum over all units of one over the chance of this arm."""

    __slots__ = ("count", "inverse", "missed", "x", "xx", "xy", "y")

    def __init__(self) -> None:
        self.count = 0
        self.x = self.y = self.xx = self.xy = self.missed = self.inverse = 0.0

    def see(self, y: float, x: float, foretold: float) -> None:
        self.count += 1
        self.x += x
        self.y += y
        self.xx += x * x
        self.xy += x * y
        self.missed += (y - foretold) ** 2

    def steepness(self) -> float:
        """By which share costs rise where what is known rises by its mean; 0 while there is too little to tell."""
        spread = self.xx - self.x * self.x / max(1, self.count)
        if self.count < _FITTED_FROM or self.y <= 0 or spread <= 1e-9 * self.xx:
            return 0.0
        slope = (self.xy - self.x * self.y / self.count) / spread
        return min(1.0, max(0.0, slope * self.x / self.y))

    def foretell(self, x: float, steepness: float) -> float:
        """From earlier units alone, so that it cannot know this one."""
        if not self.count:
            return 0.0
        mean = self.y / self.count
        return mean * (1.0 + steepness * (x * self.count / self.x - 1.0)) if steepness and self.x > 0 else mean

    def spread(self) -> float:
        """Mean square of what was foretold wrongly, in squares of the mean."""
        return self.missed * self.count / (self.y * self.y) if self.y > 0 else 0.0


class _Moments(NamedTuple):
    """Sums of both arms' scores, of their squares and their product."""

    t: float = 0.0
    h: float = 0.0
    tt: float = 0.0
    hh: float = 0.0
    th: float = 0.0


class _Ratio:
    """The mean of the treated over the mean of those held out, of one quantity.

    Each unit gives a score for both arms whose mean is that arm's mean: what is foretold, and in the arm it was in, what
    came over it divided by the chance of that arm. The interval is the set of ratios r at which treated − r·held out may
    have a mean of 0 (Fieller), so it stays right where the mean held out is badly known.
    """

    def __init__(self, alpha: float, planned_units: int) -> None:
        self.arms = (_Arm(), _Arm())  # held out, treated
        self._seen = 0
        self._sums = _Moments()
        self._alpha = alpha
        # Narrowest at the planned number: Waudby-Smith and others, section 2.
        self._tightness = (-2 * log(alpha) + log(-2 * log(alpha)) + 1) / planned_units

    def see(self, y: float, x: float, chance: float, *, treated: bool) -> None:
        held_out, had = self.arms
        steepness = max(self.arms, key=lambda arm: arm.count).steepness()
        foretold_t, foretold_h = had.foretell(x, steepness), held_out.foretell(x, steepness)
        t = foretold_t + ((y - foretold_t) / chance if treated else 0.0)
        h = foretold_h + (0.0 if treated else (y - foretold_h) / (1.0 - chance))
        sums = self._sums
        self._sums = _Moments(sums.t + t, sums.h + h, sums.tt + t * t, sums.hh + h * h, sums.th + t * h)
        self._seen += 1
        had.inverse += 1.0 / chance
        held_out.inverse += 1.0 / (1.0 - chance)
        self.arms[treated].see(y, x, foretold_t if treated else foretold_h)

    def estimate(self) -> tuple[float | None, Interval | None]:
        """The ratio, and where it lies; None for what cannot be told yet."""
        n, sums = self._seen, self._sums
        if min(arm.count for arm in self.arms) < 2 or sums.h <= 0:
            return None, None
        t, h = sums.t / n, sums.h / n
        if min(arm.count for arm in self.arms) < LEAST_UNITS:
            return max(0.0, t / h), None
        radius = self._radius_squared(n)
        var_t, var_h, cov = sums.tt / n - t * t, sums.hh / n - h * h, sums.th / n - t * h
        more = self._spread_unseen()
        var_t, var_h = var_t + t * t * more[1], var_h + h * h * more[0]
        a, b, c = h * h - radius * var_h, t * h - radius * cov, t * t - radius * var_t
        root = b * b - a * c
        if a <= 0 or root < 0:
            return max(0.0, t / h), None
        return max(0.0, t / h), Interval(max(0.0, (b - sqrt(root)) / a), max(0.0, (b + sqrt(root)) / a))

    def shift(self) -> Interval | None:
        between = self.estimate()[1]
        return None if between is None else Interval(between.low - 1.0, between.high - 1.0)

    def _spread_unseen(self) -> tuple[float, float]:
        """What is added to the variance of each arm's score, in squares of its mean. The small arm of a heavy-tailed cost
        has often not yet met its dear conversations, and would think itself sure; costs are taken to spread, relative to
        their mean, at least as they do in both arms together."""
        together = sum(arm.spread() * arm.count for arm in self.arms) / self._seen
        held_out, had = (max(0.0, together - arm.spread()) * arm.inverse / self._seen for arm in self.arms)
        return held_out, had

    def _radius_squared(self, n: int) -> float:
        """Of the mean of n, in variances of one."""
        grown = n * self._tightness + 1
        return 2 * grown / (n * n * self._tightness) * log(sqrt(grown) / self._alpha)
