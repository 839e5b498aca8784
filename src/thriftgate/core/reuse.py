"""Which prefixes come back, and how soon: what each request can expect, learned from the traffic before it.

`look` tells what to expect for one request and changes nothing; `observe` takes the request in. Only gaps between uses are
learned, per class of prompts; no text is held.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec
from msgspec import Struct

from thriftgate.core.generations import Generations
from thriftgate.core.hazards import FIVE_MINUTES, ONE_HOUR, Gaps, Hazards, KeptGaps, Learning, cumulated
from thriftgate.core.prefix import Prefix
from thriftgate.core.reuse_tree import ENDS_KEPT, Node, Tree, Way

BOOKED_AT_ONCE = 128  # outcomes: after a burst thousands are due at one moment, and a call must not wait for all of them
APP_FANOUT = 8  # without tools and system, a prefix with so many continuations stands for the application
KEPT_BOUNDARIES = 20_000  # of the tree, across a restart: more than what is live within the hour at 100 calls a minute
_TURNS = (1, 2, 3, 3, 3)  # turn, counted from 0 -> bucket: first, second, third to fifth, later
_LATER_TURNS = 6
_PAUSES_S = (0.0, 10.0, 60.0, 300.0)
_NEW, _BRANCH, _CONTINUATION = range(3)
_SHARED = -1

_Class = tuple[bytes, int]


class Prospect(Struct, frozen=True, gc=False):
    """What to expect of the prefix up to block `at`: `curve[k]` is the chance that it is sent again by the k-th edge of
    `hazards.EDGES_S` from now. `parts` is the share of its uses that leave this request's way there; 1 at the end of the
    request. `last_s` is when it was last sent, 0 if never."""

    at: int
    curve: tuple[float, ...]
    parts: float = 1.0
    last_s: float = 0.0

    @property
    def p5(self) -> float:
        return self.curve[FIVE_MINUTES]

    @property
    def p1(self) -> float:
        return self.curve[ONE_HOUR]


class Outlook(Struct, frozen=True):
    """What is expected of one request: its boundaries that matter, shallow to deep, the end of the request last. `seen_at`
    is the deepest block sent before, `seen_s` when. `again_5m` and `again_1h` are the chances that the request which
    repeats this one is itself repeated within five minutes, and within the hour. `app` names the application: what shares
    tools and system, in one workspace and on one model."""

    prospects: tuple[Prospect, ...] = ()
    again_5m: float = 0.0
    again_1h: float = 0.0
    seen_at: int | None = None
    seen_s: float = 0.0
    app: bytes = b""

    def at(self, at: int) -> Prospect | None:
        """What to expect of any prefix of the request: what is expected of the next deeper one that is looked at."""
        return next((one for one in self.prospects if one.at >= at), None)


class _Classes(Struct):
    """The classes a request's end counts for, from the general to the special, and those of the turn that would follow."""

    app: bytes
    end: tuple[_Class, ...]
    following: tuple[_Class, ...]
    alone: bool


class _Chain(Protocol):
    """What is to be known of a prompt's blocks."""

    @property
    def chain(self) -> Sequence[bytes]: ...

    def markable_at(self, at: int) -> int | None: ...


class _Sight(NamedTuple):
    """One request as the tree stands: the last block that may carry a breakpoint, the end of tools and system, how far it is
    known, and its classes."""

    scope: bytes
    prefix: _Chain
    now_s: float
    tail: int
    head: int | None
    way: Way
    classes: _Classes


class Sighting(Struct, frozen=True, array_like=True, gc=False):
    """One request as another process saw it; digests and numbers, no text. `digests` are of the blocks from `first` on, of
    which those at `unmarkable` may carry no breakpoint; the rest as in `_Sight`. `codes` are its classes: kind, detail, and
    the kind of the turn that would follow."""

    scope: bytes
    now_s: float
    first: int
    digests: tuple[bytes, ...]
    unmarkable: tuple[int, ...]
    tail: int
    head: int | None
    app: bytes
    codes: tuple[int, int, int]
    alone: bool

    @property
    def chain(self) -> Sequence[bytes]:
        return (b"",) * self.first + self.digests

    def markable_at(self, at: int) -> int | None:
        """The deepest block up to `at`, of those that are told, that may carry a breakpoint."""
        return next((place for place in range(at, self.first - 1, -1) if place not in self.unmarkable), None)


