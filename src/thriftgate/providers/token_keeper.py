"""Access tokens that hold for a while: fetched once for all calls that wait for one, and again shortly before they end.

A cloud's token lives for about an hour. It is fetched anew `EARLY_S` before that; where that fails, the old one serves until
it ends, and the next try is some seconds later. A call that cannot have a token was not sent.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from msgspec import Struct

from thriftgate.clock import Clock
from thriftgate.core.errors import Unreachable
from thriftgate.providers.transport import Headers, Timeouts, Transport

EARLY_S = 225.0  # google-auth's own threshold (google/auth/_helpers.py REFRESH_THRESHOLD, 2.62)
AGAIN_S = 10.0


class Token(Struct, frozen=True):
    """An access token, until when it holds (Unix seconds), and headers that go with it. Never printed."""

    value: str
    until_s: float
    headers: Headers = ()

    def __repr__(self) -> str:
        return f"Token(until_s={self.until_s!r})"


class TokenSource(Protocol):
    """Where tokens come from."""

    async def fetch(self, transport: Transport, timeouts: Timeouts, clock: Clock) -> Token:
        """A new one. Raises Unreachable, which says what to do, where there is none to be had."""


class TokenKeeper:
    """One per target: its credentials are its own."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source
        self._held: Token | None = None
        self._refresh_s = 0.0  # from when on a new one is fetched
        self._fetching: asyncio.Future[Token | str | None] | None = None

    async def token(self, transport: Transport, timeouts: Timeouts, clock: Clock) -> Token:
        """One that holds now. Raises Unreachable where none could be had: one failure for all that waited for it."""
        while True:
            held = self._held
            if held is not None and clock.now_s() < self._refresh_s:
                return held
            if self._fetching is None:
                return await self._fetch_for_all(transport, timeouts, clock)
            found = await asyncio.shield(self._fetching)
            if isinstance(found, str):
                raise Unreachable(found)
            if found is not None:
                return found  # None: who fetched it was called off, and one of those that waited goes on

    def reject(self, token: Token) -> None:
        """The provider does not take that one."""
        if self._held is token:
            self._held = None

    async def _fetch_for_all(self, transport: Transport, timeouts: Timeouts, clock: Clock) -> Token:
        waited = self._fetching = asyncio.get_running_loop().create_future()
        told: Token | str | None = None
        try:
            told = await self._fetched(transport, timeouts, clock)
        finally:
            self._fetching = None
            waited.set_result(told)
        if isinstance(told, str):
            raise Unreachable(told)
        return told

    async def _fetched(self, transport: Transport, timeouts: Timeouts, clock: Clock) -> Token | str:
        """A new token; the old one where there is none and that still holds; else why there is none."""
        began_s = clock.now_s()
        try:
            token = await self._source.fetch(transport, timeouts, clock)
        except Unreachable as error:
            held, now_s = self._held, clock.now_s()
            if held is None or now_s >= held.until_s:
                self._held = None
                return str(error)
            self._refresh_s = min(now_s + AGAIN_S, held.until_s)
            return held
        self._held = token
        self._refresh_s = token.until_s - min(EARLY_S, (token.until_s - began_s) / 4)
        return token
