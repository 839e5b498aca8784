"""What each conversation has cost, how it grows, and what leaving out its older part has saved or cost it: the account that
a budget of regret is kept on (`core/reduction/when.py`). Digests and numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.generations import Generations

CONVERSATIONS = 50_000
PATIENCE_TURNS, PATIENCE_TURNS_MAX = 4, 64
"""After a summary that failed so many turns pass without another, twice as many after each further one."""


class Talk(Struct, frozen=True):
    """One conversation up to its latest request. `name` is the digest that it began with; `tokens` its latest prompt; it
    `gained` so many tokens in `grew` turns; pico-USD: what it has cost, and what it would have cost less with nothing of it
    left out (negative where that has paid). `failed` summaries came one after the other; the next may be asked for at turn
    `patient_until`."""

    name: bytes
    turns: int = 0
    tokens: int = 0
    gained: int = 0
    grew: int = 0
    spent_pico: int = 0
    regret_pico: int = 0
    failed: int = 0
    patient_until: int = 0

    def summed_up(self, paid_pico: int, *, well: bool) -> Talk:
        """After a summary was asked for: it is a cost that nothing but leaving out has made."""
        spent, regret = self.spent_pico + paid_pico, self.regret_pico + paid_pico
        if well:
            return replace(self, spent_pico=spent, regret_pico=regret, failed=0, patient_until=0)
        patience = min(PATIENCE_TURNS << self.failed, PATIENCE_TURNS_MAX)
        until = self.turns + 2 + patience
        return replace(self, spent_pico=spent, regret_pico=regret, failed=self.failed + 1, patient_until=until)

    def went_on(self, tokens: int, paid_pico: int, regret_pico: int) -> Talk:
        """After a turn whose prompt came to `tokens`."""
        grew = self.tokens > 0 and tokens > self.tokens
        return replace(
            self,
            turns=self.turns + 1,
            tokens=tokens,
            gained=self.gained + (tokens - self.tokens if grew else 0),
            grew=self.grew + grew,
            spent_pico=self.spent_pico + paid_pico,
            regret_pico=self.regret_pico + regret_pico,
        )


class Talking(NamedTuple):
    """A call's place in its conversation: the digest that it is known by, the account before it, and the application (a
    digest). `again`: this very request was sent before, so that an answer to it may be bound to how it was."""

    digest: bytes
    talk: Talk
    app: bytes
    again: bool = False


class Talks:
    """By what tells a conversation up to a request of it, as the client sent it."""

    def __init__(self) -> None:
        self._known: Generations[bytes, Talk] = Generations(CONVERSATIONS)
        self._next: Generations[bytes, bytes] = Generations(CONVERSATIONS)

    def before(self, ends: Sequence[bytes]) -> Talk:
        """What is known of the conversation that this request goes on with; a new one where nothing is. Many begin alike:
        the second that goes on from the same place is one of its own from there on."""
        found = self._known.among(ends[:-1])
        last = next((digest for digest in reversed(ends[:-1]) if digest in found), None)
        if last is None:
            return Talk(ends[-1])
        first = self._next.get(last)
        if first is None:
            self._next[last] = first = ends[-1]
        return found[last] if first == ends[-1] else replace(found[last], name=ends[-1])

    def knows(self, digest: bytes) -> bool:
        """Whether the request that ends so was sent before."""
        return self._known.get(digest) is not None

    def note(self, digest: bytes, talk: Talk) -> None:
        """So it stands after the request that ends with `digest`."""
        self._known[digest] = talk

    def kept(self) -> bytes:
        """The latest conversations, to be restored at the next start."""
        return msgspec.msgpack.encode(list(self._known.recent(CONVERSATIONS)))

    def restore(self, data: bytes) -> None:
        """Take in what `kept` gave. Raises msgspec's errors."""
        for digest, talk in reversed(msgspec.msgpack.decode(data, type=list[tuple[bytes, Talk]])):
            self._known[digest] = talk
