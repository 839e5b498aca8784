"""How many may lie above? Bounds on a quantile from a sample's own largest values, whatever the distribution is.

Of `n` independent draws of one distribution, let `c` be the k-th largest. If more than a share `rate` of all draws would be
longer than `c`, then `c` lies below the (1 − rate)-quantile, so at most k − 1 of the n reached that quantile, which each
does with a chance of at least `rate`. That has a chance of at most P(Binomial(n, rate) ≤ k − 1). So the largest k for which
this is at most 5 % gives the lowest cap that may be stated. Ties make it safer. Too small a sample has no such k:
the largest of n is a bound from (1 − rate)^n ≤ 5 % on, 299 draws for 1 % at 95 %. (Wilks, "Determination of sample
sizes for setting tolerance limits", Annals of Mathematical Statistics 12, 1941, https://doi.org/10.1214/aoms/1177731788.)
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, exp, log, log1p

CONFIDENCE = 0.95


@lru_cache(8_192)
def rank(n: int, rate: float) -> int:
    """The largest k such that the k-th largest of `n` is exceeded by at most `rate` of all with 95 % confidence; 0: none."""
    _check(rate)
    term = n * log1p(-rate)  # logarithm of P(exactly k of n), from k = 0
    odds, total, k = log(rate) - log1p(-rate), 0.0, 0
    while k < n:
        total += exp(term)
        if total > 1.0 - CONFIDENCE:
            return k
        term += log((n - k) / (k + 1)) + odds
        k += 1
    return k


def needs(rate: float) -> int:
    """The smallest sample of which the largest is such a bound."""
    _check(rate)
    n = ceil(log1p(-CONFIDENCE) / log1p(-rate))
    return n if rank(n, rate) else n + 1


def _check(rate: float) -> None:
    if not 0 < rate < 1:
        raise ValueError(f"rate {rate}: must lie between 0 and 1")
