"""A policy that knows the whole trace and is billed like any other: how near to the lower bound one can get.

Of a request's path only few nodes are worth a breakpoint: the next request through a node shares with this one all down to
some deepest node, and the nodes with the same next request form a group. For each set of such marks the production cache
model tells the bill and the entries, and the lower bound's tables what is paid later for each edge, found live or not. The
cheapest set is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, product
from operator import itemgetter

import msgspec
from msgspec import Struct

from thriftgate.audit.placing.bound import Edge, cacheable_edges, futures
from thriftgate.audit.placing.world import World
from thriftgate.audit.traces.trace import Ask, Trace, digest
from thriftgate.core.blocks import Block, Part, Section
from thriftgate.core.cache import TTL_S, Breakpoint, CacheOutcome, Resident, forecast
from thriftgate.core.prefix import Prefix
from thriftgate.core.request import Ttl
from thriftgate.core.usage import Tokens

COMBINATIONS_MAX = 200
Mark = tuple[int, Ttl]
"""A breakpoint on a node of the path, by its index among the nodes that are long enough to be cached."""


def revealed(trace: Trace) -> Trace:
    """The trace as one who knows the future sees it: every node on a request's path is a boundary that may be marked."""
    kinds = {
        at: block.part.kind for ask in trace.asks for at, block in zip(ask.prefix.chain, ask.prefix.blocks, strict=True)
    }
    shelf: dict[tuple[int, int, Section, int], Block] = {}
    asks: list[Ask] = []
    for ask in trace.asks:
        following = iter(zip(ask.prefix.chain, ask.prefix.blocks, strict=True))
        known, block = next(following)
        blocks: list[Block] = []
        before = 0
        for node in ask.path:
            name, depth = digest(node), trace.depths[node]
            key = (node, depth - before, block.section, block.index)
            if key not in shelf:
                part = Part(kinds[name], name, depth - before, depth - before)
                shelf[key] = Block(part, block.section, block.index)
            blocks.append(shelf[key])
            before = depth
            if name == known:
                known, block = next(following, (known, block))
        prefix = Prefix(tuple(blocks), tuple([block.part.digest for block in blocks]))
        cumulative = tuple([trace.depths[node] for node in ask.path])
        asks.append(msgspec.structs.replace(ask, prefix=prefix, cumulative=cumulative))
    return msgspec.structs.replace(trace, asks=tuple(asks))


class _Group(Struct, frozen=True):
    """Nodes `first` to `last` of a path, whose next request is the same, at `next_s`."""

    first: int
    last: int
    next_s: float


class _Later(Struct, frozen=True):
    """What requests after this one pay for all edges down to each node of the path: if the next one finds nothing, an entry
    of either class, or one that is not readable yet."""

    dead: list[float]
    hot: dict[Ttl, list[float]]
    pending: list[float]


class _View(Struct, frozen=True):
    """A request as the choice of its marks needs it. `nodes` are those that can be cached, from index `offset` on in its
    prefix; `entries` are alive now, by node."""

    ask: Ask
    nodes: Sequence[int]
    offset: int
    groups: list[_Group]
    later: _Later
    entries: dict[int, Resident]
    live: int
    """The deepest node with a readable entry, or -1."""

    def depth(self, node: int) -> int:
        return self.ask.cumulative[self.offset + node]

    def digest(self, node: int) -> bytes:
        return self.ask.prefix.chain[self.offset + node]


