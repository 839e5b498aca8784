"""The limits of one process: which of them a call counts under, how each stands, and all of them taken or none. Pure.

This is what another store has to do to keep limits for several processes together: `slots`, `take` and `put` of one call are
one step there, by the time of that store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from thriftgate.core.control.limits import Bucket, Lack, Limit, Needs, Place, Slot, lacking
from thriftgate.core.control.whose import Whose, scopes_of
from thriftgate.core.generations import Generations

BUCKETS_MAX = 50_000
"""Members of limits such as `key=*` that are remembered: at least half of so many, the last ones that were used. Who is
forgotten begins anew, with nothing used: callers can make tags up, and must not fill the memory with them."""
CALLERS_MAX = 10_000


class Caller(Struct, frozen=True):
    """All that decides under which limits a call counts."""

    key: str
    whose: Whose
    model: str
    provider: str
    task: str


class Shelf:
    """One per engine. Calls under way are never forgotten: what counts them is kept as long as there are any."""

    def __init__(self, buckets_max: int = BUCKETS_MAX) -> None:
        self.limits: tuple[Limit, ...] = ()
        self._callers: Generations[Caller, tuple[tuple[Limit, Place], ...]] = Generations(CALLERS_MAX)
        self._buckets: Generations[Place, Bucket] = Generations(buckets_max)
        self._busy: dict[Place, Bucket] = {}

    def __len__(self) -> int:
        return len(self._buckets) + len(self._busy)

    def lay(self, limits: Iterable[Limit]) -> None:
        """These stand from now on. What was used of those that stood before stays used."""
        found = tuple(limits)
        if found != self.limits:
            self.limits = found
            self._callers = Generations(CALLERS_MAX)

    def slots(self, caller: Caller) -> tuple[Slot, ...]:
        """The limits that a call counts under, to be taken before anything else is done with the shelf."""
        found = self._callers.get(caller)
        if found is None:
            scopes = scopes_of(caller.key, caller.whose, model=caller.model, provider=caller.provider, task=caller.task)
            members = [(one, one.member(scopes)) for one in self.limits]
            found = tuple((one, (one.id, member)) for one, member in members if member is not None)
            self._callers[caller] = found
        return tuple([Slot(limit, place[1], self._bucket(limit, place)) for limit, place in found])

    def take(self, slots: Sequence[Slot], needs: Needs, now_us: int) -> Lack | None:
        """Take what a call needs from all of these, or from none: then why."""
        lack = lacking(slots, needs, now_us)
        if lack is None:
            self.put(slots, needs, Needs(), now_us)
        return lack

    def put(self, slots: Sequence[Slot], used: Needs, taken: Needs, now_us: int) -> None:
        """What was taken is used otherwise: more, whether there is room or not, or less."""
        for slot in slots:
            limit = slot.limit
            units = used.of(limit.metric) - taken.of(limit.metric)
            if units:
                slot.bucket.take(limit, units, now_us)
                if not limit.rate:
                    self._note(slot, now_us)

    def _bucket(self, limit: Limit, place: Place) -> Bucket:
        if not limit.rate:
            return self._busy.get(place) or Bucket()
        found = self._buckets.get(place)
        if found is None:
            found = self._buckets[place] = Bucket()
        return found

    def _note(self, slot: Slot, now_us: int) -> None:
        place = slot.place
        if slot.bucket.used(slot.limit, now_us):
            self._busy[place] = slot.bucket
        else:
            self._busy.pop(place, None)
