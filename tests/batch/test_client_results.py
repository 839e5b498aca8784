"""Results on their way to a client: every byte as it came, the last of them when all lines are booked."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.batch.client_results import LINES, ResultsReply
from thriftgate.core.errors import BrokenReply, LedgerError
from thriftgate.providers.transport import Headers


class Source:
    """An answer that comes in these pieces; `fails` at their end."""

    status = 200
    headers: Headers = ((b"content-type", b"application/x-jsonl"), (b"connection", b"close"), (b"x-new", b"1"))

    def __init__(self, pieces: list[bytes], *, fails: bool = False) -> None:
        self.pieces = pieces
        self.fails = fails
        self.closed = False

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece
        if self.fails:
            raise BrokenReply("it broke off")

    async def read(self) -> bytes:
        return b"".join(self.pieces)

    def at_end(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True


class Books:
    """A shelf that says what was put on it, and when."""

    def __init__(self, *, broken: bool = False) -> None:
        self.booked: list[bytes] = []
        self.pages: list[int] = []
        self.finished: list[int] = []
        self.left = 0
        self.broken = broken

    async def book(self, lines: list[bytes]) -> None:
        if self.broken:
            raise LedgerError("no space left")
        self.booked += lines
        self.pages.append(len(lines))

    async def finish(self, count: int) -> None:
        self.finished.append(count)

    def leave(self) -> None:
        self.left += 1


@given(
    lines=st.lists(st.binary(min_size=1, max_size=9).map(lambda b: b.hex().encode()), max_size=30), size=st.integers(1, 50)
)
async def test_however_it_is_cut(lines: list[bytes], size: int) -> None:
    data = b"".join(line + b"\n" for line in lines)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    source, books, got = Source(pieces), Books(), []
    reply = ResultsReply(source, books)
    while piece := await reply.read():
        got.append(piece)
        assert books.finished or len(got) < len(pieces)  # the last piece waits
    await reply.leave()
    assert got == pieces
    assert books.booked == lines
    assert (books.finished, books.left, source.closed) == ([len(lines)], 1, True)


async def test_a_last_line_without_its_end() -> None:
    books = Books()
    reply = ResultsReply(Source([b"a\nb"]), books)
    assert await reply.read() == b"a\nb"
    assert await reply.read() == b""
    assert books.booked == [b"a", b"b"]


async def test_booked_page_by_page() -> None:
    books = Books()
    reply = ResultsReply(Source([b"x\n" * (3 * LINES), b"y\n"]), books)
    await reply.read()
    assert books.pages == [LINES] * 3
    await reply.read()
    assert books.pages == [LINES] * 3 + [1]


async def test_a_client_that_leaves() -> None:
    source, books = Source([b"a\n", b"b\n", b"c\n"]), Books()
    reply = ResultsReply(source, books)
    assert await reply.read() == b"a\n"
    await reply.leave()
    await reply.leave()
    assert (books.finished, books.left, source.closed) == ([], 1, True)


async def test_what_breaks_off_is_not_whole() -> None:
    books = Books()
    reply = ResultsReply(Source([b"a\n"], fails=True), books)
    with pytest.raises(BrokenReply):
        await reply.read()
    assert not books.finished


async def test_what_cannot_be_booked_is_withheld() -> None:
    reply = ResultsReply(Source([b"a\n"]), Books(broken=True))
    with pytest.raises(LedgerError):
        await reply.read()


async def test_without_a_shelf_it_only_passes() -> None:
    reply = ResultsReply(Source([b"a", b"b"]), None)
    assert [await reply.read(), await reply.read(), await reply.read()] == [b"a", b"b", b""]
    assert reply.headers == ((b"content-type", b"application/x-jsonl"), (b"x-new", b"1"))
    await reply.leave()
