"""For programs that retrieve: the order of chunks in which successive requests share the longest cached prefix.

    from thriftgate.rag import Arranger, Chunk

    arranger = Arranger(cache_min_tokens=1_024)                    # one per model and prompt; keep it
    found = [Chunk("faq-12", text), Chunk("faq-3", text), ...]     # in any order
    arranged = arranger.arrange(found, question, now_s=clock.now_s())
    await client.messages.create(model=..., messages=[{"role": "user", "content": arranged.content}], ...)

What: documents come before the question. Chunks whose order was sent within the cache's life come first, in that order; then
the others, those that are retrieved together with them most often first; the question last. Breakpoints stand where reading
again is likely enough to pay for the dearer write, at most `breakpoints_max`; where none is, there is none, and the request
costs what it costs without a cache.
Why it saves: the cache is exact to the byte and from the front. The same five chunks in another order share nothing.
When it must not: the order of relevance tells the model something (then say it in the chunk's text). An arranger knows only
what it arranged: with several processes, send what belongs together (a tenant, a topic) to the same one. It supposes that
each arranged request is sent at once.
Example: ["b", "a", "c"] after ["a", "b", "x"] was sent -> a and b, read from the cache, then c.
Source: platform.claude.com/docs/en/build-with-claude/prompt-caching (exact prefix, four breakpoints, twenty positions,
prices), 2026-10; …/prompt-engineering/long-context-tips (documents before the question), 2026-11.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from html import escape
from itertools import accumulate
from math import sqrt
from typing import Any, Literal

from msgspec import Struct

from thriftgate.core.errors import InputError
from thriftgate.core.tokens import Family, estimate_text

_WRITE_EXTRA = {"5m": 0.25, "1h": 1.0}  # of the input price, above it
_LIFE_S = {"5m": 300.0, "1h": 3_600.0}
_MARGIN_S = 5.0  # a request may leave a little later than it was arranged
_LOOKBACK = 20  # positions, the breakpoint itself the first
_IDLE_MARK_TOKENS = 1.0  # what a breakpoint must gain at least
_CHANCE = 0.8  # standard deviations of a count that may have been chance
_REQUESTS_REMEMBERED, _REQUESTS_PRUNED_EVERY = 1_000, 256

Block = dict[str, Any]
Render = Callable[["Chunk"], Block]


class Chunk(Struct, frozen=True):
    """What was retrieved. Chunks are the same when `id`, `text` and `title` are."""

    id: str
    text: str
    title: str = ""


class Arranged(Struct, frozen=True):
    """`content` is the content of the user message: a block for each chunk, then the question. `chunks` stand in the order
    in which they are sent; the first `shared` of them should be read from the cache."""

    content: list[Block]
    chunks: tuple[Chunk, ...]
    shared: int


def as_document(chunk: Chunk) -> Block:
    """A text block with the chunk as a `<document>` element."""
    title = f' title="{escape(chunk.title)}"' if chunk.title else ""
    return {"type": "text", "text": f'<document id="{escape(chunk.id)}"{title}>\n{chunk.text}\n</document>'}


class _Node:
    """A chunk in an order that was sent. `live_until_s`: so long an entry of the cache ends here; 0 for none."""

    __slots__ = ("live_until_s", "next")

    def __init__(self) -> None:
        self.next: dict[bytes, _Node] = {}
        self.live_until_s = 0.0


class _Known(Struct, frozen=True):
    digest: bytes
    chunk: Chunk
    block: Block
    tokens: int


class Arranger:
    """Remembers what was retrieved and sent within the life of the cache. Not for use by several threads at once.

    `ttl` is the life of the entries it writes. `head_tokens` is the length of tools and system before the documents, and
    `cache_min_tokens` the least prefix that the model caches. `read_price` is that of a cached token against a fresh one.
    `breakpoints_max` leaves one of the four to the system prompt. `render` makes a block of a chunk.
    """

    def __init__(
        self,
        *,
        ttl: Literal["5m", "1h"] = "5m",
        cache_min_tokens: int = 1_024,
        head_tokens: int = 0,
        read_price: float = 0.1,
        breakpoints_max: int = 3,
        tokenizer: Family = "claude47",
        render: Render = as_document,
    ) -> None:
        if ttl not in _LIFE_S:
            raise InputError(f"ttl is '5m' or '1h', not {ttl!r}")
        if not 1 <= breakpoints_max <= 4:
            raise InputError(f"breakpoints_max is from 1 to 4, not {breakpoints_max}")
        if not 0 <= read_price < 1:
            raise InputError(f"read_price is a share of the input price, from 0 to under 1, not {read_price}")
        self._ttl, self._life_s = ttl, _LIFE_S[ttl]
        self._least, self._head = cache_min_tokens, head_tokens
        self._saved, self._extra = 1 - read_price, _WRITE_EXTRA[ttl]
        self._marks_max, self._family, self._render = breakpoints_max, tokenizer, render
        self._root = _Node()
        self._recent: deque[tuple[float, frozenset[bytes]]] = deque(maxlen=_REQUESTS_REMEMBERED)
        self._until_pruned = _REQUESTS_PRUNED_EVERY

    def arrange(self, chunks: Iterable[Chunk], question: str, *, now_s: float) -> Arranged:
        """The content to send. A chunk that is there twice is sent once. `now_s`: unix seconds, never less than before.
        Raises InputError where there is no question."""
        if not question.strip():
            raise InputError("the question is empty: say what is asked about the chunks")
        self._forget(now_s)
        known = {one.digest: one for one in map(self._known, chunks)}
        shared = self._longest_live(known, now_s)
        order, reads = self._extended(shared, known)
        expected = [self._expected(one, now_s) for one in reads]
        marks = self._marks([known[digest].tokens for digest in order], expected, len(shared))
        self._remember(order, marks, len(shared), now_s)
        blocks = [dict(known[digest].block) for digest in order]
        control = {"type": "ephemeral"} if self._ttl == "5m" else {"type": "ephemeral", "ttl": self._ttl}
        for at in marks:
            blocks[at]["cache_control"] = control
        content = [*blocks, {"type": "text", "text": question}]
        return Arranged(content, tuple(known[digest].chunk for digest in order), len(shared))

    # --- the order --------------------------------------------------------------------------------------------------------

    def _known(self, chunk: Chunk) -> _Known:
        digest = sha256("\0".join((chunk.id, chunk.title, chunk.text)).encode("utf-8", "surrogatepass")).digest()[:16]
        block = self._render(chunk)
        text = str(block.get("text", chunk.text)).encode("utf-8", "surrogatepass")
        return _Known(digest, chunk, block, estimate_text(text, self._family).tokens)

    def _longest_live(self, known: Mapping[bytes, _Known], now_s: float) -> list[bytes]:
        """The order of most tokens that was sent, still lives, and holds only chunks of this request."""
        best: list[bytes] = []
        best_tokens = 0
        stack: list[tuple[_Node, list[bytes], int]] = [(self._root, [], 0)]
        while stack:
            node, path, tokens = stack.pop()
            if node.live_until_s > now_s and tokens > best_tokens:
                best, best_tokens = path, tokens
            stack += [
                (follower, [*path, digest], tokens + known[digest].tokens)
                for digest, follower in sorted(node.next.items(), key=lambda item: item[0])
                if digest in known
            ]
        return best

    def _extended(self, shared: Sequence[bytes], known: Mapping[bytes, _Known]) -> tuple[list[bytes], list[int]]:
        """The shared order and behind it the other chunks, next always the one that recent requests had most often together
        with all before it; and for each place, how many of them had all up to there."""
        order, reads = [], []
        left = sorted(known.keys() - set(shared))
        among = [digests for _, digests in self._recent]
        often = Counter(digest for digests in among for digest in digests if digest in known)
        for at in range(len(known)):
            if at < len(shared):
                digest = shared[at]
            else:
                together = Counter(digest for digests in among for digest in digests if digest in known)
                digest = min(left, key=lambda one: (-together[one], -often[one], one))
                left.remove(digest)
            among = [digests for digests in among if digest in digests]
            order.append(digest)
            reads.append(len(among))
        return order, reads

    # --- breakpoints ------------------------------------------------------------------------------------------------------

    def _marks(self, tokens: Sequence[int], reads: Sequence[float], shared: int) -> list[int]:
        """Where breakpoints stand, by dynamic programming: of all ways to set so many, the one that saves most if the next
        requests are as the last ones were. A request that has all chunks up to a breakpoint reads them again, which saves
        1 - `read_price` of them; what is written costs more. What is read now is marked for nothing."""
        ends = [self._head + end for end in accumulate(tokens)]
        read_to = ends[shared - 1] if shared else self._head
        found: tuple[float, list[int]] = (0.0, [])  # the saving, and the breakpoints
        layer = {-1: found}  # by the last breakpoint
        for _ in range(self._marks_max):
            fresh: dict[int, tuple[float, list[int]]] = {}
            for at, end in enumerate(ends):
                if end < self._least:
                    continue
                for before, (saved, marks) in layer.items():
                    if before < at:
                        start = ends[before] if before >= 0 else self._head
                        written = max(end - max(start, read_to), 0)
                        gain = saved + reads[at] * self._saved * (end - start) - self._extra * written - _IDLE_MARK_TOKENS
                        if at not in fresh or gain > fresh[at][0]:
                            fresh[at] = gain, [*marks, at]
            layer = fresh
            found = max([found, *layer.values()], key=lambda one: one[0])
        marks = found[1]
        if shared and not any(shared - 1 <= at < shared - 1 + _LOOKBACK for at in marks):
            marks = [*marks[max(len(marks) + 1 - self._marks_max, 0) :], shared - 1]
        return sorted(marks)

    def _expected(self, reads: int, now_s: float) -> float:
        """How often what was asked for so often will be asked for in the life of an entry. Once may have been chance."""
        sure = max(reads - _CHANCE * sqrt(reads), 0.0)
        if len(self._recent) < _REQUESTS_REMEMBERED:
            return sure
        return sure * self._life_s / max(now_s - self._recent[0][0], 1.0)

    # --- memory -----------------------------------------------------------------------------------------------------------

    def _remember(self, order: Sequence[bytes], marks: Sequence[int], shared: int, now_s: float) -> None:
        self._recent.append((now_s, frozenset(order)))
        node = self._root
        for at, digest in enumerate(order[: max([*marks, shared - 1], default=-1) + 1]):
            node = node.next.setdefault(digest, _Node())
            if at in marks or at == shared - 1:
                node.live_until_s = now_s + self._life_s - _MARGIN_S

    def _forget(self, now_s: float) -> None:
        """Drop what no cache holds any more."""
        while self._recent and self._recent[0][0] <= now_s - self._life_s:
            self._recent.popleft()
        self._until_pruned -= 1
        if self._until_pruned <= 0:
            _prune(self._root, now_s)
            self._until_pruned = _REQUESTS_PRUNED_EVERY


def _prune(root: _Node, now_s: float) -> None:
    """Drop what leads to no live entry."""
    nodes = [root]
    for node in nodes:
        nodes.extend(node.next.values())
    for node in reversed(nodes):
        node.next = {digest: after for digest, after in node.next.items() if after.next or after.live_until_s > now_s}
