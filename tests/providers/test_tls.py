"""TLS towards providers: an authority of one's own, and a certificate to show, by both transports."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from tests.certificates import Authority, serving_tls
from tests.providers.test_http1_transport import asking
from tests.scripted import raw_answer
from thriftgate.core.errors import BrokenReply, ConfigError, Unreachable
from thriftgate.engine.build import transport_of
from thriftgate.providers.tls import client_context
from thriftgate.providers.transport import Timeouts
from thriftgate.settings import Upstream


@contextlib.asynccontextmanager
async def server(context: ssl.SSLContext) -> AsyncIterator[str]:
    """Says hello to whoever comes in."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(raw_answer(b"hello", headers=["connection: close"]))
            await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://localhost:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()


async def said(url: str, **members: str) -> bytes:
    transport = transport_of(Upstream.model_validate(members))
    try:
        incoming = await transport.send(asking(url), Timeouts(5.0, 5.0))
        return await incoming.read()
    finally:
        await transport.close()


@pytest.mark.parametrize("kind", ["http1", "aiohttp"])
async def test_an_authority_of_ones_own(kind: str, tmp_path: Path) -> None:
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    async with server(serving_tls(ours.pair("upstream"))) as url:
        assert await said(url, transport=kind, ca_file=ours.file) == b"hello"
        for wrong in ({}, {"ca_file": other.file}):
            with pytest.raises(Unreachable, match="certificate verify failed"):
                await said(url, transport=kind, **wrong)


@pytest.mark.parametrize("kind", ["http1", "aiohttp"])
async def test_a_certificate_to_show(kind: str, tmp_path: Path) -> None:
    ours, other = Authority(tmp_path, "ours"), Authority(tmp_path, "other")
    mine, strange = ours.pair("mine", client=True), other.pair("strange", client=True)
    async with server(serving_tls(ours.pair("upstream"), ours)) as url:
        shown = {"client_cert": mine.cert, "client_key": mine.key}
        assert await said(url, transport=kind, ca_file=ours.file, **shown) == b"hello"
        for wrong in ({}, {"client_cert": strange.cert, "client_key": strange.key}):
            with pytest.raises((BrokenReply, Unreachable)):
                await said(url, transport=kind, ca_file=ours.file, **wrong)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    ours = Authority(tmp_path, "ours")
    mine, second = ours.pair("mine", client=True), ours.pair("second", client=True)
    locked, broken = tmp_path / "locked.pem", tmp_path / "broken.pem"
    key = serialization.load_pem_private_key(Path(mine.key).read_bytes(), None)
    secret = serialization.BestAvailableEncryption(b"a password")
    kind = serialization.PrivateFormat.PKCS8
    locked.write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, secret))
    broken.write_text("-----BEGIN CERTIFICATE-----\nxxxx\n-----END CERTIFICATE-----\n")
    for files, words in (
        (
            ("", mine.cert, second.key),
            "upstream.client_key: .*second.*: the key does not belong to the certificate",
        ),
        (("", mine.cert, str(locked)), "upstream.client_key: .*locked.pem holds a key under a password"),
        (("", mine.cert, mine.cert), "upstream.client_key: .*mine.cert.pem holds no private key in PEM"),
        (("", str(broken), mine.key), "upstream.client_cert: .*broken.pem cannot be used: "),
        (("", "", mine.key), "upstream.client_key: there is no upstream.client_cert"),
        ((str(broken), "", ""), "upstream.ca_file: .*broken.pem holds no certificates in PEM that can be used"),
    ):
        with pytest.raises(ConfigError, match=words):
            client_context(*files)
    assert client_context("", "", "") is None
