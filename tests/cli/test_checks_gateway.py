"""`doctor --gateway`: a real gateway over real sockets, and what can lie between, played by a proxy that misbehaves."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.request import Request, urlopen

import pytest

from tests.cli.certificates import Made
from tests.cli.certificates import certificate as made
from tests.fixtures import KEY, serving, settings_of, simulator
from thriftgate.cli import checks_gateway
from thriftgate.cli.checks import Check
from thriftgate.cli.checks_gateway import gateway_checks
from thriftgate.clock import SystemClock
from thriftgate.gateway.app import Gateway

STEPS = ["resolves", "connects", "speaks tls", "lives", "is ready", "lists models", "counts", "streams", "is near"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    books = tmp_path_factory.mktemp("books") / "l.db"
    with serving(simulator()) as upstream:
        settings = settings_of(upstream={"url": upstream}, ledger={"path": str(books)})
        with serving(Gateway(settings)) as url:
            yield url


def checked(url: str, key: str = KEY) -> dict[str, Check]:
    return {check.name: check for check in gateway_checks(url, key, SystemClock())}


def wrong(found: dict[str, Check]) -> dict[str, str]:
    return {name: check.fix for name, check in found.items() if not check.ok}


def test_all_is_well(gateway: str) -> None:
    found = checked(gateway)
    assert list(found) == STEPS
    assert wrong(found) == {}
    assert "headers lost on the way: none" in found["streams"].detail
    assert found["counts"].detail.endswith("tokens of claude-haiku-5-5")


def test_without_a_key_it_is_said_how_to_show_one(gateway: str) -> None:
    found = wrong(checked(gateway, key=""))
    assert set(found) == {"lists models", "counts"}
    assert all("--key" in fix for fix in found.values())


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = checked(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert list(found) == ["resolves", "connects"]
    assert "start the gateway" in found["connects"].fix


def test_a_name_without_an_address() -> None:
    found = checked("http://no-such-host.invalid:8484")
    assert list(found) == ["resolves"]
    assert not found["resolves"].ok


@pytest.mark.parametrize("url", ["localhost:8484", "ftp://h", "http://", "http://h:port", "http://[::1"])
def test_what_is_no_address(url: str) -> None:
    (check,) = gateway_checks(url, "", SystemClock())
    assert not check.ok
    assert "ANTHROPIC_BASE_URL" in check.fix


def test_somebody_else_there() -> None:
    with serving(simulator()) as url:
        found = checked(url)
    assert list(found)[-1] == "lives"
    assert not found["lives"].ok


def test_a_gateway_that_is_stopping(tmp_path: Path) -> None:
    own = Gateway(settings_of(ledger={"path": str(tmp_path / "l.db")}))
    with serving(own) as url:
        own.draining.begin()
        found = checked(url)
    assert found["is ready"].detail == "the gateway is stopping"
    assert not found["is ready"].ok


# --- something in between ----------------------------------------------------------------------------------------------


class Proxy(BaseHTTPRequestHandler):
    """Passes everything on to `upstream`, in the way of proxies: whole."""

    upstream: ClassVar[str]
    drops: ClassVar[tuple[str, ...]] = ()
    drops_back: ClassVar[tuple[str, ...]] = ()
    cuts: ClassVar[bool] = False
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        names = {name.lower(): value for name, value in self.headers.items()}
        kept = {name: value for name, value in names.items() if name not in (*self.drops, "host", "connection")}
        length = int(names.get("content-length", 0))
        asked = Request(self.upstream + self.path, self.rfile.read(length) or None, kept, method=self.command)
        with urlopen(asked, timeout=10) as answer:
            body = answer.read()
            if self.cuts and b"event: check" in body:
                body = body[: len(body) // 2].rpartition(b"\n\n")[0] + b"\n\n"
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in (*self.drops_back, "content-length", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  the base class's name

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def between(upstream: str, secured: Made | None = None, **ways: Any) -> Iterator[str]:
    kind = type("Kind", (Proxy,), {"upstream": upstream, **ways})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    if secured is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(secured.cert, secured.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http{'s' if secured else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_proxy_that_buffers_is_found(gateway: str) -> None:
    with between(gateway) as url:
        found = wrong(checked(url))
    assert set(found) == {"streams"}
    assert "proxy_buffering off" in found["streams"]


def test_headers_that_are_lost_are_named(gateway: str) -> None:
    with between(gateway, drops=("anthropic-beta",), drops_back=("thriftgate-check",)) as url:
        check = checked(url)["streams"]
    assert "headers lost on the way: anthropic-beta" in check.detail
    assert "let these headers through" in check.fix
    assert "thriftgate-… headers" in check.fix


def test_a_stream_that_is_cut(gateway: str) -> None:
    with between(gateway, cuts=True) as url:
        check = checked(url)["streams"]
    assert check.detail.endswith(" of 5 events of a stream came")
    assert not check.ok


# --- TLS ---------------------------------------------------------------------------------------------------------------


def test_a_certificate_that_nobody_trusts(gateway: str, tmp_path: Path) -> None:
    with between(gateway, made(tmp_path)) as url:
        found = checked(url)
    assert list(found) == ["resolves", "connects", "speaks tls"]
    assert "self-signed" in found["speaks tls"].detail
    assert "SSL_CERT_FILE" in found["speaks tls"].fix


@pytest.mark.parametrize(("days", "advised"), [(90.0, False), (5.0, True)])
def test_a_certificate_that_is_trusted(
    days: float, advised: bool, gateway: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = made(tmp_path, days=days)
    monkeypatch.setenv("SSL_CERT_FILE", str(pair.cert))
    with between(gateway, pair) as url:
        found = checked(url)
        other = checked(url.replace("127.0.0.1", "127.0.0.2"))
    assert found["speaks tls"].ok
    assert bool(found["speaks tls"].fix) == advised
    assert found["lives"].ok
    assert "connects" in other


def test_a_port_that_speaks_no_tls(gateway: str) -> None:
    check = checked(gateway.replace("http://", "https://"))["speaks tls"]
    assert not check.ok
    assert "check that this port speaks TLS" in check.fix


# --- answers that are none ---------------------------------------------------------------------------------------------


def test_an_answer_that_makes_no_sense_is_a_failed_check(gateway: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = checks_gateway._ask

    def ask(target: Any, method: str, path: str, body: bytes | None = None) -> Any:
        answer = real(target, method, path, body)
        return answer._replace(body=b"<html>") if path in ("/readyz", "/v1/messages/count_tokens") else answer

    monkeypatch.setattr(checks_gateway, "_ask", ask)
    found = wrong(checked(gateway))
    assert set(found) == {"is ready", "counts"}
    assert all("in between" in fix or "between here and the gateway" in fix for fix in found.values())


def test_distance_and_another_version_are_advice(gateway: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks_gateway, "FAR_MS", 0.0)
    monkeypatch.setattr(checks_gateway, "__version__", "9.9.9")
    found = checked(gateway)
    assert found["is near"].ok
    assert "nearer" in found["is near"].fix
    assert "9.9.9" in found["lives"].fix
