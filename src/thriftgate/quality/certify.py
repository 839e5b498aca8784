"""From graded examples to a certificate: the boldest policy for which quality(policy) >= theta * quality(strong) is shown.

Policies are tried in an order that was fixed before (see `paths`), each at the full level, up to the first that fails; the
last that passed may be used. Trying many costs nothing: for a false certificate the first policy on the path that breaks the
promise must pass, and it does with a chance of at most the level (fixed-sequence testing, Maurer et al. 1995; Angelopoulos
et al. 2021, https://arxiv.org/abs/2110.01052, 2021-10-03).

THEOREM, where examples are independent draws from the traffic and took no part in fitting the score or planning the path: a
false certificate has a chance of at most the level. Where scores were cross-fitted on the same examples it is measured, not
proved: see `benchmarks/routing/guarantee.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from scipy.special import ndtri, stdtrit

from thriftgate.core.errors import InputError
from thriftgate.quality.exact_tests import (
    Counts,
    Floats,
    Ints,
    betting_p,
    counts_of,
    exact_p,
    share_limit,
    signed_root,
    stricter,
)
from thriftgate.quality.paths import WORTH, Policy, Traffic

Mode = Literal["default", "strict"]
PARTS: dict[Mode, float] = {"default": 0.8, "strict": 0.6}
"""At what part of delta is tested. What is left is room for what no theorem covers: scores that were fitted on the very
examples that certify, and, in `strict`, traffic that moves afterwards."""


class Graded(Struct, frozen=True):
    """Examples that certify: the score of each and the quality of both arms in 0...1. `coins`, uniform in 0...1, one an
    example and drawn before anything was looked at, round grades that are neither 0 nor 1 (see `counts_of`)."""

    scores: Floats
    cheap: Floats
    strong: Floats
    coins: Floats | None = None

    def served(self, threshold: float) -> Floats:
        """The quality of what is served where the cheap arm has all calls whose score is at most this."""
        return np.where(self.scores <= threshold, self.cheap, self.strong)

    def counts(self, threshold: float) -> Counts:
        """The same beside the strong arm, counted."""
        return counts_of(self.served(threshold), self.strong, self.coins)

    def routed(self, threshold: float) -> Counts:
        """Both arms on these calls alone."""
        here = self.scores <= threshold
        return counts_of(self.cheap[here], self.strong[here], None if self.coins is None else self.coins[here])


class Verdict(Struct, frozen=True):
    """`policy` may be used, and is the one at `index` of the path; None and -1: nothing could be shown, the strong model
    serves all. `p` and `counts` are its evidence, or those of the first policy where none passed."""

    policy: Policy | None
    index: int
    p: float
    counts: Counts


def level(delta: float, mode: Mode) -> float:
    """At what level each policy is tested."""
    return delta * PARTS[mode]


def certify(path: Sequence[Policy], graded: Graded, theta: float, at: float) -> Verdict:
    """Walk the path with the exact test at the level `at`.

    What was reached is nothing if the cheap arm is not shown to be at least `WORTH` as good as the strong one on the very
    calls it gets: a promise that leaves room for losses is no reason to send them.
    """
    best = Verdict(None, -1, 1.0, graded.counts(-np.inf))
    for index, policy in enumerate(path):
        counts = graded.counts(policy.threshold)
        p = exact_p(counts, stricter(theta, policy.share), at)
        if p > at:
            best = Verdict(None, -1, p, counts) if best.policy is None else best
            break
        best = Verdict(policy, index, p, counts)
    if best.policy is None:
        return best
    worth = exact_p(graded.routed(best.policy.threshold), WORTH, at)
    return best if worth <= at else Verdict(None, -1, worth, best.counts)


def certify_grades(path: Sequence[Policy], graded: Graded, theta: float, at: float) -> Verdict:
    """Walk the path with the betting test, which takes grades as they are, without coins. Where most grades are near 0 or 1
    the exact test on coins shows more."""
    best = Verdict(None, -1, 1.0, graded.counts(-np.inf))
    for index, policy in enumerate(path):
        p = betting_p(graded.served(policy.threshold), graded.strong, stricter(theta, policy.share))
        if p > at:
            best = Verdict(None, -1, p, graded.counts(policy.threshold)) if best.policy is None else best
            break
        best = Verdict(policy, index, p, graded.counts(policy.threshold))
    if best.policy is None:
        return best
    here = graded.scores <= best.policy.threshold
    worth = betting_p(graded.cheap[here], graded.strong[here], WORTH)
    return best if worth <= at else Verdict(None, -1, worth, best.counts)


def agreement_certified(path: Sequence[Policy], scores: Floats, differs: Floats, bound: float, at: float) -> int:
    """Without labels, on calls that both arms answered: the last policy of the path for which "the cheap arm served, and the
    strong one's answer differs" is shown to be at most `bound` of all calls; -1 for none. `differs` is 1 where it does."""
    last = -1
    for index, policy in enumerate(path):
        seen = int((differs * (scores <= policy.threshold)).sum())
        if policy.share * share_limit(seen, len(scores), at) > bound:
            return last
        last = index
    return last


