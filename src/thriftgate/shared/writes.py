"""Prefixes that a replica is having written into the provider's cache, so that calls on others wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from thriftgate.core.cache import Resident
from thriftgate.core.errors import SharedLost
from thriftgate.shared.lane import Lane, Op

LEAD, LAND, LOOK = 4, 5, 6
TOLD_S = 2.0
"""For how long it stands there what was cached: until all have it from the news."""
POLL_S = 0.02


class Written(NamedTuple):
    """What is known of a prefix that another call has written, or is writing: what is cached of it, None as long as its
    answer has not begun."""

    digest: bytes
    resident: Resident | None


class Writes:
    """One per engine; see `engine.fanout.SharedWrites`. Where the server is lost nothing is known, and nobody waits."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    async def lead(self, call_id: str, digests: Sequence[bytes], for_s: float) -> Written | None:
        """Say that this call writes these prefixes, shallow to deep; or learn which of them another has written or is
        writing, the deepest. What is said holds for so many seconds, unless it has landed before."""
        try:
            found = await self._ask(LEAD, call_id, digests, (for_s * 1e3,))
        except SharedLost:
            return None
        return Written(digests[found[0] - 1], _resident(found[1])) if found else None

    def land(self, call_id: str, digests: Sequence[bytes], cached: Sequence[Resident | None]) -> None:
        """The answer has begun and this is cached, or none will begin: None."""
        told = ["" if one is None else f"{one.ttl} {one.usable_s!r} {one.expires_s!r}" for one in cached]
        self._lane.send(Op(LAND, call_id, self._keys(digests), (TOLD_S * 1e3, told)))

    async def landed(self, digest: bytes, until_s: float) -> Resident | None:
        """Wait until the call that writes it has landed: what is cached; None where that failed, or `until_s` (time of the
        event loop) came first."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                told = await self._ask(LOOK, "", (digest,), ())
            except SharedLost:
                return None
            if not told.startswith("w"):
                return _resident(told)
            if loop.time() >= until_s:
                return None
            await asyncio.sleep(min(POLL_S, max(0.0, until_s - loop.time())))

    async def _ask(self, code: int, call_id: str, digests: Sequence[bytes], params: object) -> Any:
        return await self._lane.ask(code, self._keys(digests), params, call_id)

    def _keys(self, digests: Sequence[bytes]) -> list[bytes]:
        return [f"{{{self._lane.tag}}}:write:{digest.hex()}".encode() for digest in digests]


def _resident(told: str) -> Resident | None:
    if not told.startswith("l"):
        return None
    ttl, usable_s, expires_s = told[1:].split(" ")
    return Resident("1h" if ttl == "1h" else "5m", float(usable_s), float(expires_s))
