"""From replays to results: what each policy would have cost, how sure that is, and what has been missed.

A replayed policy is not compared with the bill itself but with the replay of the log as it was: what the cache model gets
wrong, it gets wrong in both. Its cost is the bill less that difference. Its error bar: the share by which the as-is replay
misses the bill, of the difference; and where only a sample was replayed, the spread between groups of conversations.
"""

from __future__ import annotations

from math import isqrt
from typing import NamedTuple

from msgspec.structs import replace

from thriftgate.audit.findings import MissSum, Money, PolicyResult, Replayed
from thriftgate.audit.replay.plan import Replays
from thriftgate.audit.replay.policies import AS_IS, CACHE, NO_CACHE, Candidate
from thriftgate.audit.replay.run import GROUPS, Done, Tally
from thriftgate.drawing.words import money

_SURE = 2  # standard errors: 95 %


class _Scale(NamedTuple):
    """From the calls of a sample to all that could be replayed: a factor as a fraction of pico-USD."""

    whole: int
    part: int

    def of(self, pico: int) -> int:
        return pico * self.whole // self.part if self.part else 0


def _scale(replays: Replays) -> _Scale:
    if not replays.sampled:
        return _Scale(1, 1)
    return _Scale(replays.whole.observed.pico, replays.sample.observed.pico)


def replayed(done: Done) -> Replayed:
    """How well the as-is replay reproduces the bill."""
    return Replayed(done.observed.calls, done.observed.pico, done.as_is.pico, done.differing)


def results(replays: Replays, candidates: list[Candidate], cost: Money, *, untold: bool) -> tuple[PolicyResult, ...]:
    """What the log would have cost under each policy, as it was first. `cost` is the bill; `untold`: the log does not say
    how prompts were cached, so it is taken for uncached."""
    whole = replays.whole
    note = "the log does not tell what was cached: taken as sent without caching" if untold else ""
    found = [
        PolicyResult(AS_IS, "as-is", "as it was", whole.observed.calls, cost, Money(), note=note),
        _result(whole, whole.plain, cost, Candidate(NO_CACHE, "plain", "the same calls without any caching")),
    ]
    for candidate in candidates:
        in_whole = candidate.name in whole.tallies
        done = whole if in_whole else replays.sample
        tally = done.tallies.get(candidate.name)
        if tally is None:  # nothing to replay it on
            continue
        one = _result(done, tally, cost, candidate, None if in_whole or not replays.sampled else _scale(replays))
        found.append(_shared(one, replays, candidate))
    return tuple(found)


def _result(done: Done, tally: Tally, cost: Money, candidate: Candidate, sample: _Scale | None = None) -> PolicyResult:
    """`sample`: only a sample was replayed under this policy."""
    base = done.as_is
    scale = sample or _Scale(1, 1)
    saved = scale.of(base.pico - tally.pico)
    off = abs(done.observed.pico - base.pico)
    error = scale.of(off * abs(base.pico - tally.pico) // base.pico if base.pico else 0)
    if sample is not None:
        error += _SURE * scale.of(_spread(base, tally))
    notes = []
    if sample is not None:
        notes.append(f"from a sample of {tally.calls:,} calls")
    if tally.rejected:
        notes.append(f"{tally.rejected:,} requests would have been refused, and sent again without breakpoints")
    if tally.failed:
        notes.append(f"{tally.failed:,} calls could not be planned, and count as they were")
    if candidate.pings is not None:
        notes.append(f"pings: {tally.pings:,}, for {money(tally.pings_pico)}, which is in the cost")
    if candidate.rewrites:
        notes.append(f"{tally.rewritten:,} of {tally.calls:,} prompts change")
    levers = _levers(tally, saved, scale) if candidate.family in ("lever", "levers", "config") else {}
    return PolicyResult(
        name=candidate.name,
        family=candidate.family,
        title=candidate.title,
        calls=tally.calls,
        cost=Money(cost.pico - saved, cost.low - saved - error, cost.high - saved + error),
        saved=Money(saved, saved - error, saved + error),
        levers=levers,
        safe=candidate.safe,
        note="; ".join(notes),
    )


def _levers(tally: Tally, saved: int, scale: _Scale) -> dict[str, int]:
    """The shares of the levers. Their books compare with what the client's own breakpoints would have cost by then, which is
    the as-is replay but for rounding; what is left over goes to the lever that decides about caching."""
    levers = {lever: scale.of(pico) for lever, pico in tally.levers.items()}
    rest = saved - sum(levers.values())
    if rest or not levers:
        levers[CACHE] = levers.get(CACHE, 0) + rest
    return levers


def _shared(one: PolicyResult, replays: Replays, candidate: Candidate) -> PolicyResult:
    """With the share of the lever that the candidate adds: what the same calls cost more when they are planned without it.
    The lever that decides about caching keeps the rest, so that shares still sum to the saving."""
    tallies = replays.sample.tallies if replays.sampled else replays.whole.tallies | replays.sample.tallies
    with_it, without = tallies.get(candidate.name), tallies.get(candidate.beside)
    if with_it is None or without is None:
        return one
    added = _scale(replays).of(without.pico - with_it.pico)
    levers = {**one.levers, CACHE: one.levers.get(CACHE, 0) - added}
    return replace(one, levers={**levers, candidate.adds: added})


def _spread(base: Tally, tally: Tally) -> int:
    """The standard error of the saving of a sample, from the differences between its groups."""
    if not tally.groups or not base.groups:
        return 0
    saved = [one - two for one, two in zip(base.groups, tally.groups, strict=True)]
    mean = sum(saved) // GROUPS
    variance = sum((one - mean) ** 2 for one in saved) * GROUPS // (GROUPS - 1)
    return isqrt(variance)


def misses(replays: Replays) -> tuple[MissSum, ...]:
    """Why the cache did not serve what had been sent before, dearest first."""
    done, scale = replays.sample, _scale(replays)
    rows = [
        MissSum(
            cause,
            scale.of(one.calls),
            scale.of(one.tokens),
            scale.of(one.pico),
            scale.of(one.avoidable_pico),
            one.example,
        )
        for cause, one in done.misses.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.pico, row.cause)))
