"""When each item of a batch starts, decided once, when the batch is created.

Two models, both assumed: the documentation says only that most batches take less than an hour and that hits in the cache are
best effort (build-with-claude/batch-processing, 2026-10). Without workers the whole batch takes a drawn time and its items
start spread over it, shuffled. With workers each takes the next item as soon as it is done with one: what is in flight
together cannot read what the others write, what lies further apart than a life in the cache no longer can.
"""

from __future__ import annotations

import heapq
import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from thriftgate.simulator.config import BatchRules
from thriftgate.simulator.draws import shuffled, unit

Chance = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Schedule:
    """The places (in the file) of the items in the order in which they start, the Unix seconds at which they do, and when
    the last one is done: never, if some are stuck. Stuck items are not listed."""

    order: array[int]
    starts: array[float]
    done_at: float


def make_schedule(rules: BatchRules, count: int, now: float, chance: Chance, slowness: float = 1.0) -> Schedule:
    """The schedule of a batch of `count` items created at `now`; it takes `slowness` times as long as usual."""
    if rules.workers:
        begin = now + rules.start_s[0] + unit(*chance, "start") * (rules.start_s[1] - rules.start_s[0])
        order = range(count) if rules.order == "file" else shuffled(range(count), *chance, "order")
        starts, done_at = _worked(rules, count, begin, chance, rules.service_s * slowness)
    else:
        order = shuffled(range(count), *chance, "order")
        starts, done_at = _spread_out(rules, count, now, chance, slowness)
    return _without_stuck(rules, order, starts, done_at, chance)


def _spread_out(rules: BatchRules, count: int, now: float, chance: Chance, slowness: float) -> tuple[Sequence[float], float]:
    shortest, longest = rules.duration_s
    duration = slowness * math.exp(math.log(shortest) + unit(*chance) * (math.log(longest) - math.log(shortest)))
    return [now + 0.95 * duration * (rank + 0.5) / count for rank in range(count)], now + duration


def _worked(rules: BatchRules, count: int, begin: float, chance: Chance, service_s: float) -> tuple[Sequence[float], float]:
    """Starts of the 1st, 2nd, … item taken, and when the last worker is done."""
    step = service_s / rules.workers if rules.stagger else 0.0
    free = [begin + worker * step for worker in range(min(rules.workers, count))]  # ascending, so already a heap
    starts: list[float] = []
    for rank in range(count):
        starts.append(free[0])
        drift = rules.spread * (2.0 * unit(*chance, "service", rank) - 1.0) if rules.spread else 0.0
        heapq.heapreplace(free, free[0] + service_s * (1.0 + drift))
    return starts, max(free)


def _without_stuck(
    rules: BatchRules, order: Sequence[int], starts: Sequence[float], done_at: float, chance: Chance
) -> Schedule:
    if not rules.stuck_share:
        return Schedule(array("I", order), array("d", starts), done_at)
    ranks = [rank for rank, index in enumerate(order) if unit(*chance, "stuck", index) >= rules.stuck_share]
    ends = done_at if len(ranks) == len(order) else math.inf
    return Schedule(array("I", [order[rank] for rank in ranks]), array("d", [starts[rank] for rank in ranks]), ends)
