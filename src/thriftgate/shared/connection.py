"""One connection that speaks RESP2, as much of it as scripts need: commands out, one reply each, in their order.

Why not redis-py: a command is 85 to 110 us of CPU there, 33 by its low-level connection, 8 here (docs/adr/0035). Protocol:
redis.io/docs/latest/develop/reference/protocol-spec, 2026-11; Valkey's is the same.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

from thriftgate.shared.address import Address

REPLY_BYTES_MAX = 64 * 1024 * 1024
_END = b"\r\n"


class RedisError(Exception):
    """What the server says is wrong. `code` is its first word, such as MOVED."""

    @property
    def code(self) -> str:
        return str(self).partition(" ")[0]


Value = bytes | int | None | list[bytes]
Heard = Callable[[Value | RedisError], None]


class Dropped(Protocol):
    """Told once that the connection is no more."""

    def __call__(self) -> None: ...


class Connection(asyncio.Protocol):
    """Made by `connect`. `dropped` is told of its end, unless `close` has ended it."""

    def __init__(self, dropped: Dropped) -> None:
        self._dropped: Dropped | None = dropped
        self._transport: asyncio.Transport | None = None
        self._heard: deque[Heard] = deque()
        self._buffer = b""

    def send(self, parts: list[bytes], heard: Heard) -> None:
        """Write a command. `heard` is told its reply, if one comes."""
        if self._transport is None:
            return
        self._heard.append(heard)
        self._transport.write(written(parts))

    def close(self) -> None:
        """At once; nobody is told anything more."""
        self._dropped = None
        self._heard.clear()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        at = 0
        try:
            while self._heard and (found := _read(buffer, at)) is not None:
                value, at = found
                self._heard.popleft()(value)
        except ValueError:
            self._end()
            return
        self._buffer = buffer[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._end()

    def _end(self) -> None:
        dropped = self._dropped
        self.close()
        if dropped is not None:
            dropped()


async def connect(address: Address, timeout_s: float, dropped: Dropped) -> Connection:
    """Connect and say who we are. Raises OSError (TimeoutError is one) and RedisError."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(timeout_s):
        _, connection = await loop.create_connection(
            lambda: Connection(dropped),
            address.host,
            address.port,
            ssl=address.tls,
            server_hostname=address.host if address.tls else None,
        )
        try:
            if address.credentials:
                await ask(connection, [b"AUTH", *(one.encode() for one in address.credentials)])
            if address.database:
                await ask(connection, [b"SELECT", b"%d" % address.database])
            await ask(connection, [b"CLIENT", b"SETNAME", b"thriftgate"])
        except BaseException:
            connection.close()
            raise
    return connection


async def ask(connection: Connection, parts: list[bytes]) -> Value:
    """One command and its reply. Raises RedisError."""
    future: asyncio.Future[Value] = asyncio.get_running_loop().create_future()

    def heard(value: Value | RedisError) -> None:
        if future.done():
            return
        if isinstance(value, RedisError):
            future.set_exception(value)
        else:
            future.set_result(value)

    connection.send(parts, heard)
    return await future


def written(parts: list[bytes]) -> bytes:
    """A command as it goes out: an array of bulk strings."""
    pieces = [b"*%d\r\n" % len(parts)]
    for part in parts:
        pieces += (b"$%d\r\n" % len(part), part, _END)
    return b"".join(pieces)


def _read(data: bytes, at: int) -> tuple[Value | RedisError, int] | None:  # noqa: PLR0911  one for each kind of reply
    """The reply that begins there and where it ends; None where it is not all there. Raises ValueError for what is none."""
    end = data.find(_END, at)
    if end < 0:
        return None
    kind, word, after = data[at : at + 1], data[at + 1 : end], end + 2
    if kind == b"$":
        size = int(word)
        if size < 0:
            return None if size < -1 else (None, after)
        if size > REPLY_BYTES_MAX:
            raise ValueError("a reply is too long")
        return (data[after : after + size], after + size + 2) if len(data) >= after + size + 2 else None
    if kind == b"*":
        return _read_list(data, after, int(word))
    if kind == b"+":
        return word, after
    if kind == b":":
        return int(word), after
    if kind == b"-":
        return RedisError(word.decode(errors="replace")), after
    raise ValueError("no reply that a script gives")


def _read_list(data: bytes, at: int, count: int) -> tuple[list[bytes], int] | None:
    """So many bulk strings, and where they end."""
    values: list[bytes] = []
    for _ in range(count):
        found = _read(data, at)
        if found is None:
            return None
        value, at = found
        if not isinstance(value, bytes):
            raise ValueError("a list of anything but bytes is no reply of a script of ours")  # noqa: TRY004  the data is wrong
        values.append(value)
    return values, at
