"""Requests that their providers finish at the moment of sending."""

from __future__ import annotations

from msgspec.structs import replace

from tests.fixtures import TestClock
from tests.scripted import MESSAGE, Provider
from thriftgate.clock import Clock
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.finishing import FinishingTransport
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts, Transport

OUTGOING = Outgoing("POST", "http://x/v1/messages", (), b"{}")


class Stamp:
    """Writes the time on what it sends."""

    async def send(self, outgoing: Outgoing, timeouts: Timeouts, transport: Transport, clock: Clock) -> Incoming:
        stamp = (b"x-stamp", b"%d" % clock.now_s())
        return await transport.send(replace(outgoing, headers=(*outgoing.headers, stamp)), timeouts)


async def test_each_try_is_finished_anew() -> None:
    provider, clock = Provider(), TestClock()
    transport = FinishingTransport(AsgiTransport(provider), clock)
    stamps = []
    for _ in range(2):
        incoming = await transport.send(replace(OUTGOING, finish=Stamp()), Timeouts())
        assert await incoming.read() == MESSAGE
        stamps.append(dict(provider.headers[-1])[b"x-stamp"])
        clock.advance(5)
    assert int(stamps[1]) - int(stamps[0]) == 5
    await transport.close()


async def test_what_needs_no_finish_goes_as_it_is() -> None:
    provider = Provider()
    transport = FinishingTransport(AsgiTransport(provider), TestClock())
    assert await (await transport.send(OUTGOING, Timeouts())).read() == MESSAGE
    assert b"x-stamp" not in dict(provider.headers[-1])
