"""From recorded prompts to a trace: which prefixes prompts share, and which of them were known when.

Two steps. A `Tree` takes prompts as sequences of blocks and gives each end a point; `Points.way` is the way to it. Then
`assemble` keeps the points that matter for the calls at hand: a sample of a recording is identified by the whole recording.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import Protocol, TypeVar

from msgspec import Struct

from thriftgate.audit.traces.trace import Ask, Trace, digest
from thriftgate.core.blocks import Block, Part, Section
from thriftgate.core.prefix import Prefix

_T = TypeVar("_T")


class Draws(Protocol):
    """Where randomness comes from; `random.Random` is one."""

    def random(self) -> float: ...

    def randrange(self, stop: int, /) -> int: ...

    def sample(self, population: Sequence[_T], k: int, /) -> list[_T]: ...


class Call(Struct, frozen=True, gc=False):
    """One recorded call. `way` are the points of its prompt, its end last; `tools_end` and `system_end` are points on it, or
    0. `kind` is what its prompt ends with."""

    at_s: float
    begins_s: float
    session: int
    way: tuple[int, ...]
    kind: str = "text"
    tools_end: int = 0
    system_end: int = 0
    output_tokens: int = 0
    calls_tool: bool = False
    model: str = ""


def begins_s(at_s: float, tokens: int, ttft_s: float | None = None, took_s: float | None = None) -> float:
    """When an answer began. Where it was not recorded: after a second and one more for each 10,000 tokens of the prompt, not
    after the whole call was over."""
    if ttft_s is not None:
        return at_s + ttft_s
    estimate = tokens / 10_000 + 1
    return at_s + (estimate if took_s is None else min(estimate, took_s))


def kept(sessions: int, share: float, rng: Draws) -> set[int]:
    """The sessions of a sample: at least one."""
    return set(rng.sample(range(sessions), max(1, round(share * sessions))))


class Points:
    """Prompt prefixes by number, from 1: the prefix each extends, and how long it is."""

    def __init__(self) -> None:
        self.parent = [0]
        self.depth = [0]

    def add(self, parent: int, depth: int) -> int:
        """A new point."""
        self.parent.append(parent)
        self.depth.append(depth)
        return len(self.parent) - 1

    def way(self, point: int) -> tuple[int, ...]:
        """The points from the start of the prompt to this one; points of no length are left out."""
        way: list[int] = []
        while self.depth[point]:
            way.append(point)
            point = self.parent[point]
        return tuple(reversed(way))


class Tree:
    """The prompts of one cache as a radix tree over whole blocks.

    What a prompt has behind its last whole block carries no identity of its own. A later, longer prompt through that block
    is taken for its continuation if no other prompt has gone through the block: else the two part at the block's end.
    """

    def __init__(self, points: Points, block_tokens: int) -> None:
        self._points = points
        self._block_tokens = block_tokens
        self.root = points.add(0, 0)
        self.blocks: dict[int, Sequence[Hashable]] = {self.root: ()}
        self.count = {self.root: 0}
        self._next: dict[int, dict[Hashable, int]] = {self.root: {}}
        self._ends: dict[tuple[int, int, Hashable], int] = {}
        self._open: dict[int, list[int]] = {}

    def insert(self, blocks: Sequence[Hashable], tokens: int, rest: Hashable = None) -> int:
        """The end of a prompt of `tokens` with these whole blocks; `rest` tells what is behind them apart."""
        point = self.root
        while (position := self.count[point]) < len(blocks):
            child = self._next[point].get(blocks[position])
            if child is None:
                point = self._leaf(self._beyond_open_ends(point, blocks[position]), blocks)
            else:
                point = self._follow(point, child, blocks)
        return point if tokens == len(blocks) * self._block_tokens else self._end(point, tokens, rest)

    def continued(self, end: int) -> bool:
        """Whether some prompt has gone beyond this end."""
        return bool(self._next[end])

    def _add(self, parent: int, blocks: Sequence[Hashable], count: int, depth: int) -> int:
        point = self._points.add(parent, depth)
        self.blocks[point], self.count[point], self._next[point] = blocks, count, {}
        return point

    def _leaf(self, parent: int, blocks: Sequence[Hashable]) -> int:
        leaf = self._add(parent, blocks, len(blocks), len(blocks) * self._block_tokens)
        self._next[parent][blocks[self.count[parent]]] = leaf
        return leaf

    def _follow(self, point: int, child: int, blocks: Sequence[Hashable]) -> int:
        """As far towards the child as the blocks agree; a new point where they part."""
        start, stop, edge = self.count[point], min(self.count[child], len(blocks)), self.blocks[child]
        if edge[start:stop] != blocks[start:stop]:
            stop = next(at for at in range(start, stop) if edge[at] != blocks[at])
        if stop == self.count[child]:
            return child
        parting = self._add(point, edge, stop, stop * self._block_tokens)
        self._next[point][edge[start]] = parting
        self._next[parting][edge[stop]] = child
        self._points.parent[child] = parting
        return parting

    def _beyond_open_ends(self, point: int, block: Hashable) -> int:
        """The deepest end inside the block that comes next, if it may be taken to be part of it; else the point itself."""
        ends = self._open.get(point)
        if not ends or self._next[point]:
            return point
        for upper, lower in pairwise((point, *ends)):
            self._next[upper][block] = lower
        return ends[-1]

    def _end(self, point: int, tokens: int, rest: Hashable) -> int:
        """An end inside the block that would come next."""
        known = self._ends.get((point, tokens, rest))
        if known is not None:
            return known
        alone = point != self.root and not self._next[point]
        ends = self._open.get(point)
        if alone and ends and tokens > self._points.depth[ends[-1]]:
            end = self._add(ends[-1], self.blocks[point], self.count[point], tokens)
            ends.append(end)
        else:
            end = self._add(point, self.blocks[point], self.count[point], tokens)
            self._open[point] = [end] if alone and ends is None else []
        self._ends[point, tokens, rest] = end
        return end


def assemble(name: str, calls: Sequence[Call], depths: Sequence[int], *, hindsight: bool = False) -> Trace:
    """A trace of these calls. `depths[point]` in tokens; sessions are numbered anew. With `hindsight` each prompt has all
    boundaries that ever come to matter: who sees its blocks sees those, too."""
    calls = sorted(calls, key=lambda call: call.at_s)
    known, number = _revealed(calls)
    if hindsight:
        known = [[point for point in call.way if point in number] for call in calls]
    sessions: dict[int, int] = {}
    shelf = _Shelf(depths, number)
    asks = tuple(
        Ask(
            at_s=call.at_s,
            begins_s=call.begins_s,
            session=sessions.setdefault(call.session, len(sessions)),
            prefix=shelf.prefix(call, points),
            cumulative=tuple([depths[point] for point in points]),
            path=tuple([number[point] for point in call.way if point in number]),
            output_tokens=call.output_tokens,
            calls_tool=call.calls_tool,
            model=call.model,
        )
        for call, points in zip(calls, known, strict=True)
    )
    return Trace(name, asks, (0, *(depths[point] for point in number)), len(sessions))


def _revealed(calls: Sequence[Call]) -> tuple[list[list[int]], dict[int, int]]:
    """The points that each call could know of, and a number from 1 for each point that came to be known at all.

    A point is known from the first call on that ends there, has its tools or system end there, or leaves there the way of an
    earlier one.
    """
    number: dict[int, int] = {}
    onward: dict[int, int] = {}
    known: list[list[int]] = []
    for call in calls:
        for point, following in pairwise(call.way):
            if onward.setdefault(point, following) != following:
                number.setdefault(point, len(number) + 1)
        for point in (call.tools_end, call.system_end, call.way[-1]):
            if point:
                number.setdefault(point, len(number) + 1)
        known.append([point for point in call.way if point in number])
    return known, number


class _Shelf:
    """Blocks by what they are, so that equal ones are one object."""

    def __init__(self, depths: Sequence[int], number: dict[int, int]) -> None:
        self._depths = depths
        self._digests = {point: digest(node) for point, node in number.items()}
        self._ended: dict[int, str] = {}
        self._blocks: dict[tuple[int, int, str, Section, int], Block] = {}

    def prefix(self, call: Call, points: Sequence[int]) -> Prefix:
        """The blocks between the points known to a call. Calls must come in order of time."""
        self._ended.setdefault(call.way[-1], call.kind)
        tools, system = self._depths[call.tools_end], self._depths[call.system_end]
        blocks: list[Block] = []
        before, turns, structural = 0, 0, 0
        for point in points:
            depth = self._depths[point]
            if depth <= max(tools, system):
                section: Section = "tools" if depth <= tools else "system"
                index, structural = structural, structural + 1
            else:
                section, index = "messages", 2 * turns
                turns += point in self._ended
            blocks.append(self._block(point, depth - before, self._ended.get(point, "text"), section, index))
            before = depth
        return Prefix(tuple(blocks), tuple([self._digests[point] for point in points]))

    def _block(self, point: int, tokens: int, kind: str, section: Section, index: int) -> Block:
        key = (point, tokens, kind, section, index)
        block = self._blocks.get(key)
        if block is None:
            part = Part("tool" if section == "tools" else kind, self._digests[point], tokens, tokens)
            block = self._blocks[key] = Block(part, section, index)
        return block
