"""Conversations of clients, made up from a seed, and the bill that the documented rules of the cache give them.

A month of them stands for a log: what a test gets is what a log tells (counts, times, names) and, for comparison, the whole
prompts. Each workspace has one key; a client marks its prompts by one habit.
"""

from __future__ import annotations

import random
from hashlib import sha256
from itertools import accumulate
from typing import Literal, NamedTuple

from msgspec import Struct

from thriftgate.core.blocks import Block, Part
from thriftgate.core.cache import Breakpoint, CacheRules, Resident, forecast
from thriftgate.core.prefix import Prefix
from thriftgate.core.request import Ttl
from thriftgate.core.usage import Tokens

Habit = Literal["none", "tail", "tail-1h", "system+tail", "system+tail-1h", "system-1h+tail", "last-two"]
Event = Literal["append", "pause", "long pause", "compact", "change", "shrink", "agent", "open", "resume", "aside", "again"]

HABITS: tuple[Habit, ...] = ("none", "tail", "tail-1h", "system+tail", "system+tail-1h", "system-1h+tail", "last-two")
EVENTS: tuple[Event, ...] = (
    "append", "pause", "long pause", "compact", "change", "shrink", "agent", "open", "resume", "aside", "again",
)  # fmt: skip
START_S = 1_792_000_000.0
MINIMUM = 1_024


class Piece(NamedTuple):
    """One block of a prompt. `user`: the client's own words, where a habit may mark."""

    name: int
    tokens: int
    section: str = "messages"
    user: bool = False


class Billed(Struct, frozen=True):
    """One call: what a log tells of it, and its prompt. `loose` tokens stand behind the last block."""

    at_s: float
    began_s: float
    session: str
    agent: str
    side: bool
    called_tool: bool
    tokens: Tokens
    prefix: Prefix
    cumulative: tuple[int, ...]
    marks: tuple[Breakpoint, ...]

    @property
    def thread(self) -> tuple[str, str, str]:
        return self.session, self.agent, str(self.side)


class _Talk:
    def __init__(self, session: str, head: tuple[Piece, ...], agent: str = "") -> None:
        self.session = session
        self.agent = agent
        self.head = head
        self.said: list[Piece] = []
        self.ready_s = 0.0


