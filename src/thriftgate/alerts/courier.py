"""Brings notices to one sink: waits a little for others to come with them, keeps to a rate, tries again, gives up aloud.

A try is put down before it is made. Killed in between, or after a receiver has taken it and before that is put down, the
message is sent again under the same id: at least once, and told apart.
"""

from __future__ import annotations

import asyncio

from msgspec import Struct

from thriftgate.alerts.sinks.sink import Sink, Undelivered
from thriftgate.clock import Clock
from thriftgate.core.alerting.message import text_of
from thriftgate.ledger.alerts import AlertBook
from thriftgate.logs import log

WAITS_S = (15.0, 60.0, 300.0, 1800.0, 7200.0, 21600.0)  # before the second try and so on; then it is given up
_LEASE_S = 120.0  # longer than any try takes
_WHOLE_S = 60.0
_HOUR_US = 3_600_000_000


class Manners(Struct, frozen=True):
    """How a sink likes it: seconds that a message waits for others, how many at once become a digest, messages an hour."""

    gather_s: float = 10.0
    digest_over: int = 5
    per_hour: int = 30


class Courier:
    """Of one sink."""

    def __init__(
        self, name: str, sink: Sink, book: AlertBook, clock: Clock, manners: Manners, *, public_url: str = ""
    ) -> None:
        self.name = name
        self._sink = sink
        self._book = book
        self._clock = clock
        self._manners = manners
        self._public_url = public_url

    async def send_due(self) -> float | None:
        """Send what is due. Returns the seconds until more may be; None: nothing waits."""
        while True:
            now_us = self._now_us()
            wait_us = await self._full_for_us(now_us)
            if wait_us:
                return wait_us / 1e6 if await self._book.next_due(self.name) is not None else None
            message = await self._book.take_up(
                self.name,
                now_us,
                gathered_us=now_us - int(self._manners.gather_s * 1e6),
                digest_over=self._manners.digest_over,
                lease_us=int(_LEASE_S * 1e6),
            )
            if message is None:
                due_us = await self._book.next_due(self.name)
                return None if due_us is None else max(1.0, (due_us - now_us) / 1e6)
            try:
                async with asyncio.timeout(_WHOLE_S):
                    await self._sink.send(message, text_of(message, self._public_url))
            except (Undelivered, TimeoutError) as error:
                await self._failed(message.id, message.tries, str(error) or "no end of it")
            except Exception as error:  # noqa: BLE001  one sink's fault must not end the telling; its words can hold secrets
                await self._failed(message.id, message.tries, type(error).__name__)
            else:
                await self._book.sent(message.id, self._now_us())

    async def _failed(self, message: str, tries: int, error: str) -> None:
        given_up = tries > len(WAITS_S)
        tell = log.error if given_up else log.warning
        tell("alert given up" if given_up else "alert not delivered", sink=self.name, message=message, error=error)
        again_us = 0 if given_up else self._now_us() + int(WAITS_S[tries - 1] * 1e6)
        await self._book.failed(message, error, again_us)

    async def _full_for_us(self, now_us: int) -> int:
        """How long nothing more may be sent (microseconds)."""
        sent = await self._book.sent_since(self.name, now_us - _HOUR_US)
        recent = [one for one in sent if one <= now_us]  # a clock that was put back
        if len(recent) < self._manners.per_hour:
            return 0
        return recent[-self._manners.per_hour] + _HOUR_US - now_us

    def _now_us(self) -> int:
        return int(self._clock.now_s() * 1e6)
