"""Which prompts shared which prefix, where a log tells only counts: worked out from what each call read and wrote.

A bill names prefixes: what a call reads up to, some earlier call has written up to there, token for token. So boundaries are
told apart by their depth: a call that reads 41,000 tokens shares the prefix of 41,000 tokens that its conversation, or
failing that its workspace, wrote before. What a bill cannot tell is settled like this:

- A conversation that reads all that its last call had cached was appended to. So was one that finds less, or nothing, after
  its entry has expired: conversations are appended to (98 % of the steps of recorded coding sessions). Then the prefix was
  shared, and lost.
- One that reads less than is still live was changed there: behind what it read it shares nothing.
- One whose prompt is shorter than before was cut there; one of less than 60 % that read nothing is a new beginning.
- A first call that reads nothing shares nothing, but for what later calls show it to have written (`hidden.py`).
- What is read and nobody wrote was written outside of the log.

Under the client's own breakpoints this gives back the bill it was made from.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Literal, NamedTuple

from thriftgate.core.blocks import DIGEST_BYTES, Block, Part, Section
from thriftgate.core.cache import TTL_S, Resident
from thriftgate.core.generations import Generations
from thriftgate.core.prefix import Prefix
from thriftgate.core.request import Ttl
from thriftgate.core.usage import Tokens

NODES_KEPT = 6  # of a conversation's ends: look-back and branches reach no further in what clients do
MARKS_MAX = 4
CLOSING_TOKENS = 64  # behind the last breakpoint: what opens the answer, and is gone when the conversation goes on
SLACK_SHARE = 20  # of a prompt: less is no miss, as in `core/misses.py`
SHRUNK = 0.6  # of the prompt before: less is a new beginning
THREADS_MAX = 100_000
ENDS_MAX = 100_000  # as many entries as a replay holds

Scope = tuple[str, str]
"""What a cache keeps apart: workspace and model."""


class Node(NamedTuple):
    """A boundary: digest, depth in tokens, and how it looks to the planner."""

    digest: bytes
    end: int
    section: Section
    message: int
    kind: str


Chain = tuple[Node, ...]


class _Thread(NamedTuple):
    """A conversation as its last call left it. `cached` is how deep that had its prompt cached, in tokens."""

    chain: Chain
    at_s: float
    life_s: int
    called_tool: bool
    cached: int


class Seen(NamedTuple):
    """One call as a log tells it. `thread` names its conversation, () where the log does not. Times in unix seconds: when it
    was sent, when its answer began. `tokens` as billed. `hidden` are depths in tokens up to which it wrote, too, as later
    calls show."""

    scope: Scope
    thread: tuple[str, ...]
    at_s: float
    began_s: float
    tokens: Tokens
    called_tool: bool
    hidden: Sequence[int] = ()


class Changed(NamedTuple):
    """Tokens that the call before had left in the cache, and that this one, within their life, sent and did not read: its
    prompt was changed from token `behind` on, or went to another model."""

    cause: Literal["prefix_changed", "model_changed"]
    tokens: int
    behind: int
    gap_s: float
    model: str


class Grown(NamedTuple):
    """What the prompt must have looked like: its prefix with the breakpoints that the bill shows, and where each block
    ends. `outside`: the prefix that it read and that nobody in the log wrote, with how long that lives. `changed`: what was
    still cached of its conversation and was not read."""

    prefix: Prefix
    ends: tuple[int, ...]
    outside: tuple[bytes, Ttl] | None = None
    changed: Changed | None = None


class Growth:
    """Takes calls in order of time. Bounded: conversations that have not been heard of for long are forgotten."""

    def __init__(self) -> None:
        self._threads: Generations[tuple[str, ...], _Thread] = Generations(THREADS_MAX)
        self._ends: Generations[tuple[Scope, int], Chain] = Generations(ENDS_MAX)
        self._held: Generations[bytes, Resident] = Generations(ENDS_MAX)
        self._numbers = count(1)
        self._latest: Generations[tuple[str, ...], tuple[str, _Thread]] = Generations(THREADS_MAX)

    def of(self, seen: Seen) -> Grown:
        """The prompt of the next call."""
        tokens = seen.tokens
        name = (*seen.scope, *seen.thread)
        thread = self._threads.get(name) if seen.thread else None
        chain = self._as_read(self._shared(seen, thread), seen)
        outside = self._outside(chain, tokens)
        kind = "tool_result" if thread is not None and thread.called_tool else "text"
        cached = tokens.prompt - tokens.input
        hour = tokens.read + tokens.write_1h
        for depth in seen.hidden:
            if depth < cached:
                chain = self._through(chain, depth, seen)
        index = chain[-1].message + 2 if chain and chain[-1].section == "messages" else 0
        if tokens.write_1h and hour < cached:
            chain = self._through(chain, hour, seen)
        chain = self._grown(chain, cached, index, kind)
        marks = self._marks(chain, tokens, seen.hidden)
        self._keep(chain, marks, seen)
        for at, node in enumerate(chain):
            if node.digest in marks:
                self._ends[seen.scope, node.end] = chain[: at + 1]
        if tokens.input > CLOSING_TOKENS or not cached:
            chain = self._grown(chain, tokens.prompt, index, kind)
        changed = self._changed(seen)
        if seen.thread and chain:
            life = TTL_S[next(reversed(marks.values()), "5m")]
            self._threads[name] = left = _Thread(_pruned(chain), seen.at_s, life, seen.called_tool, cached)
            self._latest[seen.scope[0], *seen.thread] = (seen.scope[1], left)
        prefix, ends = _grown_prompt(chain, marks)
        return Grown(prefix, ends, outside, changed)

    def _changed(self, seen: Seen) -> Changed | None:
        """What the call before in this conversation left in the cache, if this one did not read it though it could have. A
        prompt that has shrunk is a new beginning, and misses nothing."""
        latest = self._latest.get((seen.scope[0], *seen.thread)) if seen.thread else None
        if latest is None:
            return None
        model, before = latest
        tokens, gap_s = seen.tokens, seen.at_s - before.at_s
        missed = min(before.cached, tokens.prompt) - tokens.read
        entry = self._held.get(next((node.digest for node in before.chain if node.end == before.cached), b""))
        readable = entry is not None and entry.usable_s <= seen.at_s
        if gap_s >= before.life_s or not readable or tokens.prompt < SHRUNK * before.cached:
            return None
        if missed <= max(CLOSING_TOKENS, before.cached // SLACK_SHARE):
            return None
        cause: Literal["prefix_changed", "model_changed"] = "prefix_changed" if model == seen.scope[1] else "model_changed"
        return Changed(cause, missed, tokens.read, gap_s, model)

    def _shared(self, seen: Seen, thread: _Thread | None) -> Chain:
        """The boundaries that the prompt has in common with earlier ones."""
        read, prompt = seen.tokens.read, seen.tokens.prompt
        if thread is None:
            return self._through((), read, seen) if read else ()
        chain = thread.chain
        lost = seen.at_s - thread.at_s >= thread.life_s
        known = not read or any(node.end == read for node in chain)
        if prompt >= chain[-1].end and (lost or read >= thread.cached):
            if known:
                return chain
            return self._through(() if read > thread.cached and self._written(read, seen) else chain, read, seen)
        if not read:
            cut = prompt >= SHRUNK * chain[-1].end and (lost or not thread.cached)
            return tuple([node for node in chain if node.end < prompt]) if cut else ()
        if known:
            return tuple([node for node in chain if node.end <= read])
        return self._written(read, seen) or self._through(tuple([node for node in chain if node.end < read]), read, seen)

    def _outside(self, chain: Chain, tokens: Tokens) -> tuple[bytes, Ttl] | None:
        """What was read though nobody has written it."""
        for node in chain:
            if node.end == tokens.read and self._held.get(node.digest) is None:
                return node.digest, "1h" if tokens.write_1h else "5m"
        return None

    def _written(self, depth: int, seen: Seen) -> Chain | None:
        """The prefix of that depth that somebody in the workspace wrote, if this prompt may share it: what it reads is live,
        what it does not read is not. In a large workspace every depth was written by somebody once; what is not live is
        taken for the same only where conversations begin with it."""
        chain = self._ends.get((seen.scope, depth))
        if chain is None:
            return None
        live, read = self._live(chain[-1], seen.at_s), depth <= seen.tokens.read
        head = len(chain) == 1 and chain[0].section == "system"
        return chain if (live and read) or (head and not live) else None

    def _through(self, chain: Chain, depth: int, seen: Seen) -> Chain:
        """The chain with a boundary there."""
        if any(node.end == depth for node in chain):
            return chain
        written = self._written(depth, seen)
        if not chain:
            return written or (self._node(depth, "system", 0, "text"),)
        section: Section = "system" if depth < chain[0].end else "messages"
        node = written[-1] if written is not None else self._node(depth, section, chain[0].message, "text")
        return tuple(sorted((*chain, node), key=lambda one: one.end))

    def _as_read(self, chain: Chain, seen: Seen) -> Chain:
        """The chain with the live boundary that was read, and without those that were live and, as the bill shows, not on
        its way."""
        read, at_s = seen.tokens.read, seen.at_s
        if chain and chain[-1].end == read and self._live(chain[-1], at_s):
            return chain
        kept: list[Node] = []
        for node in chain:
            live = self._live(node, at_s)
            if node.end == read and not live:
                written = self._written(read, seen)
                kept.append(written[-1] if written is not None else node)
            elif node.end <= read or not live:
                kept.append(node)
        return tuple(kept)

    def _live(self, node: Node, at_s: float) -> bool:
        entry = self._held.get(node.digest)
        return entry is not None and entry.live(at_s)

    def _marks(self, chain: Chain, tokens: Tokens, hidden: Sequence[int]) -> dict[bytes, Ttl]:
        """The breakpoints that explain the bill, in order."""
        read, cached = tokens.read, tokens.prompt - tokens.input
        hour = read + tokens.write_1h
        marks: dict[bytes, Ttl] = {}
        if not cached:
            return marks
        for at, node in enumerate(chain):
            head = at == 0 and node.section == "system"
            if node.end > cached or not (head or node.end in hidden or node.end == cached or node.end == hour > read):
                continue
            if node.end <= read:
                entry = self._held.get(node.digest)
                ttl = entry.ttl if entry is not None else "1h" if tokens.write_1h else "5m"
            else:
                ttl = "1h" if node.end <= hour else "5m"
            marks[node.digest] = ttl
        while len(marks) > MARKS_MAX:
            del marks[list(marks)[1]]
        later: Ttl = "5m"
        for digest in reversed(marks):  # an hour stands before five minutes, or the request is refused
            later = marks[digest] = "1h" if later == "1h" else marks[digest]
        return marks

    def _keep(self, chain: Chain, marks: dict[bytes, Ttl], seen: Seen) -> None:
        """What is marked, and what was read, lives from now."""
        for node in chain:
            ttl = marks.get(node.digest)
            if ttl is None and node.end != seen.tokens.read:
                continue
            known = self._held.get(node.digest)
            ttl = ttl or (known.ttl if known is not None else "5m")
            usable_s, expires_s = seen.began_s, seen.at_s + TTL_S[ttl]
            if known is not None and known.expires_s > seen.at_s:
                usable_s, expires_s = min(usable_s, known.usable_s), max(expires_s, known.expires_s)
            self._held[node.digest] = Resident(ttl, usable_s, expires_s)

    def _grown(self, chain: Chain, end: int, index: int, kind: str) -> Chain:
        if end <= (chain[-1].end if chain else 0):
            return chain
        return (*chain, self._node(end, "messages", index, kind))

    def _node(self, end: int, section: Section, index: int, kind: str) -> Node:
        digest = next(self._numbers).to_bytes(DIGEST_BYTES, "little")  # misses are explained by its first bytes
        return Node(digest, end, section, index, kind)


def _pruned(chain: Chain) -> Chain:
    if len(chain) <= NODES_KEPT + 1:
        return chain
    return (chain[0], *chain[-NODES_KEPT:])


def _grown_prompt(chain: Chain, marks: dict[bytes, Ttl]) -> tuple[Prefix, tuple[int, ...]]:
    blocks: list[Block] = []
    before = 0
    for node in chain:
        size = node.end - before
        part = Part(node.kind, node.digest, size, size, marks.get(node.digest))
        blocks.append(Block(part, node.section, node.message))
        before = node.end
    prefix = Prefix(tuple(blocks), tuple([node.digest for node in chain]), marks_count=len(marks))
    return prefix, tuple([node.end for node in chain])


def fitted(ends: Sequence[int], anchors: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Estimated depths of blocks, so stretched that the blocks named by `anchors` (index, depth in tokens) end where they
    are known to; the last anchor must be the last block. Anchors rise, and so does what comes out, whatever the
    estimates."""
    found: list[int] = []
    from_end, from_true, start = 0, 0, 0
    for at, true in anchors:
        span, room = ends[at] - from_end, true - from_true
        for here in range(start, at + 1):
            done = ends[here] - from_end
            depth = from_true + (room * done // span if span > 0 else room)
            found.append(min(max(depth, found[-1] if found else 0), true))
        found[-1] = true
        from_end, from_true, start = ends[at], true, at + 1
    return tuple(found)
