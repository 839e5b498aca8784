"""Sending and sending again: what is tried how often, and what is known of it afterwards."""

from __future__ import annotations

import pytest

from tests.fixtures import TestClock
from tests.scripted import MESSAGE, Provider, Say, say_error
from thriftgate.core.errors import Unreachable
from thriftgate.engine.retry import Attempts, RetryPolicy
from thriftgate.engine.sending import JITTER, Sender, Tries
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Incoming, Outgoing, Timeouts

OUTGOING = Outgoing("POST", "http://x/v1/messages", (), b"{}")


def no_jitter() -> float:
    return 0.0


class Absent:
    """A transport that reaches nobody for `times` calls, then leads to `provider`."""

    def __init__(self, times: int, provider: Provider) -> None:
        self.left = times
        self.behind = AsgiTransport(provider)

    async def send(self, outgoing: Outgoing, timeouts: Timeouts) -> Incoming:
        if self.left:
            self.left -= 1
            raise Unreachable("nobody there")
        return await self.behind.send(outgoing, timeouts)

    async def close(self) -> None:
        await self.behind.close()


async def test_a_success_is_handed_back_unread() -> None:
    tries = Tries()
    sender = Sender(AsgiTransport(Provider()), TestClock(), Timeouts(), RetryPolicy(), no_jitter)
    sent = await sender.send(OUTGOING, Attempts(3, 3), tries)
    assert (sent.incoming.status, sent.other_body, await sent.incoming.read()) == (200, None, MESSAGE)
    assert (tries.n, tries.in_flight, tries.limited) == (1, True, False)


async def test_a_rate_limit_in_the_way_is_remembered_even_when_it_passes() -> None:
    clock, tries = TestClock(), Tries()
    provider = Provider(say_error(429, "rate_limit_error", ("retry-after", "2")), Say())
    sender = Sender(AsgiTransport(provider), clock, Timeouts(), RetryPolicy(), no_jitter)
    sent = await sender.send(OUTGOING, Attempts(3, 3), tries)
    assert sent.incoming.status == 200
    assert (tries.n, tries.limited, clock.slept) == (2, True, [2.0])


async def test_the_last_error_is_handed_back_read() -> None:
    tries = Tries()
    said = say_error(500, "api_error")
    sender = Sender(AsgiTransport(Provider(said)), TestClock(), Timeouts(), RetryPolicy(), no_jitter)
    sent = await sender.send(OUTGOING, Attempts(2, 3), tries)
    assert (sent.incoming.status, sent.other_body) == (500, said.pieces[0])
    assert (tries.n, tries.in_flight, tries.limited) == (2, False, False)


async def test_who_is_not_reached_is_tried_again() -> None:
    clock, tries = TestClock(), Tries()
    sender = Sender(Absent(2, Provider()), clock, Timeouts(), RetryPolicy(), no_jitter)
    sent = await sender.send(OUTGOING, Attempts(1, 3), tries)
    assert (sent.incoming.status, tries.n, clock.slept) == (200, 3, [0.1, 0.2])
    tries = Tries()
    sender = Sender(Absent(1, Provider()), clock, Timeouts(), RetryPolicy(), no_jitter)
    with pytest.raises(Unreachable):
        await sender.send(OUTGOING, Attempts(3, 1), tries)
    assert (tries.n, tries.in_flight) == (1, False)


async def test_waits_are_drawn_out_so_that_calls_do_not_come_back_together() -> None:
    clock, tries = TestClock(), Tries()
    provider = Provider(say_error(429, "rate_limit_error", ("retry-after", "2")), Say())
    sender = Sender(AsgiTransport(provider), clock, Timeouts(), RetryPolicy(), lambda: 0.5)
    await sender.send(OUTGOING, Attempts(3, 3), tries)
    assert clock.slept == [2.0 * (1 + JITTER / 2)]
