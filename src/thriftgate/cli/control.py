"""What a supervisor and its workers say to each other, over a pair of sockets that is theirs alone.

The supervisor begins with an `Order`; the worker answers `Up` once it accepts connections, or `Down` with the reason why it
cannot. After that the supervisor may say `Retire`: another worker has taken over. A pair that is closed means to either side
that the other is gone, whatever way it ended.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import msgspec
from msgspec import Struct

_HEAD = struct.Struct("!I")


class Order(Struct, frozen=True, tag=True):
    """What a worker is to do: serve with these settings, on this inherited socket."""

    document: dict[str, Any]
    listening: int


class Up(Struct, frozen=True, tag=True):
    """Connections are accepted; `notes` are for people."""

    url: str
    notes: tuple[str, ...]


class Down(Struct, frozen=True, tag=True):
    """It cannot serve: why."""

    why: str


class Retire(Struct, frozen=True, tag=True):
    """Another worker has taken over: end in order, as soon as what runs is through."""


Said = Order | Up | Down | Retire


_DECODER = msgspec.json.Decoder(Said)


def frame(said: Said) -> bytes:
    """As it goes over the pair. Dates among the settings become words, which settings may be as well."""
    body = msgspec.json.encode(said)
    return _HEAD.pack(len(body)) + body


def take(pair: socket.socket) -> Said | None:
    """The next word, waiting for it; None where the other side is gone."""
    head = _exactly(pair, _HEAD.size)
    body = _exactly(pair, _HEAD.unpack(head)[0]) if head is not None else None
    return _DECODER.decode(body) if body is not None else None


async def hear(reader: asyncio.StreamReader) -> Said | None:
    """The same within an event loop."""
    try:
        head = await reader.readexactly(_HEAD.size)
        said: Said = _DECODER.decode(await reader.readexactly(_HEAD.unpack(head)[0]))
    except (asyncio.IncompleteReadError, OSError):
        return None
    return said


def _exactly(pair: socket.socket, length: int) -> bytes | None:
    pieces = bytearray()
    while len(pieces) < length:
        try:
            piece = pair.recv(length - len(pieces))
        except OSError:
            return None
        if not piece:
            return None
        pieces += piece
    return bytes(pieces)
