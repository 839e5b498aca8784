"""Random traces small enough to try all plans, and the best of all plans under the production cache model."""

import random
from collections.abc import Iterator
from itertools import combinations

from benchmarks.cache.clairvoyant import revealed

from thriftgate.audit.placing.world import World
from thriftgate.audit.traces.grow import Call, Points, assemble
from thriftgate.audit.traces.trace import Trace
from thriftgate.core.cache import Breakpoint, CacheRules, Resident, forecast

GAPS_S = (0.5, 3.0, 10.0, 200.0, 299.0, 300.0, 301.0, 700.0, 2_000.0, 3_599.0, 3_600.0, 4_000.0)
RULES = {
    "default": CacheRules(),
    "hit only": CacheRules(refresh="hit_only"),
    "ancestors, no free insert": CacheRules(refresh="ancestors", free_insert=False),
    "short look-back": CacheRules(lookback_positions=2, collapse_runs=False),
    "two breakpoints": CacheRules(breakpoints_max=2),
    "in place": CacheRules(in_place_upgrade=True),
    "no late upgrade": CacheRules(late_upgrade=False),
    "no upgrade at all": CacheRules(late_upgrade=False, free_insert=False),
    "no upgrade at all, ancestors": CacheRules(late_upgrade=False, free_insert=False, refresh="ancestors"),
    "in place only": CacheRules(late_upgrade=False, free_insert=False, in_place_upgrade=True),
}


def tiny(seed: int, calls: int = 5) -> Trace:
    """A few calls that grow, fork and repeat one another, at gaps around the lives of entries; some answers begin late."""
    rng = random.Random(seed)
    points, known, made, at_s = Points(), [0], list[Call](), 0.0
    for _ in range(calls):
        if made and rng.random() < 0.25:
            end = rng.choice(made).way[-1]
        else:
            end = rng.choice(known)
            for _ in range(rng.choice((1, 1, 2))):
                end = points.add(end, points.depth[end] + rng.choice((300, 900, 1_500, 4_000, 20_000)))
                known.append(end)
        at_s += rng.choice(GAPS_S)
        begins_s = at_s + rng.choice((0, 1, 1, 5, 50, 400))
        made.append(Call(at_s, begins_s, 0, points.way(end), kind=rng.choice(("text", "tool_result"))))
    return assemble("tiny", made, points.depth)


def optimum(trace: Trace, world: World) -> float:
    """The cheapest bill that any breakpoints at nodes of the tree can get."""
    states: dict[frozenset[tuple[bytes, Resident]], float] = {frozenset(): 0.0}
    for ask in revealed(trace).asks:
        reached: dict[frozenset[tuple[bytes, Resident]], float] = {}
        spots = [at for at, depth in enumerate(ask.cumulative) if depth >= world.minimum]
        choices = list(_plans(spots, world.rules.breakpoints_max))
        for state, cost in states.items():
            residency = dict(state)
            for marks in choices:
                outcome = forecast(
                    ask.prefix,
                    ask.cumulative,
                    marks,
                    residency,
                    now_s=ask.at_s,
                    usable_s=ask.begins_s,
                    cache_min_tokens=world.minimum,
                    rules=world.rules,
                )
                after = {name: entry for name, entry in (residency | outcome.entries).items() if entry.expires_s > ask.at_s}
                key = frozenset(after.items())
                reached[key] = min(reached.get(key, float("inf")), cost + world.cost(outcome.tokens))
        states = reached
    return min(states.values())


def _plans(spots: list[int], most: int) -> Iterator[list[Breakpoint]]:
    for size in range(min(len(spots), most) + 1):
        for chosen in combinations(spots, size):
            for hours in range(size + 1):
                yield [Breakpoint(at, "1h" if number < hours else "5m") for number, at in enumerate(chosen)]
