"""Which policies are tried for a certificate, in what order. The order must not depend on the labels that certify.

A policy uses the cheap arm for a random `share` of the calls whose score is at most its threshold. Mixes matter: with few
labels, whether 8 % of calls may be routed hangs on a loss or two, while the quality of the cheap arm on 40 % of them is well
known, and so is what a fifth of those may cost. Where other graded examples tell about how losses lie along the score, the
path goes by saving, at each level of it through the mix that ought to be the easiest to certify.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from thriftgate.quality.exact_tests import Floats, signed_root

THRESHOLDS, FINE = 100, 200
LEVELS = 600
SMOOTH = 0.05
"""Part of the traffic over which rates are smoothed."""
CAUTION = 1.0
"""Deviations by which luck is taken to be worse than even when mixes are compared: few losses, but surely few, are better
than fewer on average that vary more."""
CLEAR, NEAR, HOPELESS = 8.0, 3.5, -2.0
"""Deviations by which a policy ought to pass: the path begins where that is clear and ends where it is hopeless."""
COARSE, STEP = 0.5, 0.1
"""How far apart policies are by these deviations, far from the border and near it."""
WORTH = 0.5
"""No path begins with fewer calls than would show that the cheap arm is at least so good, beside the strong one, on what it
gets: otherwise a model that is always wrong could be given the few calls that the promise has to spare."""


class Policy(NamedTuple):
    """See the module. `saving` is the part of the strong model's cost that it should save, `used` the part of the calls that
    the cheap arm answers."""

    threshold: float
    share: float
    saving: float
    used: float


class Traffic(NamedTuple):
    """Calls as they come, no labels needed: the score of each, and three costs in one unit. `cheap` where the cheap arm's
    answer is used, `strong` where the policy turns to the strong one (a cascade has paid the try as well), `alone` where the
    strong one is called and nothing else."""

    scores: Floats
    cheap: Floats
    strong: Floats
    alone: Floats


class Expected(NamedTuple):
    """Graded examples that do not certify: their scores, whether the strong arm is right, and whether the cheap one would be
    a loss or a win; 0 or 1, or chances."""

    scores: Floats
    strong_right: Floats
    losses: Floats
    wins: Floats


def thresholds(traffic: Traffic, count: int = THRESHOLDS) -> tuple[Policy, ...]:
    """Whole-share policies by share of traffic, safest first; equal scores are never told apart."""
    order = np.argsort(traffic.scores, kind="stable")
    ranked, n = traffic.scores[order], len(order)
    spared = np.concatenate([[0.0], np.cumsum((traffic.strong - traffic.cheap)[order])])
    spared = (spared + traffic.alone.sum() - traffic.strong.sum()) / traffic.alone.sum()
    ends = np.unique(np.searchsorted(ranked, ranked[np.ceil(np.arange(1, count + 1) * n / count).astype(int) - 1], "right"))
    return tuple(Policy(float(ranked[end - 1]), 1.0, float(spared[end]), end / n) for end in ends)


def plain_path(traffic: Traffic, theta: float, count: int = THRESHOLDS) -> tuple[Policy, ...]:
    """Thresholds alone, without any mix: where nothing is known of how losses lie."""
    return tuple(one for one in thresholds(traffic, count) if one.saving > 0 and one.used >= _least_used(theta))


def mixing_path(traffic: Traffic, theta: float, steps: int = 50) -> tuple[Policy, ...]:
    """The competitor that needs no score: a random share of all calls."""
    every = thresholds(traffic, 1)[0]
    mixes = (_mix(every, step / steps) for step in range(1, steps + 1))
    return tuple(one for one in mixes if one.saving > 0 and one.used >= _least_used(theta))


def planned_path(traffic: Traffic, theta: float, examples: int, expected: Expected) -> tuple[Policy, ...]:
    """By saving, the mix that `expected` says is the easiest to certify with so many examples (see the module)."""
    every = thresholds(traffic, FINE)
    counts = _expected_counts(every, examples, expected)
    saving, used = np.array([one.saving for one in every]), np.array([one.used for one in every])
    path: list[Policy] = []
    last = np.inf
    for level in np.arange(1, LEVELS + 1) / LEVELS * max(saving.max(), 0.0):
        share = np.minimum(level / np.maximum(saving, 1e-12), 1.0)
        able = np.flatnonzero((saving >= level * (1 - 1e-9)) & (share * used >= _least_used(theta)) & (saving > 0))
        if not len(able):
            continue
        ease = _ease(counts[:, able], theta, share[able])
        if ease.max() <= min(last - (STEP if last < NEAR else COARSE), CLEAR):
            at, last = int(able[ease.argmax()]), float(ease.max())
            path.append(_mix(every[at], float(share[at])))
        if ease.max() < HOPELESS:
            break
    return tuple(path)


def guessed(scores: Floats, chances: Floats, right: float, losses: float, wins: float) -> Expected:
    """What a fit itself says of calls like the traffic, where no graded examples are left over.

    `chances` is its estimate of a loss, or of losses less wins, up to a factor or an offset: it is brought to the rates seen
    on all examples, those on which the strong arm is right, the losses and the wins of the cheap one. Of the labels that
    certify no more than these three numbers goes into the plan.
    """
    level = float(chances.mean()) if len(chances) else 0.0
    lifted = chances * (losses / level) if level > 0 and chances.min() >= 0 else chances + losses - level
    every = np.ones(len(scores))
    return Expected(scores, right * every, np.clip(lifted, 0.0, 1.0), wins * every)


def _expected_counts(every: Sequence[Policy], examples: int, expected: Expected) -> Floats:
    """Losses, wins and telling examples at each threshold, a little pessimistic where there is little to go by. Their rates
    are smoothed over neighbouring calls: a plan that trusts each of few losses follows noise."""
    order = np.argsort(expected.scores, kind="stable")
    ends = np.searchsorted(expected.scores[order], [one.threshold for one in every], "right")
    used = np.array([one.used for one in every])
    width = np.diff(used, prepend=0.0)
    middle = used - width / 2
    near = np.exp(-(((middle[:, None] - middle[None, :]) / SMOOTH) ** 2) / 2)
    sums = []
    for values in (expected.losses, expected.wins):
        found = np.diff(np.concatenate([[0.0], np.cumsum(values[order])])[ends], prepend=0.0)
        sums.append(np.cumsum(near @ found / (near @ width) * width))
    losses, wins = sums
    telling = expected.strong_right.sum() + wins
    return np.stack([losses + 0.5, wins + 0.5, telling + 1.5]) * (examples / max(len(order), 1))


def _ease(counts: Floats, theta: float, share: Floats) -> Floats:
    """By how many deviations each mix ought to pass, were luck `CAUTION` deviations worse than even."""
    held = np.maximum(1 - (1 - theta) / share, 1e-9)
    spread = np.sqrt(counts[0] + held**2 * counts[1])
    losses, wins = counts[0] * (1 + CAUTION / spread), counts[1] * np.maximum(1 - CAUTION * held / spread, 0.0)
    return signed_root(losses, wins, np.maximum(counts[2], losses + wins), held)


def _mix(policy: Policy, share: float) -> Policy:
    return Policy(policy.threshold, share, policy.saving * share, policy.used * share)


def _least_used(theta: float) -> float:
    return (1 - theta) / (1 - WORTH)
