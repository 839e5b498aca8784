"""Has it become worse than promised? An alarm that may be asked after every observation.

Each observation is bet against the hypothesis that the mean is still at or below its limit. A bet multiplies what it has by
1 + b·(x − limit)/(limit − lowest): on average by no more than 1 while the hypothesis holds. With every observation a new bet
of 1 is opened, so that a change is found soon whenever it comes; the evidence is what all of them hold together (the
e-detector of Shin, Ramdas and Rinaldo, https://arxiv.org/abs/2203.03532, 2022-03-07; for bets that are right, the
Shiryaev–Roberts rule). Several sizes of bets run beside each other.

What is proven: whatever the distribution, and however it moves below the limit, evidence grows on average by at most 1 an
observation. An alarm at horizon/α is therefore false with a chance of at most α within `horizon` observations.

Losses that are 0 or 1 leave nothing unused: where the next loss would carry the evidence past the threshold, what is beyond
is given to the other outcome (after Fischer and Ramdas, https://arxiv.org/abs/2410.16076, 2024-10-21). The mean stays 1, the
proof holds, and alarms come 5 to 10 % sooner. It holds for 0 and 1 alone, hence `graded`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, log1p

import msgspec
from msgspec import Struct

HORIZON = 5_000  # observations
ALPHA = 0.05
# Rates that losses are bet to have risen to, as odds against the limit's. Within 4 to 7 % of a bet on the very rate that
# comes at two, three and five times the limit (`benchmarks/routing/drift.py`); more and other sizes were no better.
_LOSS_ODDS, _LOSS_SHARES = (2.0, 4.0, 8.0), (0.4, 0.35, 0.25)
_GRADED_ODDS, _GRADED_SHARES = (1.3, 2.0, 4.0), (0.3, 0.4, 0.3)
_DIFFERENCE_BETS, _DIFFERENCE_SHARES = (0.15, 0.4, 0.75), (0.2, 0.5, 0.3)


class _Kept(Struct, array_like=True, forbid_unknown_fields=True):
    rule: tuple[float, ...]
    evidence: tuple[float, ...]
    seen: int
    alarmed: bool


class Detector:
    """One monitor. After an alarm it stays alarmed, and takes in no more, until `reset`.

    Several monitors that may each act share α: give each its part.
    """

    __slots__ = ("_bets", "_evidence", "_leap", "_rule", "_shares", "_top", "_whole", "alarmed", "seen")

    def __init__(
        self,
        limit: float,
        bounds: tuple[float, float],
        bets: Sequence[float],
        shares: Sequence[float],
        *,
        horizon: int,
        alpha: float,
        whole: bool = False,
    ) -> None:
        """`bets` are shares of the largest bet that can never be ruined, `shares` what each is given. `whole`: observations
        are at one of the bounds. Raises ValueError for what cannot be."""
        lowest, highest = bounds
        if not lowest < limit < highest:
            raise ValueError(f"limit {limit}: must lie between the bounds {lowest} and {highest}")
        if horizon < 1 or not 0 < alpha < 1:
            raise ValueError(f"horizon {horizon} and alpha {alpha}: need at least 1 observation and 0 < alpha < 1")
        if not bets or len(bets) != len(shares) or not all(0 < bet < 1 for bet in bets):
            raise ValueError(f"bets {tuple(bets)}: must be between 0 and 1, with a share each")
        self._rule = (float(lowest), float(limit), float(highest), horizon / alpha, float(whole), *bets, *shares)
        self._top = (highest - limit) / (limit - lowest)
        self._leap = 1.0 + max(bets) * self._top  # what evidence can grow by at once
        self._whole = whole
        self._bets = tuple(bets)
        self._shares = tuple(share / sum(shares) for share in shares)
        self.reset()

    @classmethod
    def for_losses(cls, limit: float, *, graded: bool = False, horizon: int = HORIZON, alpha: float = ALPHA) -> Detector:
        """Of audited losses against the rate `limit`: 0 or 1 each, or, where `graded`, anything from 0 to 1 and weighted."""
        odds, shares = (_GRADED_ODDS, _GRADED_SHARES) if graded else (_LOSS_ODDS, _LOSS_SHARES)
        bets = _bets_for(limit, odds)
        return cls(limit, (0.0, 1.0), bets, shares, horizon=horizon, alpha=alpha, whole=not graded)

    @classmethod
    def for_difference(cls, *, horizon: int = HORIZON, alpha: float = ALPHA) -> Detector:
        """Of differences from −1 to 1 against a mean of 0, as `shortfall` gives them."""
        return cls(0.0, (-1.0, 1.0), _DIFFERENCE_BETS, _DIFFERENCE_SHARES, horizon=horizon, alpha=alpha)

    @property
    def threshold(self) -> float:
        return self._rule[3]

    @property
    def evidence(self) -> float:
        """Natural logarithm, from 0; an alarm comes at `needed`."""
        return log1p(sum(self._evidence))

    @property
    def needed(self) -> float:
        return log(self.threshold + 1)

    def reset(self) -> None:
        """Forget the evidence, as after a new certificate."""
        self._evidence = [0.0] * len(self._bets)
        self.seen = 0
        self.alarmed = False

    def see(self, x: float, weight: float = 1.0) -> bool:
        """Take in one observation; True: alarm.

        `weight` makes up for audits that were drawn with unlike chances: the lowest chance there is, over that of this one.
        Raises ValueError for what this detector was not made for.
        """
        lowest, limit, highest, threshold = self._rule[:4]
        self._check(x, weight)
        if self.alarmed:
            return True
        excess = weight * (x - limit) / (limit - lowest)
        before = [held + share for held, share in zip(self._evidence, self._shares, strict=True)]
        after = [held * (1.0 + bet * excess) for held, bet in zip(before, self._bets, strict=True)]
        if self._whole and x == lowest and sum(before) * self._leap > threshold:
            unused = self._unused(before, after, (limit - lowest) / (highest - lowest))
            after = [held * unused for held in after]
        self._evidence = after
        self.seen += 1
        self.alarmed = sum(after) >= threshold
        return self.alarmed

    def kept(self) -> bytes:
        """What is worth keeping over a restart."""
        return msgspec.msgpack.encode(_Kept(self._rule, tuple(self._evidence), self.seen, self.alarmed))

    def restore(self, data: bytes) -> None:
        """Go on from what `kept` gave. Raises ValueError for anything else, and for what was kept under another limit."""
        kept = msgspec.msgpack.decode(data, type=_Kept)
        if kept.rule != self._rule:
            raise ValueError("evidence was gathered against another limit: begin anew")
        if len(kept.evidence) != len(self._bets) or not all(0 <= held < float("inf") for held in kept.evidence):
            raise ValueError("evidence does not fit this detector")
        self._evidence, self.seen, self.alarmed = list(kept.evidence), kept.seen, kept.alarmed

    def _check(self, x: float, weight: float) -> None:
        lowest, _, highest = self._rule[:3]
        if not lowest <= x <= highest:
            raise ValueError(f"observation {x}: must be from {lowest} to {highest}")
        if not 0 < weight <= 1:
            raise ValueError(f"weight {weight}: must be above 0 and at most 1")
        if self._whole and (weight != 1 or x not in (lowest, highest)):
            raise ValueError(f"observation {x} of weight {weight}: make the detector with graded=True")

    def _unused(self, before: Sequence[float], after: Sequence[float], chance: float) -> float:
        """By what the evidence after no loss may be multiplied, because a loss would have carried it past the threshold."""
        reached = sum(held * (1.0 + bet * self._top) for held, bet in zip(before, self._bets, strict=True))
        if reached <= self.threshold:
            return 1.0
        return (sum(before) - chance * self.threshold) / ((1.0 - chance) * sum(after))


def shortfall(theta: float, strong: float, policy: float) -> float:
    """Of one audit, by how much the policy fell short of `theta` times the strong model. Qualities are from 0 to 1."""
    return theta * strong - policy


def _bets_for(limit: float, odds: Sequence[float]) -> tuple[float, ...]:
    """The bets that are best if the rate rises from `limit` to so many times its odds."""
    if not 0 < limit < 1:
        raise ValueError(f"limit {limit}: must lie between the bounds")
    rates = [times * limit / (1 - limit + times * limit) for times in odds]
    return tuple((rate - limit) / (1 - limit) for rate in rates)
