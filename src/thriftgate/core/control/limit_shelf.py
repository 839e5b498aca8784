"""The limits of one process: which of them a call counts under, how each stands, and all of them taken or none. Pure.

For several processes together another store does what `take` and `put` do here, each one step there, by the time of that
store; the buckets here are then what was last heard of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.control.limits import Bucket, Lack, Limit, Needs, Place, lacking
from thriftgate.core.control.whose import Whose, scopes_of
from thriftgate.core.generations import Generations

BUCKETS_MAX = 50_000
"""Members of limits such as `key=*` that are remembered: callers can make tags up, and must not fill the memory."""
CALLERS_MAX = 10_000


class Caller(Struct, frozen=True):
    """All that decides under which limits a call counts."""

    key: str
    whose: Whose
    model: str
    provider: str
    task: str


def shared_among(limits: Iterable[Limit], parts: int) -> tuple[Limit, ...]:
    """Each limit's part of so many, rather too much than none."""
    if parts <= 1:
        return tuple(limits)
    return tuple(replace(one, amount=-(-one.amount // parts), burst=-(-one.burst // parts)) for one in limits)


class Shelf:
    """One per engine."""

    def __init__(self, buckets_max: int = BUCKETS_MAX) -> None:
        self.limits: tuple[Limit, ...] = ()
        self._callers: Generations[Caller, tuple[Bucket, ...]] = Generations(CALLERS_MAX)
        self._buckets: dict[Place, Bucket] = {}
        self._max = buckets_max
        self._full_at = buckets_max

    def __len__(self) -> int:
        return len(self._buckets)

    def lay(self, limits: Iterable[Limit]) -> None:
        """These stand from now on. What was used of those that stood before stays used."""
        found = tuple(limits)
        if found == self.limits:
            return
        self.limits = found
        by_id = {one.id: one for one in found}
        self._keep([one for one in self._buckets.values() if one.limit.id in by_id])
        for one in self._buckets.values():
            one.lay(by_id[one.limit.id])

    def buckets(self, caller: Caller, now_us: int) -> tuple[Bucket, ...]:
        """How the limits stand that a call counts under. They are to be taken before anything else is asked of the shelf."""
        found = self._callers.get(caller)
        if found is None:
            if len(self._buckets) + len(self.limits) > self._full_at:
                self._forget(now_us)
            scopes = scopes_of(caller.key, caller.whose, model=caller.model, provider=caller.provider, task=caller.task)
            members = [(one, one.member(scopes)) for one in self.limits]
            found = tuple([self._bucket(one, member) for one, member in members if member is not None])
            self._callers[caller] = found
        return found

    def take(self, buckets: Sequence[Bucket], needs: Needs, now_us: int) -> Lack | None:
        """Take what a call needs from all of these, or from none: then why."""
        lack = lacking(buckets, needs, now_us)
        if lack is None:
            for one in buckets:
                units = one.needed(needs)
                if units:
                    one.take(units, now_us)
        return lack

    def put(self, buckets: Sequence[Bucket], used: Needs, taken: Needs, now_us: int) -> None:
        """What was taken is used otherwise: more, whether there is room or not, or less."""
        for one in buckets:
            units = one.needed(used) - one.needed(taken)
            if units:
                one.take(units, now_us)

    def recount(self, under_way: Mapping[Place, int], now_us: int) -> None:
        """So many calls are under way, and no others, whatever was counted."""
        for one in self._buckets.values():
            if not one.limit.per_us:
                one.seen(under_way.get(one.place, 0), 0, now_us)

    def _bucket(self, limit: Limit, member: str) -> Bucket:
        place = (limit.id, member)
        found = self._buckets.get(place)
        if found is None:
            found = self._buckets[place] = Bucket(limit, member)
        return found

    def _forget(self, now_us: int) -> None:
        """Make room: forget all of which nothing is used, which changes nothing. If that is not enough, those that were not
        looked at for longest begin anew; but never those that count calls under way."""
        looked = [(one.at_us, one) for one in self._buckets.values()]
        used = [(at_us, one) for at_us, one in looked if one.used(now_us)]
        under_way = [one for _, one in used if not one.limit.per_us]
        others = sorted([(at_us, *one.place, one) for at_us, one in used if one.limit.per_us], reverse=True)
        kept = others[: max(0, self._max // 2 - len(under_way))]
        self._keep([*under_way, *[one for *_, one in kept]])
        self._full_at = max(self._max, 2 * len(self._buckets))

    def _keep(self, buckets: Iterable[Bucket]) -> None:
        self._buckets = {one.place: one for one in buckets}
        self._callers = Generations(CALLERS_MAX)
