"""A reply that is complete behaves like a stream that has ended."""

from __future__ import annotations

from thriftgate.engine.call import Reply, WholeReply


async def test_a_whole_reply_has_nothing_left_to_read_or_to_leave() -> None:
    reply: Reply = WholeReply(200, ((b"a", b"1"),), b"body")
    assert (reply.status, reply.headers, reply.body) == (200, ((b"a", b"1"),), b"body")
    assert await reply.read() == b""
    await reply.leave()
