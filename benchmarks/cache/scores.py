"""From the bills of single replays to the figures that are compared, pooled over draws.

U is the bill without caching, C the policy's, LB the lower bound: S = (U - C) / (U - LB) is the share of the clairvoyant
saving that was realised, X = C / LB tells how far the bill is from the least possible one.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from statistics import pstdev

from msgspec import Struct

from benchmarks.cache.replay import Result

NO_HARM = 1.02


class Run(Struct, frozen=True):
    """One replay: one draw of a trace in one world. Costs in tokens at the base price, times in ns.

    A session loses if it pays more than without caching; `losing_tokens` are the prompt tokens of those, `overpaid` is what
    they pay too much, `saved` what the others save.
    """

    policy: str
    plain: float
    cost: float
    bound: float
    sessions: int
    losing: int
    losing_tokens: float
    overpaid: float
    saved: float
    rejected: int
    place_ns: array[int]
    state_bytes: int | None = None


class Score(Struct, frozen=True):
    """A policy on one trace, level and world, over all draws. `sd` is the spread of the relative cost between draws."""

    draws: int
    requests: int
    plain: float
    cost: float
    bound: float
    sd: float
    losing_sessions: float
    losing_tokens: float
    overpaid: float
    saved_by_rest: float
    rejected: int
    p50_us: float
    p99_us: float
    state_bytes: int | None

    @property
    def relative(self) -> float:
        """C / U."""
        return self.cost / self.plain

    @property
    def over_bound(self) -> float:
        """X = C / LB."""
        return self.cost / self.bound

    @property
    def realised(self) -> float | None:
        """S; None where caching can save nothing."""
        possible = self.plain - self.bound
        return (self.plain - self.cost) / possible if possible > 1e-9 * self.plain else None


def run_of(result: Result, bound: float, state_bytes: int | None = None) -> Run:
    """What is kept of one replay."""
    pairs = list(zip(result.by_session, result.plain, strict=True))
    losers = [(paid, plain) for paid, plain in pairs if paid > plain * (1 + 1e-9)]
    return Run(
        policy=result.policy,
        plain=sum(result.plain),
        cost=result.cost,
        bound=bound,
        sessions=sum(plain > 0 for plain in result.plain),
        losing=len(losers),
        losing_tokens=sum(plain for _, plain in losers),
        overpaid=sum(paid - plain for paid, plain in losers),
        saved=sum(max(0.0, plain - paid) for paid, plain in pairs),
        rejected=result.rejected,
        place_ns=array("q", result.place_ns),
        state_bytes=state_bytes,
    )


def score(runs: Sequence[Run]) -> Score:
    """Pool the draws: sums are divided by sums, and the times of all requests are ordered together."""
    plain = sum(run.plain for run in runs)
    sessions = sum(run.sessions for run in runs)
    times = sorted(ns for run in runs for ns in run.place_ns)
    states = [run.state_bytes for run in runs if run.state_bytes is not None]
    return Score(
        draws=len(runs),
        requests=len(times),
        plain=plain,
        cost=sum(run.cost for run in runs),
        bound=sum(run.bound for run in runs),
        sd=pstdev([run.cost / run.plain for run in runs]),
        losing_sessions=sum(run.losing for run in runs) / sessions,
        losing_tokens=sum(run.losing_tokens for run in runs) / plain,
        overpaid=sum(run.overpaid for run in runs) / plain,
        saved_by_rest=sum(run.saved for run in runs) / plain,
        rejected=sum(run.rejected for run in runs),
        p50_us=quantile(times, 0.5) / 1000,
        p99_us=quantile(times, 0.99) / 1000,
        state_bytes=max(states, default=None),
    )


def quantile(ordered: Sequence[int], share: float) -> float:
    """The value below which that share of the ordered values lies."""
    return float(ordered[min(len(ordered) - 1, int(share * len(ordered)))])


def harm(ours: Score, habit: Score) -> float:
    """C as a multiple of the cheaper of no caching and the client habit; more than `NO_HARM` is a breach of the clause."""
    return ours.cost / min(ours.plain, habit.cost)