class ClairvoyantPolicy:
    """Marks for a trace that `revealed` gave, in its order."""

    name = "clairvoyant"

    def __init__(self, trace: Trace, world: World) -> None:
        self._world = world
        self._times = [ask.at_s for ask in trace.asks]
        self._edges, _ = cacheable_edges(trace, world.minimum)
        rules = msgspec.structs.replace(world.rules, free_insert=False)  # an upgrade that takes a mark of its own is no gift
        tables = msgspec.structs.replace(world, rules=rules)
        self._futures = {node: futures(trace, edge, tables) for node, edge in self._edges.items() if len(edge.asks) > 1}
        self._seen = dict.fromkeys(self._edges, 0)
        self._residency: dict[bytes, Resident] = {}

    def place(self, ask: Ask) -> Sequence[Breakpoint]:
        view = self._view(ask)
        cheapest = min((self._priced(view, marks) for marks in self._choices(view)), key=itemgetter(0))
        _, marks, outcome = cheapest
        self._residency.update(outcome.entries)
        return marks

    def answered(self, ask: Ask, marks: Sequence[Breakpoint], tokens: Tokens) -> None:
        """Nothing is learnt from it."""

    def _view(self, ask: Ask) -> _View:
        if len(ask.prefix.chain) != len(ask.path):
            raise ValueError("the clairvoyant marks nodes that are not known yet: replay `revealed(trace)`")
        nodes = [node for node in ask.path if node in self._edges]
        offset = len(ask.path) - len(nodes)
        following: list[tuple[Edge, int]] = []
        for node in nodes:
            following.append((self._edges[node], self._seen[node]))
            self._seen[node] += 1
        entries: dict[int, Resident] = {}
        live = -1
        for at, name in enumerate(ask.prefix.chain[offset:]):
            entry = self._residency.get(name)
            if entry is not None and entry.expires_s > ask.at_s:
                entries[at] = entry
                live = at if entry.live(ask.at_s) else live
        return _View(ask, nodes, offset, self._groups(following), self._later(nodes, following), entries, live)

    def _groups(self, following: Sequence[tuple[Edge, int]]) -> list[_Group]:
        groups: list[_Group] = []
        first = 0
        asks = [edge.asks[seen + 1] if seen + 1 < len(edge.asks) else -1 for edge, seen in following]
        for at, ask in enumerate(asks):
            if ask < 0:
                break
            if at + 1 == len(asks) or asks[at + 1] != ask:
                groups.append(_Group(first, at, self._times[ask]))
                first = at + 1
        return groups

    def _later(self, nodes: Sequence[int], following: Sequence[tuple[Edge, int]]) -> _Later:
        dead, hot_5m, hot_1h, pending = [0.0], [0.0], [0.0], [0.0]
        for node, (edge, seen) in zip(nodes, following, strict=True):
            if seen + 1 >= len(edge.asks):
                break
            future = self._futures[node]
            dead.append(edge.tokens * future.dead[seen + 1])
            hot_5m.append(edge.tokens * future.hot_5m[seen + 1])
            hot_1h.append(edge.tokens * future.hot_1h[seen + 1])
            pending.append(edge.tokens * future.wrote_1h[seen])
        sums = [list(accumulate(values)) for values in (dead, hot_5m, hot_1h, pending)]
        return _Later(sums[0], {"5m": sums[1], "1h": sums[2]}, sums[3])

    def _choices(self, view: _View) -> Iterator[list[Mark]]:
        """Sets of marks worth a look, in order of depth; a set may break the rules on TTLs or on the number of marks."""
        spots = [self._spots(view, group) for group in view.groups]
        if view.live >= 0 and all(node != view.live for options in spots for node, _ in options):
            spots.append([(view.live, "5m"), (view.live, "1h")])
        spots = [options for options in spots if options]
        worth = {id(options): self._worth(view, options) for options in spots}
        spots.sort(key=lambda options: -worth[id(options)])
        size = 1
        wide: list[Sequence[Mark | None]] = []
        for options in spots:
            size *= len(options) + 1
            if size > COMBINATIONS_MAX and wide:
                break
            wide.append([None, *options])
        for chosen in product(*wide):
            yield sorted([mark for mark in chosen if mark is not None], key=itemgetter(0))

    def _spots(self, view: _View, group: _Group) -> list[Mark]:
        """Where in a group a mark may pay: at its end, on an entry it holds, or where writing stops to pay."""
        gap_s = group.next_s - view.ask.at_s
        held = max((node for node in view.entries if group.first <= node <= group.last), default=group.last)
        spots: dict[Mark, None] = {}
        for ttl in TTL_S:
            if gap_s < TTL_S[ttl]:
                spots |= dict.fromkeys([(group.last, ttl), (held, ttl), (self._best_end(view, group, ttl), ttl)])
        return list(spots)

    def _best_end(self, view: _View, group: _Group, ttl: Ttl) -> int:
        premium = (self._world.write_5m if ttl == "5m" else self._world.write_1h) - 1
        dead, hot = view.later.dead, view.later.hot[ttl]
        kept = view.depth(view.live) if view.live >= 0 else 0
        return max(
            range(group.first, group.last + 1),
            key=lambda node: dead[node + 1] - hot[node + 1] - premium * max(0, view.depth(node) - kept),
        )

    def _worth(self, view: _View, options: Sequence[Mark]) -> float:
        """What the next request may save by an entry here: the order in which groups are looked at."""
        node = min(options[0][0], len(view.later.dead) - 2)
        return view.later.dead[node + 1] - view.later.hot["1h"][node + 1]

    def _priced(self, view: _View, marks: Sequence[Mark]) -> tuple[float, list[Breakpoint], CacheOutcome]:
        """What the marks cost now and later, after they are made to keep the rules."""
        longest = max((node for node, ttl in marks if ttl == "1h"), default=-1)
        rules = self._world.rules
        points = [Breakpoint(view.offset + node, "1h" if node <= longest else ttl) for node, ttl in marks]
        points = points[-rules.breakpoints_max :]
        ask = view.ask
        outcome = forecast(
            ask.prefix,
            ask.cumulative,
            points,
            self._residency,
            now_s=ask.at_s,
            usable_s=ask.begins_s,
            cache_min_tokens=self._world.minimum,
            rules=rules,
        )
        return self._world.cost(outcome.tokens) + self._after(view, outcome), points, outcome

    def _after(self, view: _View, outcome: CacheOutcome) -> float:
        """What later requests pay for this one's path, edge by edge as in the bound."""
        entries = dict(view.entries)
        for node in range(len(view.nodes)) if outcome.entries else ():
            entry = outcome.entries.get(view.digest(node))
            if entry is not None:
                entries[node] = entry
        later, cost = view.later, 0.0
        for group in view.groups:
            ends = {"1h": group.first, "5m": group.first, "pending": group.first}
            for node, entry in entries.items():
                if group.first <= node <= group.last and entry.expires_s > group.next_s:
                    kind = entry.ttl if entry.usable_s <= group.next_s else "pending"
                    ends[kind] = max(ends[kind], node + 1)
            hour, five = ends["1h"], max(ends["1h"], ends["5m"])
            waits = max(five, ends["pending"])
            cost += later.hot["1h"][hour] - later.hot["1h"][group.first]
            cost += later.hot["5m"][five] - later.hot["5m"][hour]
            cost += later.pending[waits] - later.pending[five]
            cost += later.dead[group.last + 1] - later.dead[waits]
        return cost
