"""The protocol: commands out, replies in, cut anywhere; a real server with a password and with TLS."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from tests.providers.test_http1_tls import certificate as pem
from tests.servers import _free_port, redis_server
from thriftgate.shared.address import read_address
from thriftgate.shared.connection import Connection, RedisError, ask, connect, written

__all__ = ["pem"]  # the fixture

REPLIES: list[tuple[bytes, Any]] = [
    (b"+OK\r\n", b"OK"),
    (b":-12\r\n", -12),
    (b"$-1\r\n", None),
    (b"$0\r\n\r\n", b""),
    (b"$4\r\na\r\nb\r\n", b"a\r\nb"),
    (b"*2\r\n$1\r\nx\r\n$2\r\nyz\r\n", [b"x", b"yz"]),
    (b"*0\r\n", []),
    (b"-MOVED 12 host:7\r\n", "MOVED 12 host:7"),
]


@given(st.lists(st.sampled_from(REPLIES), max_size=8), st.lists(st.integers(1, 60), max_size=12))
def test_replies_are_read_however_they_are_cut(replies: list[tuple[bytes, Any]], cuts: list[int]) -> None:
    heard: list[Any] = []
    ended: list[bool] = []
    connection = Connection(lambda: ended.append(True))
    connection._transport = _Nowhere()  # type: ignore[assignment]
    for _ in replies:
        connection.send([b"PING"], heard.append)
    data = b"".join(one for one, _ in replies)
    for cut in cuts:
        connection.data_received(data[:cut])
        data = data[cut:]
    connection.data_received(data)
    assert [str(one) if isinstance(one, RedisError) else one for one in heard] == [value for _, value in replies]
    assert not ended


@pytest.mark.parametrize("data", [b"?\r\n", b"$x\r\n", b"$99999999999\r\n", b"*1\r\n:1\r\n"])
def test_what_is_no_reply_ends_the_connection(data: bytes) -> None:
    ended: list[bool] = []
    connection = Connection(lambda: ended.append(True))
    connection._transport = _Nowhere()  # type: ignore[assignment]
    connection.send([b"PING"], lambda _: None)
    connection.data_received(data)
    assert ended == [True]


class _Nowhere:
    def write(self, data: bytes) -> None: ...

    def abort(self) -> None: ...


def test_a_command_is_an_array_of_bulk_strings() -> None:
    assert written([b"SET", b"k", b""]) == b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n"


async def test_a_password_is_given_and_a_wrong_one_told() -> None:
    with redis_server() as server, Redis.from_url(server.url) as client:
        client.config_set("requirepass", "hunter2")
        right = read_address(server.url.replace("redis://", "redis://:hunter2@").replace("/0", "/5"))
        connection = await connect(right, 5.0, lambda: None)
        assert await ask(connection, [b"SET", b"k", b"v"]) == b"OK"
        connection.close()
        for url in (server.url, server.url.replace("redis://", "redis://:wrong@")):
            with pytest.raises(RedisError, match=r"NOAUTH|WRONGPASS"):
                await connect(read_address(url), 5.0, lambda: None)


@pytest.fixture
def certificate(pem: Path) -> Iterator[Path]:
    """Where a server that runs as somebody else can read it."""
    folder = Path(tempfile.mkdtemp(prefix="tg-"))
    folder.chmod(0o755)
    readable = folder / "both.pem"
    shutil.copy(pem, readable)
    readable.chmod(0o644)
    yield readable
    shutil.rmtree(folder)


async def test_tls_is_spoken_and_a_strange_certificate_refused(certificate: Path) -> None:
    port, made = _free_port(), str(certificate)
    tls = ("--tls-port", str(port), "--tls-cert-file", made, "--tls-key-file", made, "--tls-auth-clients", "no")
    with redis_server(*tls, "--tls-ca-cert-file", made):
        url = f"rediss://localhost:{port}"
        connection = await connect(read_address(url, made), 5.0, lambda: None)
        assert await ask(connection, [b"PING"]) == b"PONG"
        connection.close()
        with pytest.raises(OSError, match="certificate verify failed"):
            await connect(read_address(url), 5.0, lambda: None)


async def test_its_end_is_told_once() -> None:
    ended = asyncio.Event()
    with redis_server() as server:
        connection = await connect(read_address(server.url), 5.0, ended.set)
    async with asyncio.timeout(5.0):
        await ended.wait()
    connection.close()
