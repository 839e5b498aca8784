"""The results of a batch on their way to the client: bytes as they come, while a copy goes into the books."""

from __future__ import annotations

from typing import Protocol

from thriftgate.engine.reply import forwarded
from thriftgate.providers.transport import Incoming
from thriftgate.wire.anthropic_batches import whole_lines

LINES = 100  # booked together: some 7 ms in which no other call gets its turn


class Shelf(Protocol):
    """Where lines of results are booked."""

    async def book(self, lines: list[bytes]) -> None: ...

    async def finish(self, count: int) -> None:
        """There were so many lines, and there are no more."""

    def leave(self) -> None:
        """Whoever read them is gone, at the end or before."""


class ResultsReply:
    """A `Reply`. Each piece goes out when the next has come; the last one when all lines are booked, so that results which a
    client has received whole are in the ledger. Without a shelf nothing is booked. Raises what the shelf raises."""

    body: bytes | None = None

    def __init__(self, incoming: Incoming, shelf: Shelf | None) -> None:
        self.status = incoming.status
        self.headers = forwarded(incoming.headers)
        self._incoming = incoming
        self._source = incoming.chunks()
        self._shelf = shelf
        self._held = b""
        self._rest = b""
        self._page: list[bytes] = []
        self._count = 0
        self._left = False

    async def read(self) -> bytes:
        """The next piece, b"" at the end. Raises UpstreamError when it breaks off."""
        while chunk := await anext(self._source, b""):
            await self._look_at(chunk)
            held, self._held = self._held, chunk
            if held:
                return held
        await self._finish()
        held, self._held = self._held, b""
        return held

    @property
    def ended(self) -> bool:
        return self._left

    async def leave(self) -> None:
        """What is booked is booked; what is not is fetched later."""
        self._incoming.close()
        if self._shelf is not None and not self._left:
            self._shelf.leave()
        self._left = True

    async def _look_at(self, chunk: bytes) -> None:
        if self._shelf is None:
            return
        lines, self._rest = whole_lines(self._rest, chunk)
        self._page += lines
        while len(self._page) >= LINES:
            await self._book(self._page[:LINES])
            self._page = self._page[LINES:]

    async def _finish(self) -> None:
        if self._shelf is None or self._left:
            return
        last = [self._rest] if self._rest.strip() else []
        if self._page or last:
            await self._book([*self._page, *last])
        self._page, self._rest = [], b""
        await self._shelf.finish(self._count)
        await self.leave()

    async def _book(self, lines: list[bytes]) -> None:
        if self._shelf is not None:
            await self._shelf.book(lines)
            self._count += len(lines)
