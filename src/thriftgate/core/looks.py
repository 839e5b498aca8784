"""What the last requests looked like, so that a cache miss can be traced to what changed. Bounded; keeps digests, no text.

A conversation is recognised by its first message, an application by the key it uses and the tools and system prompt it
sends. Owned by one engine; pure but for its own memory.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from thriftgate.core.blocks import Block
from thriftgate.core.cache import TTL_S, Breakpoint
from thriftgate.core.prefix import Prefix
from thriftgate.core.prices import Mode

DIGEST_CUT = 8  # bytes of a block's digest that are kept: a chance match changes a remark, no decision
_PACKED = struct.Struct(f">{DIGEST_CUT}sI").pack  # the block's length in tokens behind it
STEP = DIGEST_CUT + 4
LOOKS_KEPT = 4  # of one conversation, and of one application's head: parallel calls need more than the last
HEADS_KEPT = 16  # of one key
LIKE_TOKENS = 16  # a block that was replaced by one whose length differs by no more is the same text, changed somewhere
LIKE_SHARE = 20  # … or by no more than this part of it
ALONE_TOKENS = 512  # where nothing else is equal, only a long block can be told from a chance match
_LOOK_BYTES = 600


class Sent(Struct, frozen=True):
    """A request as it was sent: what a look is made of. Times in unix seconds. `seen_at` is its deepest block up to which
    some request had been sent before, `seen_s` when (0 where that is not known)."""

    id: str
    key: str
    model: str
    mode: Mode
    prefix: Prefix
    breakpoints: tuple[Breakpoint, ...]
    sent_s: float
    seen_at: int | None = None
    seen_s: float = 0.0


class Look:
    """One earlier request. `blocks` packs digest and length of each block; the first `head` of them are tools and system.
    `began_s` is when its answer began, or when it `failed`. `hour_refused`: it asked for an hour and got five minutes."""

    __slots__ = (
        "began_s", "blocks", "failed", "head", "hour_refused", "id", "last", "marks", "mode", "model", "sent_s", "settings",
    )  # fmt: skip

    def __init__(self, sent: Sent, blocks: bytes, head: int, began_s: float, *, failed: bool) -> None:
        self.id = sent.id
        self.sent_s = sent.sent_s
        self.began_s = began_s
        self.failed = failed
        self.model = sent.model
        self.mode = sent.mode
        self.settings: Mapping[str, bytes] = sent.prefix.settings
        self.blocks = blocks
        self.head = head
        self.last = sent.prefix.chain[-1]
        self.marks = sent.breakpoints
        self.hour_refused = False

    @property
    def count(self) -> int:
        """How many blocks it had."""
        return len(self.blocks) // STEP

    def held_until_s(self) -> float:
        """When the longest-lived entry it made or renewed ended; its own start where it marked nothing."""
        return self.sent_s + max((TTL_S[mark.ttl] for mark in self.marks), default=0)


class Looks:
    """The looks of recent requests, at most `conversations_max` conversations and about `bytes_max` bytes."""

    def __init__(self, *, conversations_max: int = 2_000, bytes_max: int = 8 * 1024 * 1024) -> None:
        self.bytes_max = bytes_max
        self._conversations_max = conversations_max
        self._bytes = 0
        self._talks: OrderedDict[tuple[str, bytes], list[Look]] = OrderedDict()
        self._apps: OrderedDict[str, OrderedDict[bytes, list[Look]]] = OrderedDict()

    @property
    def bytes_held(self) -> int:
        """Memory held: an estimate."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._talks)

    def add(self, sent: Sent, began_s: float, *, failed: bool = False) -> None:
        """Take in a request whose answer began at `began_s`, or that failed then."""
        chain = sent.prefix.chain
        if not chain:
            return
        head = head_count(sent.prefix)
        key = talk_key(sent)
        talk = self._talks.get(key, [])
        blocks = _grown(talk, sent.prefix) or pack(sent.prefix.blocks)
        look = Look(sent, blocks, head, began_s, failed=failed)
        self._talks[key] = talk
        self._talks.move_to_end(key)
        self._push(talk, look)
        if head:
            heads = self._apps.setdefault(sent.key, OrderedDict())
            self._apps.move_to_end(sent.key)
            same = heads.setdefault(chain[head - 1], [])
            heads.move_to_end(chain[head - 1])
            self._push(same, look)
            if len(heads) > HEADS_KEPT:
                self._drop(heads.popitem(last=False)[1])
        while self._talks and (len(self._talks) > self._conversations_max or self._bytes > self.bytes_max):
            self._drop(self._talks.popitem(last=False)[1])
            if self._bytes > self.bytes_max and self._apps:
                for looks in self._apps.popitem(last=False)[1].values():
                    self._drop(looks)

    def of_talk(self, sent: Sent) -> list[Look]:
        """Earlier requests of the same conversation, the latest last. May hold this request itself."""
        return self._talks.get(talk_key(sent), [])

    def of_head(self, sent: Sent) -> list[Look]:
        """Earlier requests with the very same tools and system prompt, under the same key and model."""
        head = head_count(sent.prefix)
        heads = self._apps.get(sent.key)
        return heads.get(sent.prefix.chain[head - 1], []) if heads and head else []

    def of_key(self, sent: Sent) -> Iterator[Look]:
        """The latest request of each other head that this key sent."""
        head = head_count(sent.prefix)
        own = sent.prefix.chain[head - 1] if head else b""
        for digest, looks in reversed(self._apps.get(sent.key, {}).items()):
            if digest != own:
                yield looks[-1]

    def hour_refused(self, sent: Sent, cumulative: Sequence[int], read: int) -> None:
        """The provider wrote this request for five minutes only: note where an hour was asked for behind what was read."""
        asked = any(mark.ttl == "1h" and cumulative[mark.at] > read + LIKE_TOKENS for mark in sent.breakpoints)
        for look in self.of_talk(sent) if asked else ():
            look.hour_refused = look.hour_refused or look.id == sent.id

    def _push(self, looks: list[Look], look: Look) -> None:
        looks.append(look)
        self._bytes += _weight(look)
        if len(looks) > LOOKS_KEPT:
            self._bytes -= _weight(looks.pop(0))

    def _drop(self, looks: list[Look]) -> None:
        self._bytes -= sum(map(_weight, looks))


