"""Tests of the promise quality(policy) >= theta * quality(strong), each with its p-value for "the promise is broken".

`exact_p`, on examples that are right or wrong. Of each example that not both got wrong, one of three things is true: both
right, a loss (the strong model alone), a win (the policy alone). With their chances 1 - a - b, a and b, the promise is
broken just where a >= (1 - theta) + theta * b: examples that both got wrong weigh nothing on either side. So the test is
made on the m others, given m, and the strong model's accuracy need not be known. One unknown is left, the chance b of a win;
the p-value is the largest over all b that are not remote, plus the chance of those (Berger and Boos 1994). Outcomes are
ordered by the likelihood ratio. THEOREM: P(p <= alpha) <= alpha for every alpha, every truth that breaks the promise, and
every number of independent examples. (The largest is no search on a grid: between grid values it is bounded from above.)

`betting_p`, for grades in 0...1 without rounding: a mixture of bets against "the mean of q_policy - theta * q_strong is at
most 0" (Waudby-Smith and Ramdas 2024). THEOREM: the same.

`jeffreys_p`: a posterior chance. NO theorem; its error is near its level, sometimes above.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv, gammaln, xlog1py, xlogy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

REMOTE = 1e-4
"""Chances of a win outside of an interval that misses with this chance are not looked at; it is added to p."""
STEPS_PER_DEVIATION = (3, 12, 48)
TAIL = 5.0
BETS = np.array([0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97])


class Counts(NamedTuple):
    """Examples by outcome. A loss was right by the strong model and wrong by the policy (among `strong_right`), a win the
    other way round (among `strong_wrong`)."""

    strong_right: int
    strong_wrong: int
    losses: int
    wins: int

    @property
    def examples(self) -> int:
        return self.strong_right + self.strong_wrong

    @property
    def telling(self) -> int:
        """Those that not both got wrong."""
        return self.strong_right + self.wins


def counts_of(policy: Floats, strong: Floats, coins: Floats | None = None) -> Counts:
    """Counts of one quality an example each. Grades between 0 and 1 are rounded by one `coin` an example, uniform in 0...1
    and the same for both sides: right where the coin is below the grade. That leaves every mean as it was, so tests on the
    counts keep their theorem. Without coins they are rounded at a half: good to be shown, not to be tested."""
    if coins is None:
        coins = np.full(len(policy), 0.5)
    right, strong_right = coins < policy, coins < strong
    losses, wins = int((strong_right & ~right).sum()), int((right & ~strong_right).sum())
    return Counts(int(strong_right.sum()), int((~strong_right).sum()), losses, wins)


def stricter(theta: float, share: float) -> float:
    """What a policy must hold to if only a random `share` of calls is served by it and the rest by the strong model: the mix
    keeps theta just where the policy keeps this. 0 or less: the mix keeps its promise whatever the policy does."""
    return 1 - (1 - theta) / share


def exact_p(counts: Counts, theta: float, delta: float) -> float:
    """The exact test (see the module). `theta` below 1; at 0 or less there is nothing to show and p is 0. Near `delta` p is
    worked out to some 0.0003, elsewhere roughly, and never below what it is."""
    if theta <= 0:
        return 0.0
    return _exact_p(counts.losses, counts.wins, counts.telling, round(theta, 9), delta)


def jeffreys_p(counts: Counts, theta: float) -> float:
    """Posterior chance that the promise is broken, with Jeffreys' prior on loss, win and neither: by quadrature, so always
    the same. To be shown beside the exact test, not in its place."""
    if theta <= 0:
        return 0.0
    m = counts.telling
    shares = (np.arange(400) + 0.5) / 400
    wins = betaincinv(counts.wins + 0.5, m - counts.wins + 1.0, shares)
    limit = np.clip((1 - theta + theta * wins) / (1 - wins), 0.0, 1.0)
    return float(np.mean(1 - betainc(counts.losses + 0.5, m - counts.losses - counts.wins + 0.5, limit)))


def betting_p(policy: Floats, strong: Floats, theta: float) -> float:
    """The betting test (see the module) on grades in 0...1, paired by example."""
    if theta <= 0:
        return 0.0
    gains = np.clip(policy, 0.0, 1.0) - theta * np.clip(strong, 0.0, 1.0)
    wealth = np.log1p(np.outer(BETS / theta, gains)).sum(axis=1)
    top = wealth.max()
    return float(min(1.0, np.exp(-top) / np.mean(np.exp(wealth - top))))


def share_limit(hits: int, examples: int, delta: float) -> float:
    """Upper limit, at confidence 1 - delta, of a share of which `hits` in so many examples were seen (Clopper-Pearson)."""
    return float(betaincinv(hits + 1.0, examples - hits, 1 - delta)) if hits < examples else 1.0


def signed_root(losses: Floats, wins: Floats, m: Floats, theta: Floats | float) -> Floats:
    """Signed root of the likelihood ratio: large where the counts speak for the promise, about standard normal at its
    border. Counts need not be whole."""
    win = _likeliest(losses, wins, m, theta)
    loss, rest = 1 - theta + theta * win, m - losses - wins
    free = xlogy(losses, losses / m) + xlogy(wins, wins / m) + xlogy(rest, rest / m)
    bound = xlogy(losses, loss) + xlogy(wins, win) + xlogy(rest, np.maximum(1 - loss - win, 1e-300))
    sign = np.sign((1 - theta) * m + theta * wins - losses)
    root: Floats = sign * np.sqrt(np.maximum(2 * (free - bound), 0.0))
    return root


def _likeliest(losses: Floats, wins: Floats, m: Floats, theta: Floats | float) -> Floats:
    """The likeliest chance of a win at the border of the promise: a quadratic equation."""
    tau, both = 1 - theta, 1 + theta
    square = -theta * both * m
    linear = losses * theta**2 + wins * (theta**2 - tau * both) - (m - losses - wins) * both * tau
    root = np.sqrt(linear**2 - 4 * square * wins * tau * theta)
    found: Floats = np.clip((-linear - root) / (2 * square), 0.0, theta / both)
    return found


@lru_cache(maxsize=1 << 17)
def _exact_p(losses: int, wins: int, m: int, theta: float, delta: float) -> float:
    if m == 0 or losses >= (1 - theta) * m + theta * wins:
        return 1.0
    most = theta / (1 + theta)
    low = float(betaincinv(wins, m - wins + 1, REMOTE / 2)) if wins else 0.0
    high = min(share_limit(wins, m, REMOTE / 2), most * (1 - 1 / (m + 1)))
    if low >= high:
        return REMOTE if low >= most else 1.0
    p = 1.0
    for steps in STEPS_PER_DEVIATION:
        chances, excess = _edges(low, high, m, theta, steps)
        largest = float(_pass_chance(losses, wins, m, theta, chances).max()) + REMOTE
        p = min(p, largest + excess)
        if p <= delta or largest > delta:
            break
    return p


def _edges(low: float, high: float, m: int, theta: float, steps: int) -> tuple[Floats, float]:
    """Chances b of a win from low to high, and by how much the chance of passing may be larger between two of them.

    Let b = x**2. The second derivative by x of the chance of any set of outcomes is at most half of E[S**2] + E|S'|, where S
    is the score by x, as S**2 + S' has mean 0. That is at most m * (8 + 4 * (1 + theta)**2 * b / rest), `rest` being the
    chance that both are right; and what is linear in between exceeds no end.
    """
    roots = np.linspace(sqrt(low), sqrt(high), ceil((sqrt(high) - sqrt(low)) * 2 * sqrt(m) * steps) + 1)
    curve = m * (8 + 4 * (1 + theta) ** 2 * high / (theta - (1 + theta) * high))
    return roots**2, float(curve * (roots[1] - roots[0]) ** 2 / 8)


def _pass_chance(losses: int, wins: int, m: int, theta: float, chances: Floats) -> Floats:
    """At each chance of a win, at the border of the promise: how likely are counts that speak for it as much as these."""
    spread = TAIL * np.sqrt(m * chances) + TAIL**2
    from_, to = np.maximum(m * chances - spread, 0).astype(np.int64), np.minimum(m * chances + spread, m).astype(np.int64)
    some = np.arange(from_.min(), to.max() + 1)
    lost, won, telling = (np.array([float(n)]) for n in (losses, wins, m))
    signed = float(signed_root(lost, won, telling, theta)[0])
    most = _most_losses(some, signed, m, theta)
    here, win = some[None, :], chances[:, None]
    ways = gammaln(m + 1) - gammaln(some + 1) - gammaln(m - some + 1)
    weight = np.exp(ways + xlogy(here, win) + xlog1py(m - here, -win))
    loss = np.minimum((1 - theta + theta * win) / (1 - win), 1.0)
    free = m - some - most
    inside = 1 - betainc(np.maximum(most, 0) + 1.0, np.maximum(free, 1.0), loss)
    inside = np.where(most < 0, 0.0, np.where(free <= 0, 1.0, inside))
    chance: Floats = (weight * inside).sum(axis=1) + np.maximum(1 - weight.sum(axis=1), 0.0)
    return chance


def _most_losses(wins: Ints, signed: float, m: int, theta: float) -> Ints:
    """By number of wins, the most losses that speak for the promise as much as `signed` does; -1 where none do."""
    low, high = np.full(len(wins), -1), np.minimum(m - wins, ((1 - theta) * m + theta * wins).astype(np.int64))
    total = np.full(len(wins), float(m))
    while (low < high).any():
        middle = (low + high + 1) // 2
        enough = signed_root(middle.astype(np.float64), wins.astype(np.float64), total, theta) >= signed - 1e-9
        low, high = np.where(enough, middle, low), np.where(enough, high, np.maximum(middle - 1, low))
    return low
