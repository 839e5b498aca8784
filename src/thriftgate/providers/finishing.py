"""A transport that lets providers finish their own requests (`transport.Finish`)."""

from __future__ import annotations

from thriftgate.clock import Clock
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts, Transport


class FinishingTransport:
    """See `transport.Transport`; sends by another one."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self.behind = transport
        self._clock = clock

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
        finish = outgoing.finish
        if finish is None:
            return await self.behind.send(outgoing, timeouts)
        return await finish.send(outgoing, timeouts, self.behind, self._clock)

    async def close(self) -> None:
        await self.behind.close()