def _weight(look: Look) -> int:
    """Each look is held by its conversation and by its application; each counts it whole."""
    return len(look.blocks) + _LOOK_BYTES


def talk_key(sent: Sent) -> tuple[str, bytes]:
    """What all requests of one conversation have in common: the key and the first message."""
    turns = sent.prefix.turns
    first = turns[0].run.blocks if turns else ()
    return sent.key, first[0].part.digest if first else b""


def head_count(prefix: Prefix) -> int:
    """How many blocks tools and system have."""
    return bisect_left(prefix.blocks, True, key=_is_message)


def _is_message(block: Block) -> bool:
    return block.section == "messages"


def pack(blocks: Sequence[Block]) -> bytes:
    """Digest and length of each block, `STEP` bytes each."""
    return b"".join([_PACKED(block.part.digest, block.part.tokens) for block in blocks])


def _grown(talk: Sequence[Look], prefix: Prefix) -> bytes | None:
    """The packed blocks of a conversation that goes on, from those it had; None where it is another one."""
    for look in reversed(talk):
        count = look.count
        if count <= len(prefix.chain) and prefix.chain[count - 1] == look.last:
            return look.blocks + pack(prefix.blocks[count:]) if count < len(prefix.chain) else look.blocks
    return None


class Change(Struct, frozen=True):
    """What a request changed against an earlier one, so that the cache could not serve it.

    `what` is "model", "speed", "blocks" or the name of a setting; `at` is the first block that differs and `before` the
    short hash it had. `repeated` are the blocks of the new request that had been sent before, up to where the deepest
    breakpoint of the earlier one would stand now; all that they share where it had none (not `marked`).
    """

    what: str
    look: Look
    repeated: tuple[int, ...]
    marked: bool
    at: int | None = None
    before: str = ""


def change_since(look: Look, sent: Sent, packed: bytes, *, head: int, same_talk: bool) -> Change | None:
    """What differs from `look`; None where nothing does that matters to the cache. `packed` are the request's own blocks,
    the first `head` of them tools and system; of another conversation only those are compared."""
    limit, own_limit = (look.count, len(sent.prefix.blocks)) if same_talk else (look.head, head)
    at = _first_difference(look.blocks, packed, min(limit, own_limit))
    edited = at < min(limit, own_limit)
    if edited and same_talk and at >= head and limit - at == 1:
        edited = False  # its last block was sent anew, differently: nobody waits for that to be cached
    what = _named(look, sent, edited=edited, in_head=at < max(head, look.head))
    if what is None:
        return None
    marks = [mark.at for mark in look.marks if mark.at < limit]
    until = (marks[-1] if marks else limit - 1) + 1
    if at < min(until, look.head):  # blocks that came or went in the head move all that follow
        until += head - look.head
    repeated = _repeated(look.blocks[at * STEP : limit * STEP], packed, at, min(until, own_limit), edited=edited)
    named = edited and what == "blocks"
    before = look.blocks[at * STEP : at * STEP + DIGEST_CUT].hex()[:8] if named else ""
    return Change(what, look, repeated, bool(marks), at if named else None, before) if repeated else None


def _first_difference(one: bytes, other: bytes, limit: int) -> int:
    """Index of the first of `limit` blocks that differs; `limit` where none does."""
    same, differs = 0, limit + 1
    while differs - same > 1:  # compared by halves, as bytes: quicker than block by block
        middle = (same + differs) // 2
        if one[same * STEP : middle * STEP] == other[same * STEP : middle * STEP]:
            same = middle
        else:
            differs = middle
    return same


def _named(look: Look, sent: Sent, *, edited: bool, in_head: bool) -> str | None:
    """The change that enters the prompt first: model and speed stand before everything, settings before the messages."""
    if look.model != sent.model:
        return "model"
    if look.mode != sent.mode:
        return "speed"
    if edited and in_head:
        return "blocks"
    now = sent.prefix.settings
    if now != look.settings:
        names = ("citations", *(name for name in (*look.settings, *now) if name != "citations"))
        return next(name for name in names if now.get(name) != look.settings.get(name))
    return "blocks" if edited else None


def _repeated(rest: bytes, packed: bytes, at: int, until: int, *, edited: bool) -> tuple[int, ...]:
    """Own blocks before `until` that were sent before; `rest` is the earlier request from block `at` on."""
    found = list(range(min(at, until)))
    known = {rest[place : place + DIGEST_CUT] for place in range(0, len(rest), STEP)}
    later = [i for i in range(at, until) if packed[i * STEP : i * STEP + DIGEST_CUT] in known]
    if edited and at < until and at not in later and _alike(rest, packed[at * STEP :], alone=not found and not later):
        found.append(at)
    return (*found, *later)


def _alike(was: bytes, now: bytes, *, alone: bool) -> bool:
    """Whether the first block of `now` is that of `was` with a small change, by its length."""
    old, new = (int.from_bytes(packed[DIGEST_CUT:STEP], "big") for packed in (was, now))
    return abs(old - new) <= max(LIKE_TOKENS, old // LIKE_SHARE) and (not alone or new >= ALONE_TOKENS)
