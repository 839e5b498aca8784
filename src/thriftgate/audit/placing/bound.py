"""A lower bound for what any policy pays, knowing the whole trace: an exact programme for each edge of the prefix tree.

The edge above a node are the tokens between it and the node before; above the first node that is long enough to be cached
it is the whole prompt. In any schedule a request pays for an edge on its way the price of input, of a write or of a read,
and reads only what an earlier request through the edge left alive and readable. So the sum over the edges of the cheapest
such sequence, each edge for itself, is a bound. It leaves out: that a breakpoint serves all edges above it alike, the limit
of four, look-back, and that what renews an entry must be marked or hit.

Where entries can be upgraded free of charge by a breakpoint further on, or on them
(`CacheRules.late_upgrade`, `in_place_upgrade`), what is live is taken to live for an hour from each read.
Assumes read <= 1 <= write_5m <= write_1h.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from math import ceil

from msgspec import Struct

from thriftgate.audit.placing.world import World
from thriftgate.audit.traces.trace import Trace

LIFE_5M_S = 300
LIFE_1H_S = 3600


class Edge(Struct, frozen=True):
    """Tokens of the edge above a node, and the requests through it by their index in the trace."""

    tokens: int
    asks: list[int]


class Futures(Struct, frozen=True):
    """The least that requests pay for a token of an edge, by the index j of a request among those through the edge.

    `dead[j]`, `hot_5m[j]`, `hot_1h[j]`: j and all later ones, where j finds nothing, or an entry of that class.
    `wrote_5m[j]`, `wrote_1h[j]`: those after j, which wrote such an entry. One more value stands for "no more requests".
    """

    dead: list[float]
    hot_5m: list[float]
    hot_1h: list[float]
    wrote_5m: list[float]
    wrote_1h: list[float]


def lower_bound(trace: Trace, world: World, *, pings: bool = False) -> float:
    """Tokens at the base price that no policy can stay below. With `pings`, requests may be added that only keep prefixes
    alive, or write anew one that was seen before; they are priced at their prefix alone."""
    edges, bound = cacheable_edges(trace, world.minimum)
    for edge in edges.values():
        alone = trace.asks[edge.asks[0]].weight
        bound += edge.tokens * (futures(trace, edge, world, pings=pings).dead[0] if len(edge.asks) > 1 else alone)
    return bound


def cacheable_edges(trace: Trace, minimum: int) -> tuple[dict[int, Edge], float]:
    """The edge above each node of at least the minimum, and the tokens of the prompts that are too short."""
    edges: dict[int, Edge] = {}
    short = 0.0
    for index, ask in enumerate(trace.asks):
        before = 0
        for node in ask.path:
            depth = trace.depths[node]
            if depth < minimum:
                continue
            edge = edges.get(node)
            if edge is None:
                edge = edges[node] = Edge(depth - before, [])
            edge.asks.append(index)
            before = depth
        if not before:
            short += ask.tokens * ask.weight
    return edges, short


def futures(trace: Trace, edge: Edge, world: World, *, pings: bool = False) -> Futures:
    """Solve one edge, from its last request back."""
    rules = world.rules
    upgrades = rules.late_upgrade or rules.in_place_upgrade
    times = [trace.asks[index].at_s for index in edge.asks]
    weights = [trace.asks[index].weight for index in edge.asks]
    summed = [0.0, *accumulate(weights)]
    count = len(times)
    dead = [0.0] * (count + 1)
    hot_1h = [0.0] * (count + 1)
    hot_5m = hot_1h if upgrades else [0.0] * (count + 1)
    wrote_5m, wrote_1h = [0.0] * count, [0.0] * count
    read, write_5m, write_1h = world.read, world.write_5m, world.write_1h

    def later(last: int, following: int, life_s: int, hot: Sequence[float]) -> float:
        """What `following` and all after it pay, if an entry has lived on since `last`."""
        if following == count or times[following] < times[last] + life_s:
            return hot[following]
        if not pings:
            return dead[following]
        span = LIFE_1H_S if upgrades else life_s
        sent = max(1, ceil((times[following] - times[last] - life_s) / span))
        return min(dead[following], sent * read * weights[last] + hot[following])

    for at in range(count - 1, -1, -1):
        weight = weights[at]
        hot_1h[at] = weight * read + later(at, at + 1, LIFE_1H_S, hot_1h)
        if not upgrades:
            hot_5m[at] = min(weight * read + later(at, at + 1, LIFE_5M_S, hot_5m), weight * (write_1h - read) + hot_1h[at])
        readable = bisect_left(times, trace.asks[edge.asks[at]].begins_s, at + 1)
        waiting = (
            summed[readable] - summed[at + 1]
        )  # cannot read yet; they may write and so prolong it, at no less than the price of input
        wrote_5m[at] = waiting + later(readable - 1, readable, LIFE_5M_S, hot_5m)
        wrote_1h[at] = waiting + later(readable - 1, readable, LIFE_1H_S, hot_1h)
        dead[at] = min(weight + dead[at + 1], weight * write_5m + wrote_5m[at], weight * write_1h + wrote_1h[at])
        if pings and at:
            dead[at] = min(dead[at], weight * write_5m + hot_5m[at], weight * write_1h + hot_1h[at])
    return Futures(dead, hot_5m, hot_1h, wrote_5m, wrote_1h)