class _Kept(Struct, array_like=True):
    tree: bytes
    classes: list[tuple[bytes, int, KeptGaps]]


class Reuse:
    """Owned by one engine; bounded; time comes with each call. `scope` names what the provider's cache keeps apart
    (workspace and model); digests of different scopes never meet."""

    def __init__(self, learning: Learning | None = None, *, boundaries_max: int = 250_000, classes_max: int = 4_096) -> None:
        self.hazards = Hazards(learning)
        self._tree = Tree(boundaries_max)
        self._classes: Generations[_Class, Gaps] = Generations(classes_max)
        self._sight: _Sight | None = None  # of the last look: a request is looked at, then observed
        self.outbox: list[Sighting] | None = None  # what other processes are to be told; None: there are none

    def pass_time(self, now_s: float) -> None:
        """Book what has become of earlier requests by now."""
        self.hazards.advance(now_s, at_most=BOOKED_AT_ONCE)
        self._tree.pass_time(now_s)

    def look(self, scope: bytes, prefix: Prefix, cumulative: Sequence[int], now_s: float, *, minimum: int = 0) -> Outlook:
        """What to expect of this request. No prospects for a prompt without a block that could be marked, or of fewer than
        `minimum` tokens."""
        sight = self._sight = self._seen(scope, prefix, cumulative, now_s)
        if sight is None:
            return Outlook()
        tail, way, classes = sight.tail, sight.way, sight.classes
        seen_at = way.known if way.known >= 0 else None
        seen_s = max([node.last_s for node in way.nodes[-ENDS_KEPT:]], default=0.0)
        if cumulative[-1] < minimum:
            return Outlook(seen_at=seen_at, seen_s=seen_s, app=classes.app)
        hazards, known = self.hazards, self._classes.get
        end = hazards.curve([known(key) for key in classes.end], alone=classes.alone)
        shared = hazards.of((known((b"", _SHARED)), known((classes.app, _SHARED))))
        prospects: dict[int, Prospect] = {}
        own: Node | None = None
        for node in way.nodes:
            if node.at == tail:
                own = node
            elif node.at < tail and node.shared:
                parts = (node.parted + 1) / (node.touches + 2)
                alone = hazards.curve_of_one(shared, node.gaps, now_s - node.last_s)
                prospects[node.at] = Prospect(node.at, alone, parts, node.last_s)
            elif node.at < tail:
                prospects[node.at] = Prospect(node.at, end, 0.0, node.last_s)
        for at in _fresh(prefix, sight):
            if at < tail and at not in prospects:
                last_s = way.nodes[-1].last_s if way.nodes and way.nodes[-1].at >= at else 0.0
                prospects[at] = Prospect(at, cumulated(shared), 0.5, last_s)
        if own is not None:
            following = end = hazards.curve_of_one(shared, own.gaps, now_s - own.last_s)
        else:
            following = hazards.curve([known(key) for key in classes.following])
        ordered = [Prospect(tail, end, last_s=own.last_s if own is not None else 0.0)]
        for at in sorted(prospects, reverse=True):
            one = prospects[at]
            ordered.append(Prospect(at, _either(one.curve, ordered[-1].curve), one.parts, one.last_s))
        ordered.reverse()
        return Outlook(
            prospects=tuple(ordered),
            again_5m=following[FIVE_MINUTES],
            again_1h=following[ONE_HOUR],
            seen_at=seen_at,
            seen_s=seen_s,
            app=classes.app,
        )

    def observe(self, scope: bytes, prefix: Prefix, cumulative: Sequence[int], now_s: float) -> None:
        """Take in that this request was sent now."""
        self.pass_time(now_s)
        sight, self._sight = self._sight, None
        if sight is None or sight.prefix is not prefix or sight.scope != scope or sight.now_s != now_s:
            sight = self._seen(scope, prefix, cumulative, now_s)
        if sight is None:
            return
        if self.outbox is not None:
            self.outbox.append(_told(sight))
        self._take_in(sight)

    def hear(self, told: Sighting) -> None:
        """Take in what another process has observed. Its classes are as that process saw them."""
        self._sight = None
        here, app = told.scope, told.app
        kind, detail, following = told.codes
        every: _Class = (b"", 0)
        classes = _Classes(
            app,
            (every, (here, 0), (here, kind), (here, detail), (app, kind), (app, detail)),
            (every, (here, 0), (here, following), (app, following)),
            alone=told.alone,
        )
        way = self._tree.way(told.chain)
        self._take_in(_Sight(here, told, told.now_s, told.tail, told.head, way, classes))

    def _take_in(self, sight: _Sight) -> None:
        prefix, now_s = sight.prefix, sight.now_s
        tail, head, way, classes = sight.tail, sight.head, sight.way, sight.classes
        continues = way.path is not None and way.known == way.path.last < len(prefix.chain) - 1
        for node in way.nodes:
            self._tree.used(prefix.chain[node.at])
            self._touch(node, classes, now_s, parts=node is way.nodes[-1] and not continues)
        if way.path is not None and not continues:
            self._part(sight)
        path = self._tree.extend(way, prefix.chain)
        if head is not None and way.known < head < tail:
            node = Node(head, base=way.known, shared=True, now_s=now_s)
            self._await(node, classes, now_s)
            path.add(node)
        if not any([node.at == tail for node in way.nodes]):  # noqa: C419  twice as fast as a generator
            node = Node(tail, base=way.known, shared=False, now_s=now_s)
            node.event = self.hazards.use(now_s, tuple([self._class(key, now_s) for key in classes.end]))
            path.add(node)
        path.forget()

    def kept(self) -> bytes:
        """What is worth keeping over a restart. Sums of several processes may be added, class by class."""
        classes = [(*key, gaps.kept()) for key, gaps in self._classes.recent(len(self._classes))]
        return msgspec.msgpack.encode(_Kept(self._tree.kept(KEPT_BOUNDARIES), classes))

    def restore(self, data: bytes) -> None:
        """Add what `kept` gave to what is known. Raises ValueError for anything else, and then takes in nothing of it."""
        kept = msgspec.msgpack.decode(data, type=_Kept)
        classes = [((owner, code), Gaps.restored(gaps)) for owner, code, gaps in reversed(kept.classes)]
        self._tree.restore(kept.tree)  # reads all before it takes in anything, as is done above
        self._sight = None
        for key, gaps in classes:
            known = self._classes.get(key)
            if known is None:
                self._classes[key] = gaps
            else:
                self.hazards.merge(known, gaps)

    def _seen(self, scope: bytes, prefix: Prefix, cumulative: Sequence[int], now_s: float) -> _Sight | None:
        """None for a prompt without a block that could be marked."""
        tail = prefix.last_markable()
        if tail is None:
            return None
        head, way = prefix.head_end(), self._tree.way(prefix.chain)
        return _Sight(scope, prefix, now_s, tail, head, way, _classify(scope, way, prefix, cumulative, now_s, head=head))

    def _touch(self, node: Node, classes: _Classes, now_s: float, *, parts: bool) -> None:
        if node.event is not None and node.event.next_s == 0.0:
            node.event.next_s = now_s
        if parts and not node.shared:
            node.shared, node.touches, node.parted = True, 1, 0
        if node.shared:
            node.touches += 1
            node.parted += parts
            self._await(node, classes, now_s)
        node.last_s = max(node.last_s, now_s)  # what another process tells is a moment old

    def _part(self, sight: _Sight) -> None:
        """The request leaves a path before its end: where it does is a node from now on."""
        prefix, way, classes, now_s = sight.prefix, sight.way, sight.classes, sight.now_s
        path = way.path
        if path is None:
            return
        left = next((node for node in path.nodes if node.at > way.known), None)
        awaited = left.event if left is not None and not left.shared else None
        if left is not None and awaited is not None and awaited.next_s == 0.0:
            # An edited last turn continues a conversation as well, if it repeats most of the blocks that were new in it.
            most = way.known - left.base > (left.at - left.base) / 2
            awaited.next_s = now_s if most else 0.0
        at = prefix.markable_at(way.known)
        if at is not None and not any(node.at == at for node in way.nodes):
            node = Node(at, base=at, shared=True, now_s=now_s)
            node.touches, node.parted = 2, 1
            self._await(node, classes, now_s)
            path.add(node)
            way.nodes.append(node)  # the deepest there is: the conversation that begins here has it as well

    def _await(self, node: Node, classes: _Classes, now_s: float) -> None:
        """Await the next use of a shared node; its own history begins with its second use."""
        if node.gaps is None and node.touches > 1:
            self._tree.recall(node, now_s)
        levels = (self._class((b"", _SHARED), now_s), self._class((classes.app, _SHARED), now_s))
        node.event = self.hazards.use(now_s, levels if node.gaps is None else (*levels, node.gaps))

    def _class(self, key: _Class, now_s: float) -> Gaps:
        gaps = self._classes.get(key)
        if gaps is None:
            gaps = self._classes[key] = Gaps(now_s)
        return gaps


