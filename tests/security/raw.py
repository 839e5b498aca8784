"""Requests as bytes on a socket: what no client library would send."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from tests.fixtures import PATIENCE_S, message

BODY = msgspec.json.encode(message())
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
HOST = b"host: gateway.example"
TE = b"transfer-encoding: chunked"
POST = b"POST /v1/messages HTTP/1.1"
_STATUS = re.compile(rb"HTTP/1\.1 (\d+) [^\r]*\r\n")


class Said(NamedTuple):
    """What came back until the connection was closed, or nothing came any more: the statuses of all answers."""

    statuses: list[int]
    body: bytes
    closed: bool


def request(line: bytes = POST, *headers: bytes, body: bytes = BODY, sized: bool = True, host: bool = True) -> bytes:
    """A request with these headers besides those of every call."""
    told = [*([HOST] if host else []), *headers, b"anthropic-version: 2023-06-01", b"content-type: application/json"]
    if sized:
        told.append(b"content-length: %d" % len(body))
    return b"\r\n".join([line, *told, b"", b""]) + body


async def say(url: str, *pieces: bytes, answers: int = 1, patience_s: float = PATIENCE_S) -> Said:
    """Send pieces, each by itself, and read until so many answers are whole or the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    got, closed = b"", False
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01 if len(pieces) > 1 else 0)
        async with asyncio.timeout(patience_s):
            while not closed and _whole(got) < answers:
                piece = await reader.read(65_536)
                got, closed = got + piece, not piece
    except (TimeoutError, ConnectionError) as error:
        closed = closed or isinstance(error, ConnectionError)
    finally:
        writer.close()
    return Said([int(one) for one in _STATUS.findall(got)], got.rpartition(b"\r\n\r\n")[2], closed)


def _whole(got: bytes) -> int:
    """How many answers have come to their ends, all of a known length."""
    count = 0
    while (head := re.match(rb"HTTP/1\.1 (\d+).*?\r\n\r\n", got, re.DOTALL)) is not None:
        length = re.search(rb"content-length: (\d+)", head[0])
        end = head.end() + (int(length[1]) if length else 0)
        if len(got) < end:
            break
        count += head[1] != b"100"
        got = got[end:]
    return count


def rows_of(page: str, heading: str) -> Sequence[tuple[str, str]]:
    """The first and the last cell of each row of the table below a heading."""
    part = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("|")]
    return [(cells[0].strip(), cells[-1].strip()) for cells in lines[2:]]
