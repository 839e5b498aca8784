"""A streamed answer on its way to the client, with an ear on it: once it was whole, it is the answer to calls like it."""

from __future__ import annotations

from collections.abc import Callable

from thriftgate.engine.call import Reply
from thriftgate.providers.transport import Headers


class ListeningReply:
    """See `call.Reply`. `whole` is told the bytes of a stream that came to its end, None where they are too many; `broken`
    that it did not, or that the client has left it. One of them is called, once."""

    def __init__(
        self, reply: Reply, bytes_max: int, *, whole: Callable[[bytes | None], None], broken: Callable[[], None]
    ) -> None:
        self._reply = reply
        self._left = bytes_max
        self._whole = whole
        self._broken = broken
        self._pieces: list[bytes] = []
        self._over = False

    @property
    def status(self) -> int:
        return self._reply.status

    @property
    def headers(self) -> Headers:
        return self._reply.headers

    @property
    def body(self) -> bytes | None:
        return self._reply.body

    async def read(self) -> bytes:
        try:
            piece = await self._reply.read()
        except BaseException:
            self._end(self._broken)
            raise
        self._left -= len(piece)
        if self._left >= 0:
            self._pieces.append(piece)
        else:
            self._pieces.clear()
        if not piece or self._reply.ended:
            heard = b"".join(self._pieces) if self._left >= 0 else None
            self._end(lambda: self._whole(heard))
        return piece

    @property
    def ended(self) -> bool:
        return self._reply.ended

    async def leave(self) -> None:
        self._end(self._broken)
        await self._reply.leave()

    def _end(self, tell: Callable[[], None]) -> None:
        if not self._over:
            self._over = True
            self._pieces = []
            tell()
