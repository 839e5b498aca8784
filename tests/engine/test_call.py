"""A reply that is complete behaves like a stream that has ended."""

from __future__ import annotations

from tests.fixtures import call_of, engine_on, message, simulator
from thriftgate.engine.call import Reply, WholeReply


async def test_a_whole_reply_has_nothing_left_to_read_or_to_leave() -> None:
    reply: Reply = WholeReply(200, ((b"a", b"1"),), b"body")
    assert (reply.status, reply.headers, reply.body) == (200, ((b"a", b"1"),), b"body")
    assert await reply.read() == b""
    await reply.leave()


async def test_a_call_is_booked_under_the_name_it_bears() -> None:
    """Where it is sent with another key than its caller's."""
    async with engine_on(simulator()) as engine:
        await engine.messages(call_of(message(), key="key_of_its_caller"))
        (entry,) = await engine.ledger.entries()
        assert entry.key == "key_of_its_caller"
