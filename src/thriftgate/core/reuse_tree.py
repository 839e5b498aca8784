"""The prompts that were sent, as a bounded tree.

Every block boundary is known by its chain digest and points at the conversation it belongs to; only the few boundaries that
matter are nodes with a history: where a request ended, where conversations part, where tools and system end.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from thriftgate.core.generations import Ageing, Generations
from thriftgate.core.hazards import EDGES_S, Event, Gaps, KeptGaps

BRANCHES_MAX = 16  # a request takes four breakpoints; more places than these tell nothing about where they should go
PATH_WEIGHT = 2  # a path and its nodes take as much memory as so many boundaries
GAPS_WEIGHT = 3  # … and so do the gaps of a node with a history of its own
UNUSED_S = EDGES_S[-1]  # longer gaps are not told apart (`hazards.py`)
ENDS_KEPT = 2  # a request that is regenerated, or edited at its last turn, goes back no further


class Node:
    """A boundary with a history, behind block `at`; `base` is the last block that was known before its request. A shared
    node counts how often it was used (`touches`) and how often its uses left each other there (`parted`)."""

    __slots__ = ("at", "base", "event", "gaps", "last_s", "parted", "shared", "touches")

    def __init__(self, at: int, *, base: int, shared: bool, now_s: float) -> None:
        self.at = at
        self.base = base
        self.shared = shared
        self.touches = 1
        self.parted = 0
        self.last_s = now_s
        self.event: Event | None = None
        self.gaps: Gaps | None = None


class Path:
    """One conversation: the index of its last block, and its nodes, shallow to deep. Those before the place where it left
    another conversation are that one's nodes as well."""

    __slots__ = ("last", "nodes")

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.last = -1
        self.nodes: list[Node] = list(nodes)

    def add(self, node: Node) -> None:
        """Put a node in its place."""
        self.nodes.append(node)
        if len(self.nodes) > 1 and self.nodes[-2].at > node.at:
            self.nodes.sort(key=_place)

    def forget(self) -> None:
        """Forget the ends of turns long past, since nobody returns there but by a new branch, and of too many branches those
        that were used longest ago."""
        ends = [node for node in self.nodes if not node.shared]
        surplus = ends[:-ENDS_KEPT]
        branches = len(self.nodes) - len(ends)
        if branches > BRANCHES_MAX:
            oldest = sorted((node for node in self.nodes if node.shared), key=_age)
            surplus += oldest[: branches - BRANCHES_MAX]
        for node in surplus:
            self.nodes.remove(node)


class Way(Struct):
    """How far a request goes along what is known: the path it stays on longest, the index of the last known block (-1:
    none), and the nodes up to there, shallow to deep."""

    path: Path | None
    known: int
    nodes: list[Node]


class _KeptNode(Struct, array_like=True):
    at: int
    base: int
    shared: bool
    touches: int
    parted: int
    last_s: float
    gaps: KeptGaps | None


class _KeptPath(Struct, array_like=True):
    last: int
    nodes: list[int]
    digests: list[bytes]


class _KeptTree(Struct, array_like=True):
    nodes: list[_KeptNode]
    paths: list[_KeptPath]


class Tree:
    """Holds at most `boundaries_max` boundaries, at least half of them the most recently used; paths, and nodes with a
    history of their own, count as more of them. What was not used for `UNUSED_S` goes."""

    def __init__(self, boundaries_max: int) -> None:
        self._paths: Generations[bytes, Path] = Generations(boundaries_max)
        self._ageing = Ageing(UNUSED_S)

    def __len__(self) -> int:
        return len(self._paths)

    def pass_time(self, now_s: float) -> None:
        """Let go of what was not used for long."""
        if self._ageing.is_due(now_s):
            self._paths.age()

    def way(self, chain: Sequence[bytes]) -> Way:
        """Along what is known. Of a prompt of which not all is told, digests are b""."""
        get = self._paths.get
        for at in range(len(chain) - 1, -1, -1):
            path = get(chain[at])
            if path is not None:
                return Way(path, at, [node for node in path.nodes if node.at <= at])
        return Way(None, -1, [])

    def extend(self, way: Way, chain: Sequence[bytes]) -> Path:
        """The path of this request, its blocks taken in: the one it is on if it goes on where that ends, else a new one."""
        path = way.path
        if path is None or way.known != path.last:
            path = Path([node for node in way.nodes if node.shared])
            self._paths.charge(PATH_WEIGHT)
        for digest in chain[way.known + 1 :]:
            if digest:
                self._paths[digest] = path
        path.last = max(path.last, len(chain) - 1)
        return path

    def recall(self, node: Node, now_s: float) -> None:
        """From now on the node has a history of its own."""
        node.gaps = Gaps(now_s)
        self._paths.charge(GAPS_WEIGHT)

    def used(self, digest: bytes) -> None:
        """The boundary is in use: it stays."""
        self._paths.get(digest)

    def kept(self, boundaries_max: int) -> bytes:
        """The most recent part of the tree, to be restored by `restore`."""
        numbers: dict[int, int] = {}
        places: dict[int, int] = {}
        tree = _KeptTree([], [])
        for digest, path in self._paths.recent(boundaries_max):
            if id(path) not in places:
                places[id(path)] = len(tree.paths)
                for node in path.nodes:
                    if id(node) not in numbers:
                        numbers[id(node)] = len(tree.nodes)
                        tree.nodes.append(_kept_node(node))
                tree.paths.append(_KeptPath(path.last, [numbers[id(node)] for node in path.nodes], []))
            tree.paths[places[id(path)]].digests.append(digest)
        return msgspec.msgpack.encode(tree)

    def restore(self, data: bytes) -> None:
        """Take in what `kept` gave. Raises ValueError for anything else; msgspec's errors are such."""
        tree = msgspec.msgpack.decode(data, type=_KeptTree)
        nodes = [_restored_node(one) for one in tree.nodes]
        if any(not 0 <= at < len(nodes) for one in tree.paths for at in one.nodes):
            raise ValueError("a kept path names a node that is not there")
        for one in reversed(tree.paths):
            path = Path([nodes[at] for at in one.nodes])
            path.last = one.last
            for digest in reversed(one.digests):
                self._paths[digest] = path
            self._paths.charge(PATH_WEIGHT)
        self._paths.charge(GAPS_WEIGHT * sum(1 for node in nodes if node.gaps is not None))


def _kept_node(node: Node) -> _KeptNode:
    return _KeptNode(
        at=node.at,
        base=node.base,
        shared=node.shared,
        touches=node.touches,
        parted=node.parted,
        last_s=node.last_s,
        gaps=node.gaps.kept() if node.gaps is not None else None,
    )


def _restored_node(one: _KeptNode) -> Node:
    node = Node(one.at, base=one.base, shared=one.shared, now_s=one.last_s)
    node.touches, node.parted = one.touches, one.parted
    node.gaps = Gaps.restored(one.gaps) if one.gaps is not None else None
    return node


def _place(node: Node) -> int:
    return node.at


def _age(node: Node) -> float:
    return node.last_s
