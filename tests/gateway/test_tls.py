"""TLS of the gateway on real sockets: certificates shown, wanted, wrong, and new while it runs."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.certificates import Authority, Pair, trusting
from tests.fixtures import HEADERS, PATIENCE_S, message, running, serving, settings_of, simulator
from tests.gateway.test_process import failed
from thriftgate.core.errors import ConfigError
from thriftgate.gateway.app import Gateway
from thriftgate.gateway.entrance import Entrance
from thriftgate.gateway.tls import ServerTls, server_tls


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture
def pair(authority: Authority) -> Pair:
    return authority.pair("gateway")


@contextlib.contextmanager
def gateway(pair: Pair, client_ca: str = "") -> Iterator[tuple[str, Entrance]]:
    server = {"tls_cert": pair.cert, "tls_key": pair.key, "tls_client_ca": client_ca}
    with serving(simulator()) as upstream:
        settings = settings_of(upstream={"url": upstream}, server=server)
        entrance = Entrance(settings.server)
        with serving(Gateway(settings), entrance) as url:
            yield url, entrance


async def call(url: str, context: ssl.SSLContext) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/v1/messages", json=message(stream=True), headers=HEADERS, ssl=context) as reply,
    ):
        assert b"message_stop" in await reply.read()
        return reply.status


def handshake(url: str, context: ssl.SSLContext, name: str | None = "localhost") -> bytes:
    """What the gateway shows (DER), once it has taken what the client shows: it answers."""
    with (
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as secured,
    ):
        secured.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert secured.recv(65_536).startswith(b"HTTP/1.1 200")
        return secured.getpeercert(binary_form=True) or b""


async def test_a_call_over_tls(authority: Authority, pair: Pair) -> None:
    with gateway(pair) as (url, _):
        assert url.startswith("https://")
        assert await call(url, trusting(authority)) == 200
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await call(url, ssl.create_default_context())
        with pytest.raises(aiohttp.ClientError):
            await call(url.replace("https", "http"), trusting(authority))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(("newest", "taken"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_the_versions_of_tls(newest: str, taken: bool, authority: Authority, pair: Pair) -> None:
    context = trusting(authority)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion[newest]
    with gateway(pair) as (url, _), contextlib.ExitStack() as stack:
        if not taken:
            stack.enter_context(pytest.raises((ssl.SSLError, ConnectionError)))
        handshake(url, context)


async def test_clients_must_show_a_certificate(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    good, bad = authority.pair("client", client=True), other.pair("stranger", client=True)
    with gateway(pair, authority.file) as (url, _):
        assert await call(url, trusting(authority, good)) == 200
        for shown in (None, bad, pair):  # none, one of another authority, and one that is no client's
            with pytest.raises((aiohttp.ClientError, ssl.SSLError, ConnectionError)):
                await call(url, trusting(authority, shown))
            with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
                handshake(url, trusting(authority, shown))


def test_new_certificates_while_it_runs(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    trusted = trusting(authority)
    with gateway(pair) as (url, entrance):
        first = handshake(url, trusted)
        fresh = authority.pair("fresh")
        shutil.copy(fresh.cert, pair.cert)
        with pytest.raises(ConfigError, match="the key does not belong to the certificate"):
            entrance.reload()
        assert handshake(url, trusted) == first  # what is half there changes nothing
        shutil.copy(fresh.key, pair.key)
        entrance.reload()
        second = handshake(url, trusted)
        assert second == ssl.PEM_cert_to_DER_cert(Path(fresh.cert).read_text()) != first
        nameless = trusting(authority)
        nameless.check_hostname = False
        assert handshake(url, nameless, None) == second  # also for a client that does not say whom it wants


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_authority_that_is_taken_away(version: ssl.TLSVersion, authority: Authority, pair: Pair, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    wanted = tmp_path / "clients.pem"
    shutil.copy(authority.file, wanted)
    old = trusting(authority, authority.pair("old", client=True))
    new = trusting(authority, other.pair("new", client=True))
    old.maximum_version = new.maximum_version = version
    with gateway(pair, str(wanted)) as (url, entrance):
        handshake(url, old)
        shutil.copy(other.file, wanted)
        entrance.reload()
        handshake(url, new)
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            handshake(url, old)


def test_files_that_cannot_be_used(authority: Authority, pair: Pair, tmp_path: Path) -> None:
    text, none = tmp_path / "text.pem", str(tmp_path / "none.pem")
    text.write_text("no certificate")
    wrong: list[tuple[Any, str]] = [
        ((none, pair.key, ""), "server.tls_cert: cannot read .*none.pem: No such file"),
        ((pair.cert, none, ""), "server.tls_key: cannot read .*none.pem: No such file"),
        ((str(tmp_path), pair.key, ""), "server.tls_cert: cannot read .*: Is a directory"),
        ((str(text), pair.key, ""), "server.tls_cert: .*text.pem holds no certificate in PEM"),
        ((pair.cert, "", ""), "server.tls_cert: .* holds no private key in PEM; server.tls_key names the file that does"),
        ((pair.cert, pair.key, none), "server.tls_client_ca: cannot read .*none.pem"),
        ((pair.cert, pair.key, str(text)), "server.tls_client_ca: .*text.pem holds no certificates in PEM"),
        (("", pair.key, ""), "server.tls_key: is set, and server.tls_cert is not"),
        (("", "", authority.file), "server.tls_client_ca: is set, and server.tls_cert is not"),
    ]
    for files, words in wrong:
        with pytest.raises(ConfigError, match=words):
            server_tls(*files)
    assert server_tls("", "", "") is None
    both = tmp_path / "both.pem"
    both.write_bytes(Path(pair.key).read_bytes() + Path(pair.cert).read_bytes())
    assert isinstance(server_tls(str(both), "", ""), ServerTls)


def test_the_process_serves_it_and_says_so(pair: Pair, authority: Authority, tmp_path: Path) -> None:
    config = tmp_path / "thriftgate.toml"
    config.write_text(f'[server]\ntls_cert = "{pair.cert}"\ntls_key = "{pair.key}"\n')
    arguments = ("--port", "0", "--upstream", "http://127.0.0.1:9", "--ledger", ":memory:", "--config", str(config))
    with running("serve", *arguments) as process:
        assert process.url.startswith("https://")
        first = handshake(process.url, trusting(authority))
        fresh = authority.pair("fresh")
        shutil.copy(fresh.cert, pair.cert)
        process.process.send_signal(signal.SIGHUP)
        assert handshake(process.url, trusting(authority)) == first
        shutil.copy(fresh.key, pair.key)
        process.process.send_signal(signal.SIGHUP)
        ends_s = time.monotonic() + PATIENCE_S
        while handshake(process.url, trusting(authority)) == first:
            assert time.monotonic() < ends_s
        process.stop()
        assert "all goes on as it was" in process.stderr
        assert "server.tls_key: " in process.stderr
        assert process.stderr.count("its certificates are read again") == 1
    config.write_text(f'[server]\ntls_cert = "{tmp_path}/none.pem"\n')
    code, told = failed("--config", str(config))
    assert (code, told) == (
        2, f"thriftgate: server.tls_cert: cannot read {tmp_path}/none.pem: No such file or directory\n"
    )  # fmt: skip
