"""An ear on a stream: it hears what the client hears, and tells how that ended, once."""

from __future__ import annotations

import pytest

from thriftgate.core.errors import BrokenReply
from thriftgate.engine.reusing.listening import ListeningReply


class Stream:
    """A reply that gives these pieces, then its end; an error is raised."""

    status, headers, body = 200, ((b"a", b"b"),), None

    def __init__(self, *pieces: bytes | Exception, sure: bool = False) -> None:
        self.pieces = list(pieces)
        self.sure = sure
        self.left = False

    async def read(self) -> bytes:
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    @property
    def ended(self) -> bool:
        return self.sure and not self.pieces

    async def leave(self) -> None:
        self.left = True


def listening(stream: Stream, bytes_max: int = 100) -> tuple[ListeningReply, list[object]]:
    heard: list[object] = []
    return ListeningReply(stream, bytes_max, whole=heard.append, broken=lambda: heard.append("broken")), heard


@pytest.mark.parametrize("sure", [True, False])
async def test_a_whole_stream(sure: bool) -> None:
    stream = Stream(b"one ", b"two", sure=sure)
    reply, heard = listening(stream)
    assert (reply.status, reply.headers, reply.body) == (200, ((b"a", b"b"),), None)
    got = [await reply.read(), await reply.read()]
    assert (got, reply.ended) == ([b"one ", b"two"], sure)
    if not sure:
        assert heard == []
        assert await reply.read() == b""
    assert heard == [b"one two"]
    await reply.leave()
    assert (heard, stream.left) == ([b"one two"], True)


async def test_one_that_breaks_off_or_is_left() -> None:
    reply, heard = listening(Stream(b"one", BrokenReply("cut")))
    await reply.read()
    with pytest.raises(BrokenReply):
        await reply.read()
    await reply.leave()
    assert heard == ["broken"]
    reply, heard = listening(Stream(b"one", b"two"))
    await reply.read()
    await reply.leave()
    assert heard == ["broken"]


async def test_one_that_is_too_long_to_keep() -> None:
    reply, heard = listening(Stream(b"12345", b"67890", b"1"), bytes_max=10)
    assert [await reply.read() for _ in range(4)] == [b"12345", b"67890", b"1", b""]
    assert heard == [None]
