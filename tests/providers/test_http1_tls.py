"""TLS by our own HTTP/1.1 client: a certificate made here, trusted and not."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fixtures import until
from tests.providers.test_aiohttp_transport import pooled
from tests.providers.test_http1_transport import QUICK, asking, transport
from tests.scripted import raw_answer
from thriftgate.core.errors import BrokenReply, Unreachable
from thriftgate.providers.file_slices import SLICE_BYTES
from thriftgate.providers.http1_transport import Http1Transport
from thriftgate.providers.transport import FileBody, Outgoing, Timeouts

__all__ = ["transport"]  # the fixture


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for localhost, signed by itself, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command to make a certificate with")
    path = tmp_path_factory.mktemp("tls")
    key, made = path / "key.pem", path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    both = path / "both.pem"
    both.write_bytes(key.read_bytes() + made.read_bytes())
    return both


@contextlib.asynccontextmanager
async def tls_server(certificate: Path, *, answer: bytes = b"") -> AsyncIterator[str]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    open_now = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_now.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0] or 0)
                body = await reader.readexactly(length)
                writer.write(answer or raw_answer(b"%d" % len(body)))
                if answer:
                    break
        writer.close()
        open_now.discard(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context, family=socket.AF_INET)
    try:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()

        async def left() -> bool:
            return not open_now

        if open_now:
            for writer in list(open_now):
                writer.transport.abort()
            await until(left)


async def test_tls_that_is_trusted(certificate: Path) -> None:
    transport = Http1Transport(ssl_context=ssl.create_default_context(cafile=str(certificate)))
    async with tls_server(certificate) as url:
        for size in (0, 10, 100_000, 5_000_000):
            incoming = await transport.send(asking(url, body=b"x" * size), Timeouts(read_s=10))
            assert await incoming.read() == b"%d" % size
        assert len(transport._connections) == pooled(transport) == 1
        with pytest.raises(Unreachable, match="certificate"):  # the name is not the certificate's
            await transport.send(asking(url.replace("localhost", "127.0.0.1")), Timeouts())
        await transport.close()


async def test_a_file_under_tls_is_not_held(certificate: Path, tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(bytes(range(256)) * 80_000)
    body = FileBody(path, path.stat().st_size)
    transport = Http1Transport(ssl_context=ssl.create_default_context(cafile=str(certificate)))
    written: list[int] = []
    async with tls_server(certificate) as url:
        sending = asyncio.ensure_future(transport.send(Outgoing("POST", url, (), body), Timeouts(read_s=10)))
        while not sending.done():
            await asyncio.sleep(0)
            written += [connection._transport.get_write_buffer_size() for connection in transport._connections]
        assert await (await sending).read() == b"%d" % body.length
        assert pooled(transport) == 1
        await transport.close()
    assert max(written) < 4 * SLICE_BYTES


async def test_tls_that_is_not_trusted_is_unreachable(certificate: Path, transport: Http1Transport) -> None:
    async with tls_server(certificate) as url:
        with pytest.raises(Unreachable, match="certificate verify failed"):
            await transport.send(asking(url), Timeouts())
        assert not transport._connections


async def test_a_body_cut_off_under_tls_is_a_broken_reply(certificate: Path) -> None:
    transport = Http1Transport(ssl_context=ssl.create_default_context(cafile=str(certificate)))
    async with tls_server(certificate, answer=b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello") as url:
        incoming = await transport.send(asking(url), QUICK)
        with pytest.raises(BrokenReply):
            await incoming.read()
        await transport.close()


async def test_a_handshake_that_stalls_is_unreachable(transport: Http1Transport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"https://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(Unreachable, match=r"no connection within 0\.3 s"):
            await transport.send(asking(url), QUICK)
        task = asyncio.ensure_future(transport.send(asking(url), Timeouts()))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
