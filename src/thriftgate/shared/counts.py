"""Limits of callers, counted by all replicas together.

Counted where all replicas see it, by the time of that place. Here stands a copy of each bucket as it was last heard of: what
clients are told comes from it, and where the server is lost and the settings say so, this replica goes on with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from thriftgate.clock import Clock
from thriftgate.core.control.limits import Bucket, Lack, Needs, Place, lacking
from thriftgate.core.errors import SharedLost
from thriftgate.logs import log
from thriftgate.shared.lane import LOST, Lane, Op

TAKE, PUT, RENEW = 1, 2, 3
LEASE_S = 30.0
"""For how long a call counts as under way whose replica says nothing: those of a killed one are free after that."""
RENEW_AT_ONCE = 500
KEYS_MAX = 50_000
_EXACT = 2**53


class Counts:
    """One per engine; see `engine.limiting.SharedCounts`. `replicas` tells how many there are, as far as is known."""

    def __init__(self, lane: Lane, clock: Clock, on_loss: Literal["refuse", "alone"], replicas: Callable[[], int]) -> None:
        self._lane = lane
        self._clock = clock
        self._on_loss = on_loss
        self._replicas = replicas
        self._keys: dict[Place, bytes] = {}
        self._held: dict[str, list[Bucket]] = {}  # calls under way: where they count
        self._unknown: set[str] = set()  # calls that were let in while the server was lost
        self._timer: asyncio.TimerHandle | None = None
        self.alone_among = 0
        self.changed: Callable[[], None] = lambda: None
        lane.changed.append(self._lane_changed)

    async def take(self, call_id: str, buckets: Sequence[Bucket], needs: Needs) -> Lack | None:
        """Take what a call needs from all of these, or from none: then why. Raises SharedLost."""
        asked = [one for one in buckets if one.needed(needs)]
        if not asked:
            return None
        if not self._lane.up:
            return self._without(call_id, asked, needs)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def heard(answer: Any) -> None:
            if not future.done():
                future.set_result(answer)
            elif answer is not LOST and answer[0]:  # nobody waits for it any more
                self._give_back(call_id, asked, needs)

        self._lane.send(Op(TAKE, call_id, [self._key(one) for one in asked], _params(asked, needs), heard))
        try:
            answer = await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.result() is not LOST and future.result()[0]:
                self._give_back(call_id, asked, needs)
            raise
        if answer is LOST:
            return self._without(call_id, asked, needs)
        taken, levels = answer
        now_us = self._now_us()
        for at, one in enumerate(asked):
            one.seen(int(levels[2 * at]), int(levels[2 * at + 1]), now_us)
        if not taken:
            return lacking(asked, needs, now_us)
        self._holds(call_id, asked, needs)
        return None

    def put(self, call_id: str, buckets: Sequence[Bucket], used: Needs, taken: Needs) -> None:
        """What was taken is used otherwise: more, whether there is room or not, or less."""
        change = Needs(*[one - other for one, other in zip(used, taken, strict=True)])
        touched = [one for one in buckets if one.needed(change)]
        if change.concurrency > 0:
            self._holds(call_id, touched, change)
        if call_id in self._unknown:
            touched = [one for one in touched if not one.limit.per_us]
        if touched:
            self._lane.send(Op(PUT, call_id, [self._key(one) for one in touched], _params(touched, change)))

    def left(self, call_id: str) -> None:
        """The call is over."""
        self._held.pop(call_id, None)
        self._unknown.discard(call_id)

    def under_way(self) -> Mapping[Place, int]:
        """This replica's own calls, by the limit and member that counts them."""
        found: dict[Place, int] = {}
        for buckets in self._held.values():
            for one in buckets:
                found[one.place] = found.get(one.place, 0) + 1
        return found

    def start(self) -> None:
        """Go on saying which calls are under way. Must run inside the event loop."""
        self._timer = asyncio.get_running_loop().call_later(LEASE_S / 3, self._renew_again)

    def close(self) -> None:
        """Harmless where it was not started."""
        if self._timer is not None:
            self._timer.cancel()

    def _without(self, call_id: str, asked: Sequence[Bucket], needs: Needs) -> Lack | None:
        """The server is lost."""
        if self._on_loss == "refuse":
            raise SharedLost(f"{self._lane.lost_words}, or set redis.on_loss to alone")
        now_us = self._now_us()
        lack = lacking(asked, needs, now_us)
        if lack is None:
            for one in asked:
                one.take(one.needed(needs), now_us)
            self._holds(call_id, asked, needs)
            self._unknown.add(call_id)
        return lack

    def _holds(self, call_id: str, buckets: Sequence[Bucket], needs: Needs) -> None:
        counted = [one for one in buckets if not one.limit.per_us] if needs.concurrency else []
        if counted:
            self._held.setdefault(call_id, []).extend(counted)

    def _give_back(self, call_id: str, asked: Sequence[Bucket], needs: Needs) -> None:
        less = Needs(*[-one for one in needs])
        self._lane.send(Op(PUT, call_id, [self._key(one) for one in asked], _params(asked, less)))

    def _lane_changed(self, up: bool) -> None:
        if up:
            self._renew()  # what was lost with the server, and what began without it
            if self.alone_among:
                log.info("limits shared again")
            self.alone_among = 0
        elif self._on_loss == "alone":
            self.alone_among = max(1, self._replicas())
            log.warning("limits kept alone", share_of=self.alone_among)
        self.changed()

    def _renew_again(self) -> None:
        if self._lane.up:
            self._renew()
        self.start()

    def _renew(self) -> None:
        """Its calls are under way. Those that ended meanwhile end behind this: operations keep their order."""
        found: dict[bytes, list[str]] = {}
        for call_id, buckets in self._held.items():
            for one in buckets:
                found.setdefault(self._key(one), []).append(call_id)
        for key, ids in found.items():
            for at in range(0, len(ids), RENEW_AT_ONCE):
                self._lane.send(Op(RENEW, "", [key], (LEASE_S * 1e6, ids[at : at + RENEW_AT_ONCE])))

    def _key(self, bucket: Bucket) -> bytes:
        place = bucket.place
        key = self._keys.get(place)
        if key is None:
            if len(self._keys) >= KEYS_MAX:
                self._keys.clear()
            key = self._keys[place] = f"{{{self._lane.tag}}}:limit:{place[0]}:{place[1]}".encode()
        return key

    def _now_us(self) -> int:
        return int(self._clock.monotonic_s() * 1e6)


def _params(buckets: Sequence[Bucket], needs: Needs) -> list[tuple[float, ...]]:
    """As `calls.lua` reads them."""
    found: list[tuple[float, ...]] = []
    for one in buckets:
        limit, units, per = one.limit, one.needed(needs), one.limit.per_us
        if not per:
            found.append((units, 0, LEASE_S * 1e6, 0, limit.room))
        elif limit.room < _EXACT > units > -_EXACT:
            found.append((units, per, limit.amount // per, limit.amount % per, limit.room))
        else:
            found.append((float(units), per, float(limit.amount // per), limit.amount % per, float(limit.room)))
    return found