def one_of_each(clusters: Sequence[str], coins: Floats) -> Ints:
    """Examples that are independent of each other: of each cluster that with the lowest coin; all that have no cluster."""
    lowest: dict[str, int] = {}
    for index, cluster in enumerate(clusters):
        if cluster and (cluster not in lowest or coins[index] < coins[lowest[cluster]]):
            lowest[cluster] = index
    return np.array([at for at, cluster in enumerate(clusters) if not cluster or lowest[cluster] == at], dtype=np.int64)


def saving_of(policy: Policy, traffic: Traffic) -> tuple[float, float, float]:
    """The part of the strong model's cost that the policy saves on this traffic, and the ends of a 90 % interval (of a ratio
    of sums, by its linear approximation)."""
    paid = np.where(traffic.scores <= policy.threshold, traffic.cheap, traffic.strong)
    saved, whole, n = policy.share * (traffic.alone - paid), float(traffic.alone.sum()), len(paid)
    if whole <= 0 or n < 2:
        return 0.0, 0.0, 0.0
    part = float(saved.sum()) / whole
    error = float(np.sqrt(((saved - part * traffic.alone) ** 2).sum() * n / (n - 1))) / whole
    half = float(stdtrit(n - 1, 0.95)) * error
    return part, part - half, part + half


def holm(ps: Mapping[str, float], delta: float) -> tuple[str, ...]:
    """The names whose promise is kept, with a chance of at most delta that this is false of any of them (Holm 1979)."""
    ranked = sorted(ps, key=lambda name: (ps[name], name))
    stop = next((at for at, name in enumerate(ranked) if ps[name] * (len(ranked) - at) > delta), len(ranked))
    return tuple(ranked[:stop])


def least_examples(theta: float, delta: float, accuracy: float) -> int:
    """Examples without a single loss that it takes to certify a policy on all its calls, where the strong model is right on
    `accuracy` of them (a policy that is used on a random share of calls needs fewer). Raises InputError for what is no part.
    """
    if not (0 < theta < 1 and 0 < delta < 1 and 0 < accuracy <= 1):
        raise InputError(
            f"target {theta:g}, chance of error {delta:g} and accuracy of the strong model {accuracy:g}: "
            f"all must lie between 0 and 1"
        )
    return int(np.ceil(np.ceil(np.log(delta) / np.log(theta) - 1e-9) / accuracy - 1e-9))


def highest_target(examples: int, delta: float, accuracy: float) -> float:
    """The highest target that so many examples without a loss could certify on all calls of a policy."""
    return float(delta ** (1 / max(1.0, examples * accuracy)))


def least_strong_share(losses: float, allowed: float) -> float:
    """The least part of calls that must stay with the strong model, even by perfect routing, where the cheap one loses this
    part of all calls and so much of those it keeps is allowed."""
    return max(0.0, (losses - allowed) / (1 - allowed))


def more_labels(
    path: Sequence[Policy], graded: Graded, theta: float, at: float, extra: Sequence[int]
) -> tuple[tuple[int, float], ...]:
    """What so many more labels would be expected to certify: their number and the saving. An estimate: it takes the examples
    at hand, a little pessimistically, for the truth."""
    n = len(graded.scores)
    if not (n and path):
        return tuple((more, 0.0) for more in extra)
    each = [graded.counts(policy.threshold) for policy in path]
    losses, wins, telling = (
        np.array(column)
        for column in zip(*((one.losses + 0.5, one.wins + 0.5, one.telling + 1.5) for one in each), strict=True)
    )
    held = np.array([max(stricter(theta, policy.share), 1e-9) for policy in path])
    found = []
    for more in extra:
        times = (n + more) / n
        passed = signed_root(losses * times, wins * times, telling * times, held) >= -float(ndtri(at))
        last = int(np.argmin(np.append(passed, False))) - 1
        found.append((more, path[last].saving if last >= 0 else 0.0))
    return tuple(found)
