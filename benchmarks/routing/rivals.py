"""Rules by which a threshold may be chosen on graded examples: what is in use and in the literature, beside ours."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri

from thriftgate.quality.exact_tests import BETS, Counts, exact_p, jeffreys_p

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Seen(NamedTuple):
    """Calibration counts of each policy: examples, those the strong model got right, losses, wins."""

    examples: int
    strong_right: int
    losses: Floats
    wins: Floats


Rule = Callable[[Seen, float, float], Bools]


def naive(seen: Seen, theta: float, _: float) -> Bools:
    """The mean on the examples, taken at its word."""
    found: Bools = seen.strong_right - seen.losses + seen.wins >= theta * seen.strong_right
    return found


def wald(seen: Seen, theta: float, delta: float) -> Bools:
    """The mean less its standard error, as if it were normal."""
    mean, square = _moments(seen, theta)
    found: Bools = mean > -float(ndtri(delta)) * np.sqrt(np.maximum(square - mean**2, 0.0) / seen.examples)
    return found


def hoeffding(seen: Seen, theta: float, delta: float) -> Bools:
    """By the range of the values alone."""
    found: Bools = _moments(seen, theta)[0] >= (1 + theta) * np.sqrt(-np.log(delta) / (2 * seen.examples))
    return found


def clopper_pearson(seen: Seen, theta: float, delta: float) -> Bools:
    """Limits of the shares of losses, wins and strong answers that are right, with the error split among them."""
    n = seen.examples
    losses = np.where(seen.losses < n, betaincinv(seen.losses + 1, np.maximum(n - seen.losses, 1e-9), 1 - delta / 2), 1.0)
    wins = np.where(seen.wins > 0, betaincinv(np.maximum(seen.wins, 1e-9), n - seen.wins + 1, delta / 4), 0.0)
    right = float(betaincinv(seen.strong_right, n - seen.strong_right + 1, delta / 4)) if seen.strong_right else 0.0
    found: Bools = (1 - theta) * right >= losses - wins
    return found


def betting(seen: Seen, theta: float, delta: float) -> Bools:
    """A mixture of bets against the mean."""
    bets = (BETS / theta)[:, None]
    both = seen.strong_right - seen.losses
    wealth = both * np.log1p(bets * (1 - theta)) + seen.wins * np.log1p(bets) + seen.losses * np.log1p(-bets * theta)
    found: Bools = np.exp(np.minimum(wealth, 700)).mean(axis=0) >= 1 / delta
    return found


def exact(seen: Seen, theta: float, delta: float) -> Bools:
    """Our test on thresholds alone."""
    return np.array([exact_p(one, theta, delta) <= delta for one in _counts(seen)])


def jeffreys(seen: Seen, theta: float, delta: float) -> Bools:
    """The posterior of the same counts."""
    return np.array([_jeffreys(one, theta) <= delta for one in _counts(seen)])


def jeffreys_60(seen: Seen, theta: float, delta: float) -> Bools:
    """The same with less of the error."""
    return jeffreys(seen, theta, 0.6 * delta)


RIVALS: dict[str, Rule] = {
    "naive": naive,
    "Wald": wald,
    "Clopper-Pearson split": clopper_pearson,
    "Hoeffding": hoeffding,
    "betting": betting,
    "Jeffreys at delta": jeffreys,
    "Jeffreys at 0.6 delta": jeffreys_60,
    "exact": exact,
}


_jeffreys = lru_cache(maxsize=1 << 16)(jeffreys_p)


def _counts(seen: Seen) -> list[Counts]:
    wrong = seen.examples - seen.strong_right
    return [Counts(seen.strong_right, wrong, int(lost), int(won)) for lost, won in zip(seen.losses, seen.wins, strict=True)]


def _moments(seen: Seen, theta: float) -> tuple[Floats, Floats]:
    """Mean and mean square of q_policy - theta * q_strong."""
    both = seen.strong_right - seen.losses
    mean = ((1 - theta) * both + seen.wins - theta * seen.losses) / seen.examples
    square = ((1 - theta) ** 2 * both + seen.wins + theta**2 * seen.losses) / seen.examples
    return mean, square