def _told(sight: _Sight) -> Sighting:
    """A request as other processes are told of it: from the last block on that is known, which they know as well."""
    chain, first = sight.prefix.chain, max(0, sight.way.known)
    end, following = sight.classes.end, sight.classes.following
    return Sighting(
        scope=sight.scope,
        now_s=sight.now_s,
        first=first,
        digests=tuple(chain[first:]),
        unmarkable=tuple([at for at in range(first, len(chain)) if sight.prefix.markable_at(at) != at]),
        tail=sight.tail,
        head=sight.head,
        app=sight.classes.app,
        codes=(end[2][1], end[3][1], following[2][1]),
        alone=sight.classes.alone,
    )


def _fresh(prefix: Prefix, sight: _Sight) -> list[int]:
    """Boundaries that matter but are no nodes yet: the end of tools and system, documents before a first question, and where
    this request leaves a known path."""
    way = sight.way
    found = [sight.head]
    question = prefix.blocks[-1]
    if question.section == "messages" and question.index == 0 and question.item > 0:
        found.append(prefix.markable_at(len(prefix.blocks) - 2))
    if way.path is not None and way.known != way.path.last:
        found.append(prefix.markable_at(way.known))
    return [at for at in found if at is not None]


def _classify(
    scope: bytes, way: Way, prefix: Prefix, cumulative: Sequence[int], now_s: float, *, head: int | None
) -> _Classes:
    """The classes of a request's end: all; workspace and model; how it came about (something new, a branch, a continuation),
    who spoke last and in which turn; how long the prompt is and how long the pause before it was; both again for the
    application alone. A class is an owner and a number."""
    if head is not None:
        app = scope + prefix.chain[head]
    else:
        wide = next((node for node in reversed(way.nodes) if node.parted >= APP_FANOUT), None)
        app = scope + (prefix.chain[wide.at] if wide is not None else b"\0")
    last = prefix.blocks[-1]
    turn = last.index // 2 if last.section == "messages" else 0
    parent = way.nodes[-1] if way.nodes else None
    goes_on = parent is not None and not parent.shared and parent.at == way.known
    origin = _NEW if way.known < 0 else _CONTINUATION if goes_on else _BRANCH
    by_tool = last.part.kind == "tool_result"
    kind = _code(origin, _turn_bucket(turn), by_tool=by_tool)
    pause = bisect_left(_PAUSES_S, now_s - parent.last_s if parent is not None else -1.0)
    size = cumulative[-1].bit_length() // 2
    detail = (kind * 32 + size) * 8 + pause + 1_000
    following = _code(_CONTINUATION, _turn_bucket(turn + 1), by_tool=by_tool)
    every, here = (b"", 0), (scope, 0)
    return _Classes(
        app,
        (every, here, (scope, kind), (scope, detail), (app, kind), (app, detail)),
        (every, here, (scope, following), (app, following)),
        alone=turn == 0 and not by_tool and prefix.blocks[0].section != "tools",
    )


def _code(origin: int, turn: int, *, by_tool: bool) -> int:
    return 1 + (origin * 2 + by_tool) * 8 + turn


def _turn_bucket(turn: int) -> int:
    return _TURNS[turn] if turn < len(_TURNS) else _LATER_TURNS


def _either(one: Sequence[float], other: Sequence[float]) -> tuple[float, ...]:
    """At least as likely as the likelier: whoever repeats the longer prefix repeats the shorter one."""
    return tuple(map(max, one, other))
