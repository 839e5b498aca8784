"""All limits under which one key's calls to one group of models run: may a call go now, or in how many seconds?

Input is taken out when a call is sent, by its forecast, and put right by its bill; output likewise, though the provider
counts it as it is written. Until the first answer nothing is known, and everything may go.

After a refusal that names no limit (a sharp increase of traffic, for one) calls go out a few at a time, more with every
answer that begins: slow start, as TCP does it (RFC 5681).
"""

from __future__ import annotations

from typing import NamedTuple

from thriftgate.core.governing.bucket import MINUTE_S, Bucket
from thriftgate.core.governing.told import FAMILIES, INPUT, OUTPUT, REQUESTS, TOKENS, Told

ROUNDING = 500.0  # what is left of tokens is told in thousands
UNTOLD_S = 1.0  # a pause after a refusal that names no time
POLL_S = 0.25  # where only an answer can make room
OPEN_AGAIN = 64  # so many calls without an answer yet, after slow start, and it is over


class Need(NamedTuple):
    """What a call takes: itself, its input that counts, the output to be expected (tokens)."""

    input: float
    output: float

    def of(self, family: int) -> float:
        if family == REQUESTS:
            return 1.0
        if family == INPUT:
            return self.input
        return self.output if family == OUTPUT else self.input + self.output


class Ticket:
    """A call that was let go. `after` are the levels it has left behind, `heard` by how much its own answer has moved
    them."""

    __slots__ = ("after", "gate", "heard", "need", "waits")

    def __init__(self, gate: Gate, need: Need, after: list[float]) -> None:
        self.gate = gate
        self.need = need
        self.after = after
        self.heard = [0.0] * FAMILIES
        self.waits = True  # for the beginning of its answer


class Gate:
    """See the module. Times are seconds of a clock that only goes on."""

    __slots__ = ("_input", "_output", "_waiting", "_window", "buckets", "paused_until_s")

    def __init__(self) -> None:
        self.buckets: list[Bucket | None] = [None] * FAMILIES
        self.paused_until_s = 0.0
        self._waiting = 0  # calls whose answer has not begun
        self._input = 0.0  # their input
        self._output = 0.0  # the output expected of all that are under way
        self._window: float | None = None

    def wait_s(self, need: Need, now_s: float, spare_share: float = 0.0) -> float:
        """Seconds until this call may go, 0 for now. `spare_share` of each limit is left to others."""
        wait = self.paused_until_s - now_s if self.paused_until_s > now_s else 0.0
        if self._window is not None and self._waiting >= self._window:
            wait = max(wait, POLL_S)
        amounts = (1.0, need.input, 1.0, need.input + need.output)  # output is only counted as it comes
        for bucket, amount in zip(self.buckets, amounts, strict=True):
            if bucket is not None:
                bucket.refill(now_s)
                wait = max(wait, bucket.wait_s(amount, spare_share * bucket.limit))
        return wait

    def backlog_s(self, amounts: list[float], now_s: float) -> float:
        """Seconds until so much, by family, is through."""
        wait = max(0.0, self.paused_until_s - now_s)
        for amount, bucket in zip(amounts, self.buckets, strict=True):
            if bucket is not None:
                bucket.refill(now_s)
                wait = max(wait, (amount - bucket.level) * MINUTE_S / bucket.limit)
        return wait

    def least_share(self, now_s: float) -> float:
        """What is left of the tightest limit, 0 to 1; 1 where none is known."""
        share = 1.0
        for bucket in self.buckets:
            if bucket is not None:
                bucket.refill(now_s)
                share = min(share, max(0.0, bucket.level / bucket.limit))
        return share

    def take(self, need: Need, now_s: float) -> Ticket:
        """The call goes."""
        after = [0.0] * FAMILIES
        for family, bucket in enumerate(self.buckets):
            if bucket is not None:
                bucket.refill(now_s)
                bucket.level -= need.of(family)
                after[family] = bucket.level - bucket.moved
        self._waiting += 1
        self._input += need.input
        self._output += need.output
        return Ticket(self, need, after)

    def heard(self, ticket: Ticket, told: Told, now_s: float) -> None:
        """The answer of a call has begun."""
        self.begun(ticket)
        if self._window is not None:
            self._window += 1
            if self._window > OPEN_AGAIN:
                self._window = None
        self._hear(ticket, told, now_s)

    def _hear(self, ticket: Ticket, told: Told, now_s: float) -> None:
        unseen = (self._waiting, self._input, self._output, self._input + self._output)  # it may not know of these yet
        for family, level in enumerate(told.levels):
            if level is None or (family == TOKENS and _is_another(told)):
                continue
            bucket, remaining = self.buckets[family], level.remaining - level.debt
            if bucket is None:
                self.buckets[family] = Bucket(level.limit, remaining - unseen[family], now_s)
                continue
            bucket.refill(now_s)
            then = ticket.after[family] + bucket.moved
            expected = (min(then, bucket.level), max(then, bucket.level + unseen[family]))
            rounding = 0.0 if family == REQUESTS else ROUNDING
            ticket.heard[family] += bucket.hear(level.limit, remaining, expected, rounding)

    def refused(self, ticket: Ticket, told: Told, now_s: float, *, family: int | None, least_s: float) -> float:
        """The provider would not take a call: it counts for nothing. Returns the seconds to wait before it is worth trying
        again, at least `least_s`. Where no limit is named all calls pause."""
        named = self.buckets[family] if family is not None else None
        self.unsent(ticket, now_s)
        self._hear(ticket, told, now_s)
        wait_s = max(least_s, UNTOLD_S if told.retry_after_s is None else told.retry_after_s)
        if named is None or family is None:
            self.paused_until_s = max(self.paused_until_s, now_s + wait_s)
            self._window = 1.0
        else:
            lacks = wait_s * named.limit / MINUTE_S
            amount = 1.0 if family == OUTPUT else ticket.need.of(family)
            surplus = named.level - (min(amount, named.limit) - lacks)
            if surplus > 0:
                named.move(-surplus)
        return wait_s

    def unsent(self, ticket: Ticket, now_s: float) -> None:
        """A call did not reach the provider, or was not taken."""
        self.begun(ticket)
        self._output -= ticket.need.output
        for family, bucket in enumerate(self.buckets):
            if bucket is not None:
                bucket.refill(now_s)
                bucket.move(ticket.need.of(family))

    def ended(self, ticket: Ticket, used: Need, now_s: float) -> None:
        """A call is over and has used so much."""
        self.begun(ticket)
        self._output -= ticket.need.output
        for family, bucket in enumerate(self.buckets):
            if bucket is not None and family != REQUESTS:
                bucket.refill(now_s)
                off = ticket.need.of(family) - used.of(family)
                known = ticket.heard[family]  # what its own answer has put right already
                if known * off > 0:
                    off -= min(off, known) if off > 0 else max(off, known)
                bucket.move(off)

    def begun(self, ticket: Ticket) -> None:
        """Its answer has begun, whatever it tells. Harmless when that is known."""
        if ticket.waits:
            ticket.waits = False
            self._waiting -= 1
            self._input -= ticket.need.input


def _is_another(told: Told) -> bool:
    """Whether the plain family `tokens` only repeats the tighter of the other two."""
    tokens = told.levels[TOKENS]
    others = (told.levels[INPUT], told.levels[OUTPUT])
    return tokens is not None and any(one is not None and one.limit == tokens.limit for one in others)
