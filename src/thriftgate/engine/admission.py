"""What one call of a client has taken of its limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from thriftgate.core.control.limits import Needs, Place, Slot, needs_of
from thriftgate.ledger.entries import UPSTREAM, Entry
from thriftgate.providers.transport import Headers

ONE_CALL = Needs(concurrency=1)


class Counter(Protocol):
    """Where it is counted."""

    def put(self, slots: Sequence[Slot], used: Needs, taken: Needs) -> None:
        """What was taken is used otherwise: more, whether there is room or not, or less."""

    def told(self, slots: Sequence[Slot]) -> Headers:
        """What a client is told of these limits."""


class Admission:
    """What one call of a client has taken, over all its attempts: it counts as one request and one call under way, however
    often we try. Every attempt but the first takes what it needs, whether there is room or not: a call that was let in is
    not refused half way."""

    __slots__ = ("_attempts", "_counted", "_counter", "_slots", "is_in")

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._attempts: dict[str, tuple[Sequence[Slot], Needs]] = {}
        self._counted: dict[Place, Slot] = {}
        self._slots: Sequence[Slot] = ()
        self.is_in = False

    def comes_in(self, call_id: str, slots: Sequence[Slot], needs: Needs) -> None:
        """It was taken."""
        self.is_in = True
        self._attempts[call_id] = (slots, needs)
        self._slots = slots
        self._counted.update((slot.place, slot) for slot in slots)

    def goes_on(self, call_id: str, slots: Sequence[Slot], needs: Needs) -> None:
        """Another attempt."""
        again = [slot for slot in slots if slot.place in self._counted]
        anew = [slot for slot in slots if slot.place not in self._counted]
        rest = needs._replace(requests=0, concurrency=0)
        self._counter.put(again, rest, Needs())
        self._counter.put(anew, needs, Needs())
        self.comes_in(call_id, slots, rest)

    def settled(self, entry: Entry) -> None:
        """How an attempt ended: what was expected of it makes room for what it was."""
        found = self._attempts.pop(entry.id, None)
        if found is None:
            return
        slots, taken = found
        requests = 0 if entry.outcome == "unreachable" else taken.requests
        paid = -entry.posted(UPSTREAM)
        self._counter.put(slots, needs_of(entry.usage.total, paid, requests=requests, concurrency=taken.concurrency), taken)

    def leave(self) -> None:
        """It is over: it is no call under way any more, and attempts that were never settled were never sent. Harmless when
        it has left before."""
        for slots, taken in self._attempts.values():
            self._counter.put(slots, Needs(concurrency=taken.concurrency), taken)
        self._counter.put([slot for slot in self._counted.values() if not slot.limit.rate], Needs(), ONE_CALL)
        self._attempts, self._counted = {}, {}

    def told(self) -> Headers:
        """How the one of its limits stands that has the least left."""
        return self._counter.told(self._slots)