class Talks:
    """A stream of calls. `events` are what may happen between them, "append" by far the most often."""

    def __init__(self, seed: int, habit: Habit, events: tuple[Event, ...] = EVENTS, *, minimum: int = MINIMUM) -> None:
        self.rng = random.Random(seed)
        self.habit = habit
        self.events = tuple(one for one in events if one != "append")
        self.minimum = minimum
        self.calls: list[Billed] = []
        self._held: dict[bytes, Resident] = {}
        self._at_s = START_S
        self._names = 0
        self._heads = [self._head(15_000 + 1_111 * number) for number in range(2)]
        self._agents = [self._head(5_000 + 777 * number) for number in range(2)]
        self._open: list[_Talk] = []

    def run(self, calls: int) -> list[Billed]:
        """So many calls, one after the other."""
        for _ in range(3 if "open" in self.events else 1):
            self._opened()
        while len(self.calls) < calls:
            talk = self.rng.choice(self._open[-3:])
            event = self.rng.choice(self.events) if self.events and self.rng.random() < 0.25 else "append"
            self._happens(event, talk)
        return self.calls[:calls]

    def _happens(self, event: Event, talk: _Talk) -> None:
        rng = self.rng
        self._at_s += rng.choice((3.0, 8.0, 20.0, 40.0, 100.0))
        if event == "open":
            talk = self._opened()
        elif event == "pause":
            self._at_s += rng.choice((299.0, 300.0, 301.0, 900.0, 2_500.0))
        elif event == "long pause":
            self._at_s += rng.choice((3_600.0, 3_700.0, 20_000.0))
        elif event == "resume":
            self._at_s += 7_200.0
            talk = rng.choice(self._open)
        elif event == "compact":
            talk.said = [self._piece(rng.randrange(1_500, 4_000), user=True)]
        elif event == "change" and talk.said:
            at = rng.randrange(len(talk.said))
            talk.said[at] = talk.said[at]._replace(name=self._name())
        elif event == "shrink" and len(talk.said) > 3:
            talk.said = talk.said[: rng.randrange(1, len(talk.said) - 1)]
        if event == "agent":
            self._agent(talk)
        elif event == "aside":
            self._aside(talk)
        elif event == "again":
            self._call(talk, talk.said)
        else:
            self._turn(talk)

    def _opened(self) -> _Talk:
        talk = _Talk(f"s{len(self._open)}", self.rng.choice(self._heads))
        self._open.append(talk)
        return talk

    def _turn(self, talk: _Talk) -> None:
        if talk.said:
            talk.said.append(self._piece(self.rng.randrange(20, 900)))
        talk.said.append(self._piece(self.rng.randrange(40, 6_000), user=True))
        self._call(talk, talk.said)

    def _agent(self, parent: _Talk) -> None:
        sub = _Talk(parent.session, self.rng.choice(self._agents), agent=f"a{self._name()}")
        for _ in range(self.rng.randrange(1, 5)):
            self._at_s += 5.0
            self._turn(sub)

    def _aside(self, talk: _Talk) -> None:
        """A question beside the conversation, which never sees it."""
        if talk.said:
            self._call(talk, [*talk.said, self._piece(60), self._piece(self.rng.randrange(40, 400), user=True)], side=True)

    def _call(self, talk: _Talk, said: list[Piece], *, side: bool = False) -> None:
        pieces = (*talk.head, *said)
        prefix = _prefix(pieces)
        cumulative = tuple(accumulate(piece.tokens for piece in pieces))
        marks = self._marks(pieces)
        self._at_s = max(self._at_s, talk.ready_s)
        at_s, began_s = self._at_s, self._at_s + 1.0
        outcome = forecast(
            prefix, cumulative, marks, self._held, now_s=at_s, usable_s=began_s, cache_min_tokens=self.minimum,
            rules=CacheRules(),
        )  # fmt: skip
        self._held.update(outcome.entries)
        loose = 0 if self.habit == "none" else self.rng.randrange(7)
        told = outcome.tokens
        output = self.rng.randrange(10, 900)
        tokens = Tokens(told.input + loose, told.write_5m, told.write_1h, told.read, output)
        tool = self.rng.random() < 0.8
        self.calls.append(Billed(at_s, began_s, talk.session, talk.agent, side, tool, tokens, prefix, cumulative, marks))
        talk.ready_s = began_s + 1.0

    def _marks(self, pieces: tuple[Piece, ...]) -> tuple[Breakpoint, ...]:
        head = sum(piece.section == "system" for piece in pieces) - 1
        tail = len(pieces) - 1
        user = [at for at, piece in enumerate(pieces) if piece.user][-2:]
        places: dict[Habit, list[tuple[int, Ttl]]] = {
            "none": [],
            "tail": [(tail, "5m")],
            "tail-1h": [(tail, "1h")],
            "system+tail": [(head, "5m"), (tail, "5m")],
            "system+tail-1h": [(head, "1h"), (tail, "1h")],
            "system-1h+tail": [(head, "1h"), (tail, "5m")],
            "last-two": [(at, "5m") for at in user],
        }
        return tuple(Breakpoint(at, ttl) for at, ttl in places[self.habit])

    def _head(self, tokens: int) -> tuple[Piece, ...]:
        first = tokens // 3
        return Piece(self._name(), first, "system"), Piece(self._name(), tokens - first, "system")

    def _piece(self, tokens: int, *, user: bool = False) -> Piece:
        return Piece(self._name(), tokens, user=user)

    def _name(self) -> int:
        self._names += 1
        return self._names


def _prefix(pieces: tuple[Piece, ...]) -> Prefix:
    rolling = b""
    blocks: list[Block] = []
    chain: list[bytes] = []
    for at, piece in enumerate(pieces):
        rolling = sha256(rolling + piece.name.to_bytes(8, "big")).digest()[:16]
        chain.append(rolling)
        part = Part("text", rolling, piece.tokens, piece.tokens)
        blocks.append(Block(part, "system" if piece.section == "system" else "messages", at))
    return Prefix(tuple(blocks), tuple(chain))
