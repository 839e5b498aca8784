"""What one call of a client has taken of its limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from thriftgate.core.control.limits import NOTHING, Bucket, Needs, needs_of
from thriftgate.ledger.entries import UPSTREAM, Entry
from thriftgate.providers.transport import Headers

ONE_CALL = Needs(concurrency=1)


class Counter(Protocol):
    """Where it is counted."""

    def put(self, call_id: str, buckets: Sequence[Bucket], used: Needs, taken: Needs) -> None:
        """What was taken by that call is used otherwise: more, whether there is room or not, or less."""

    def left(self, call_id: str) -> None:
        """That call is over."""

    def told(self, buckets: Sequence[Bucket]) -> Headers:
        """What a client is told of these limits."""


class Admission:
    """What one call of a client has taken, over all its attempts: it counts as one request and one call under way, however
    often we try. Every attempt but the first takes what it needs, whether there is room or not: a call that was let in is
    not refused half way."""

    __slots__ = ("_attempts", "_buckets", "_counter", "_first", "is_in")

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._attempts: dict[str, tuple[Sequence[Bucket], Needs]] = {}
        self._buckets: tuple[Bucket, ...] = ()
        self._first = ""  # attempt, by whose name it is counted
        self.is_in = False

    def comes_in(self, call_id: str, buckets: tuple[Bucket, ...], needs: Needs) -> None:
        """It was taken."""
        self.is_in, self._first = True, call_id
        self._attempts[call_id] = (buckets, needs)
        self._buckets = buckets

    def goes_on(self, call_id: str, buckets: Sequence[Bucket], needs: Needs) -> None:
        """Another attempt."""
        again = [one for one in buckets if one in self._buckets]
        anew = [one for one in buckets if one not in self._buckets]
        rest = needs._replace(requests=0, concurrency=0)
        self._counter.put(self._first, again, rest, NOTHING)
        self._counter.put(self._first, anew, needs, NOTHING)
        self._attempts[call_id] = (buckets, rest)
        self._buckets += tuple(anew)

    def settled(self, entry: Entry) -> None:
        """How an attempt ended: what was expected of it makes room for what it was."""
        found = self._attempts.pop(entry.id, None)
        if found is None:
            return
        buckets, taken = found
        requests = 0 if entry.outcome in ("unreachable", "refused") else taken.requests
        used = needs_of(entry.usage.total, -entry.posted(UPSTREAM), requests=requests, concurrency=taken.concurrency)
        self._counter.put(self._first, buckets, used, taken)

    def leave(self) -> None:
        """It is over: it is no call under way any more, and attempts that were never settled were never sent. Harmless when
        it has left before."""
        for buckets, taken in self._attempts.values():
            self._counter.put(self._first, buckets, NOTHING._replace(concurrency=taken.concurrency), taken)
        if self.is_in:
            self._counter.put(self._first, self._buckets, NOTHING, ONE_CALL)
            self._counter.left(self._first)
        self._attempts, self.is_in = {}, False

    def told(self) -> Headers:
        """How the one of its limits stands of which the most is used."""
        return self._counter.told(self._buckets)
