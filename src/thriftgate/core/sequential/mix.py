"""Is the traffic still of the mix that was calibrated on? An alarm over shares: of tasks, of bins of a score, of lengths.

Small drifts are no reason to act, and the calibrated shares are themselves estimates. So the hypothesis is a box: each share
lies within a tolerance of its calibrated one, or within what the calibration sample cannot tell. Each observation is bet on
by its likelihood under the mix of late over that under the mix in the box that comes nearest to it, which is a fair bet
against every mix in the box (reverse information projection: Grünwald, de Heide and Koolen,
https://arxiv.org/abs/1906.07801, 2019-06-18). Bets restart as in `detector.py`, and what is proven is the same: at most α
false alarms in `horizon`.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log, log1p

import msgspec
from msgspec import Struct

HORIZON = 100_000  # observations: all traffic counts here, not audits alone
ALPHA = 0.05
TOLERANCE = 0.25  # of a share
DOUBT = 0.01  # chance that the calibration sample misleads about any share
OTHER = ""  # what the calibration sample did not have
_MEMORY = 300.0  # observations that the mix of late is learned from
_STIFFNESS = 20.0  # observations that the calibrated mix is worth there
_EVERY = 20  # observations between two looks at the mix of late
_HALVINGS = 60


class _Kept(Struct, array_like=True, forbid_unknown_fields=True):
    rule: tuple[float, ...]
    names: tuple[str, ...]
    counts: tuple[float, ...]
    evidence: float
    seen: int
    alarmed: bool


class MixMonitor:
    """One monitor over named bins. After an alarm it stays alarmed until `reset`."""

    def __init__(
        self, calibrated: Mapping[str, int], *, tolerance: float = TOLERANCE, horizon: int = HORIZON, alpha: float = ALPHA
    ) -> None:
        """`calibrated` counts the sample by bin. Raises ValueError for an empty sample."""
        total = sum(calibrated.values())
        if total < 1 or min(calibrated.values()) < 0:
            raise ValueError("a mix needs counts of at least one calibrated example")
        if not 0 <= tolerance < 1 or horizon < 1 or not 0 < alpha < 1:
            raise ValueError(f"tolerance {tolerance}, horizon {horizon}, alpha {alpha}: out of range")
        names = sorted({*calibrated, OTHER})
        self._at = {name: at for at, name in enumerate(names)}
        counts = [calibrated.get(name, 0) for name in names]
        doubt = log(2 * len(names) / DOUBT) / total
        self._box = [_around(count / total, tolerance, doubt) for count in counts]
        self._shares = [(count + 0.5) / (total + len(names) / 2) for count in counts]
        self._threshold = horizon / alpha
        self._rule = (self._threshold, tolerance, *self._shares)
        self.reset()

    @property
    def evidence(self) -> float:
        """Natural logarithm, from 0; an alarm comes at `needed`."""
        return log1p(self._held)

    @property
    def needed(self) -> float:
        return log(self._threshold + 1)

    def reset(self) -> None:
        """Forget what was seen."""
        self._counts = [share * _STIFFNESS for share in self._shares]
        self._held = 0.0
        self._payoffs = [1.0] * len(self._shares)
        self.seen = 0
        self.alarmed = False

    def see(self, name: str) -> bool:
        """Take in the bin of one observation; True: alarm."""
        if self.alarmed:
            return True
        at = self._at.get(name, self._at[OTHER])
        self._held = (self._held + 1.0) * self._payoffs[at]
        self._counts[at] += 1.0
        self.seen += 1
        if self.seen % _EVERY == 0:
            self._look()
        self.alarmed = self._held >= self._threshold
        return self.alarmed

    def shifts(self) -> dict[str, float]:
        """Share of late less the calibrated one, by bin, the largest first: what an alarm is about."""
        total = sum(self._counts)
        found = {name: self._counts[at] / total - self._shares[at] for name, at in self._at.items()}
        return dict(sorted(found.items(), key=lambda item: -abs(item[1])))

    def kept(self) -> bytes:
        """What is worth keeping over a restart."""
        names = tuple(self._at)
        return msgspec.msgpack.encode(_Kept(self._rule, names, tuple(self._counts), self._held, self.seen, self.alarmed))

    def restore(self, data: bytes) -> None:
        """Go on from what `kept` gave. Raises ValueError for anything else, and for what was kept under another mix."""
        kept = msgspec.msgpack.decode(data, type=_Kept)
        if kept.rule != self._rule or kept.names != tuple(self._at):
            raise ValueError("evidence was gathered against another mix: begin anew")
        if len(kept.counts) != len(self._counts) or not all(0 < count < float("inf") for count in kept.counts):
            raise ValueError("evidence does not fit this monitor")
        if not 0 <= kept.evidence < float("inf"):
            raise ValueError("evidence does not fit this monitor")
        self._counts, self._held, self.seen, self.alarmed = list(kept.counts), kept.evidence, kept.seen, kept.alarmed
        self._payoffs = _payoffs(self._counts, self._box)

    def _look(self) -> None:
        """Learn the mix of late, from what has been seen alone, and bet on it from now on."""
        keep = max(0.0, 1.0 - _EVERY / _MEMORY)
        fresh = (1.0 - keep) * _STIFFNESS
        self._counts = [count * keep + share * fresh for count, share in zip(self._counts, self._shares, strict=True)]
        self._payoffs = _payoffs(self._counts, self._box)


def _payoffs(counts: list[float], box: list[tuple[float, float]]) -> list[float]:
    """What each bin pays: its share of late over its share in the nearest mix of the box."""
    total = sum(counts)
    late = [count / total for count in counts]
    low, high = 0.0, 1.0
    while sum(_held_in(share * high, bounds) for share, bounds in zip(late, box, strict=True)) < 1.0:
        high *= 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if sum(_held_in(share * middle, bounds) for share, bounds in zip(late, box, strict=True)) < 1.0:
            low = middle
        else:
            high = middle
    return [share / _held_in(share * high, bounds) for share, bounds in zip(late, box, strict=True)]


def _held_in(value: float, bounds: tuple[float, float]) -> float:
    return min(max(value, bounds[0]), bounds[1])


def _around(share: float, tolerance: float, doubt: float) -> tuple[float, float]:
    """What a share may be: near the calibrated one, or not told apart from it by the sample (Chernoff's bound)."""
    low = min(share * (1 - tolerance), _as_far_as(share, 0.0, doubt))
    high = max(share * (1 + tolerance), _as_far_as(share, 1.0, doubt))
    return low, min(high, 1.0)


def _as_far_as(share: float, end: float, doubt: float) -> float:
    """The share nearest to `end` from which a sample share of `share` is still that likely."""
    near, far = share, end
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        if _divergence(share, middle) < doubt:
            near = middle
        else:
            far = middle
    return far


def _divergence(share: float, other: float) -> float:
    first = share * log(share / other) if share > 0 else 0.0
    second = (1 - share) * log((1 - share) / (1 - other)) if share < 1 else 0.0
    return first + second
