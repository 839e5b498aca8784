"""What was read before is recognised, not read again.

A conversation grows at its end: its next request repeats tools, system and all earlier messages byte for byte. Comparing
those bytes runs at memory speed, ten times faster than hashing or parsing them, so a long conversation costs its new turns.
The texts are kept for the comparison only, in memory, up to `bytes_max`; least recently used goes first. The last body is
held besides, if it is no longer than `LAST_BYTES`.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from msgspec import Raw

from thriftgate.core.blocks import Block, Run, read_message
from thriftgate.core.errors import InputError
from thriftgate.core.models import TokenizerFamily

RUN_BYTES = 650  # of a turn without its text, and of each block in it, with notes: measured on 200,000 one-word messages
BLOCK_BYTES = 760
_HEAD_BYTES = 64  # enough to tell most first messages apart
_SIBLINGS_MAX = 16  # conversations with one beginning that are compared, the latest first
_NEARLY_TURNS = 2  # one that agrees up to its last question and answer is as good as any
_LIST = msgspec.json.Decoder(list[Raw])
_COMMA = re.compile(rb"\s*,\s*")
_SPACE = re.compile(rb"\s*")

HEADS_MAX = 64
LAST_BYTES = 1024 * 1024

Reader = Callable[[bytes, TokenizerFamily], Run]
Level = tuple[bytes, str, str, bool]  # what the digests of tools and system depend on besides: scope, model, mode, citations


class Head(NamedTuple):
    """Tools and system in the order in which they are rendered, the digest behind each block, and the one behind all."""

    blocks: tuple[Block, ...]
    chain: tuple[bytes, ...]
    rolling: bytes


class Turn:
    """One message: its bytes, with the comma and white space (`lead` bytes) before it, and its blocks. Shared between
    conversations that agree up to here. `said` and `made` are notes of who reads what the agent does (`core/agents`)."""

    __slots__ = ("lead", "made", "run", "said", "text")

    def __init__(self, text: bytes, lead: int, run: Run) -> None:
        self.text = text
        self.lead = lead
        self.run = run
        self.said: object = None
        self.made = -1


class Conversation:
    """The messages of one conversation as last seen, and the chain digests of each, valid behind one `seed`."""

    __slots__ = ("chains", "own_bytes", "seed", "turns")

    def __init__(self, turns: list[Turn], own_bytes: int) -> None:
        self.turns = turns
        self.own_bytes = own_bytes
        self.seed = b""
        self.chains: list[tuple[bytes, ...]] = []


class PartMemo:
    """Owned by one engine; bounded and deterministic."""

    def __init__(self, bytes_max: int = 24 * 1024 * 1024) -> None:
        self.bytes_max = bytes_max
        self._bytes = 0
        self._members: OrderedDict[tuple[int, TokenizerFamily], list[tuple[bytes, Run]]] = OrderedDict()
        self._conversations: OrderedDict[tuple[bytes, TokenizerFamily], list[Conversation]] = OrderedDict()
        self._heads: dict[tuple[int, int, Level], tuple[Run, Run, Head]] = {}
        self._last: tuple[bytes, tuple[int, int, TokenizerFamily], Conversation] | None = None

    @property
    def bytes_held(self) -> int:
        """Memory held: the texts, and an estimate for the objects around them."""
        return self._bytes

    def member(self, raw: bytes, family: TokenizerFamily, read: Reader) -> Run:
        """The blocks of a whole `tools` or `system` member."""
        key = (len(raw), family)
        for text, run in self._members.get(key, ()):
            if text == raw:
                self._members.move_to_end(key)
                return run
        run = read(raw, family)  # before anything is kept: it may raise
        same_length = self._members.setdefault(key, [])
        self._members.move_to_end(key)
        same_length.insert(0, (raw, run))
        self._bytes += _weight(raw, run)
        if len(same_length) > _SIBLINGS_MAX:
            self._bytes -= _weight(*same_length.pop())
        self._forget()
        return run

    def head(self, tools: Run, system: Run, level: Level, make: Callable[[Run, Run, Level], Head]) -> Head:
        """What `make` gives for these very tools and this very system, made once for as long as they are known."""
        key = (id(tools), id(system), level)
        found = self._heads.get(key)
        if found is None:
            if len(self._heads) >= HEADS_MAX:
                self._heads.clear()
            found = self._heads[key] = tools, system, make(tools, system, level)  # held, so that their ids stay theirs
        return found[2]

    def conversation(self, body: bytes, start: int, end: int, family: TokenizerFamily) -> Conversation:
        """The messages array at body[start:end]. Raises InputError where it is no list of messages. A body is looked at more
        than once on its way: the second time in a row costs nothing."""
        place = start, end, family
        last, self._last = self._last, None
        if last is not None and last[0] is body and last[1] == place:
            return last[2]
        found = self._conversation(body, start, end, family)
        if len(body) <= LAST_BYTES:
            self._last = body, place, found
        return found

    def _conversation(self, body: bytes, start: int, end: int, family: TokenizerFamily) -> Conversation:
        if body[start : start + 1] != b"[":
            raise InputError("messages: Input should be a valid list")
        key = (body[start + 1 : start + 1 + _HEAD_BYTES], family)
        siblings = self._conversations.get(key, [])
        known, matched, position = _longest_match(siblings, body, start + 1)
        fresh = _read_turns(body, position, end, matched, family)  # before anything is kept: it may raise
        new_bytes = sum([_weight(turn.text, turn.run) for turn in fresh])
        if known is not None and matched == len(known.turns):
            known.turns += fresh
            known.own_bytes += new_bytes
            siblings.remove(known)
        else:
            branch = Conversation((known.turns[:matched] if known is not None else []) + fresh, new_bytes)
            if known is not None:
                branch.seed, branch.chains = known.seed, known.chains[:matched]
            known = branch
            if not fresh:
                return known  # an earlier state of a conversation that is held already, or none at all
        self._bytes += new_bytes
        self._conversations[key] = siblings
        self._conversations.move_to_end(key)
        siblings.insert(0, known)
        if len(siblings) > _SIBLINGS_MAX:
            self._bytes -= siblings.pop().own_bytes
        self._forget()
        return known

    def _forget(self) -> None:
        while self._bytes > self.bytes_max and (self._conversations or self._members):
            if self._conversations:
                _, conversations = self._conversations.popitem(last=False)
                self._bytes -= sum([one.own_bytes for one in conversations])
            else:
                _, members = self._members.popitem(last=False)
                self._bytes -= sum(_weight(text, run) for text, run in members)


def _weight(text: bytes, run: Run) -> int:
    """What a text and its blocks take in memory: ten thousand messages of one word are more objects than text."""
    return len(text) + RUN_BYTES + BLOCK_BYTES * len(run.blocks)


def _longest_match(siblings: list[Conversation], body: bytes, start: int) -> tuple[Conversation | None, int, int]:
    """The known conversation that agrees with `body` for most messages, for how many, and where they end."""
    best: Conversation | None = None
    best_count, best_end = 0, start
    for conversation in siblings:
        position, count = start, 0
        for turn in conversation.turns:
            if not body.startswith(turn.text, position):
                break
            position += len(turn.text)
            count += 1
        if count > best_count:
            best, best_count, best_end = conversation, count, position
            if count >= len(conversation.turns) - _NEARLY_TURNS:
                break
    return best, best_count, best_end


def _read_turns(body: bytes, position: int, end: int, at: int, family: TokenizerFamily) -> list[Turn]:
    """Read the messages from `position`, which stands just behind message `at - 1`, to the end of the array."""
    rest_start = position
    if at:
        comma = _COMMA.match(body, position)
        if comma is None:
            return []  # only the closing bracket is left
        rest_start = comma.end()
    try:
        raws = _LIST.decode(b"[" + memoryview(body)[rest_start:end])
    except (msgspec.DecodeError, RecursionError):
        raise InputError("messages: Input should be a valid list") from None
    turns: list[Turn] = []
    for number, raw in enumerate(raws):
        separator = (_COMMA if at or number else _SPACE).match(body, position)
        text_start = separator.end() if separator is not None else position
        text_end = text_start + len(raw)
        turns.append(Turn(body[position:text_end], text_start - position, read_message(raw, at + number, family)))
        position = text_end
    return turns
