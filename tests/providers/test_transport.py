"""Reading headers; and both transports say the same about the same simulator, byte for byte."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tests.fixtures import HEADERS, message, serving, simulator
from thriftgate.providers.aiohttp_transport import AiohttpTransport
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.http1_transport import Http1Transport
from thriftgate.providers.transport import FileBody, Headers, Outgoing, Timeouts, Transport, header, laid_over


def test_the_first_value_of_a_header_or_nothing() -> None:
    headers = ((b"a", b"1"), (b"b", b"\xe4"), (b"a", b"2"))
    assert header(headers, b"a") == "1"
    assert header(headers, b"b") == "ä"
    assert header(headers, b"c") == ""


@pytest.mark.parametrize(
    ("headers", "own", "laid"),
    [
        ((), (), ()),
        (((b"a", b"1"),), (), ((b"a", b"1"),)),
        ((), ((b"a", b"1"),), ((b"a", b"1"),)),
        (((b"a", b"1"), (b"b", b"2")), ((b"a", b"3"),), ((b"b", b"2"), (b"a", b"3"))),
        (((b"a", b"1"), (b"a", b"2")), ((b"a", b"3"), (b"a", b"4")), ((b"a", b"3"), (b"a", b"4"))),
        (((b"a", b"1"),), ((b"A", b"2"),), ((b"a", b"1"), (b"A", b"2"))),
    ],
)
def test_headers_in_the_place_of_those_of_the_same_name(headers: Headers, own: Headers, laid: Headers) -> None:
    assert laid_over(headers, own) == laid


def asking(url: str, path: str, body: dict[str, object] | None) -> Outgoing:
    headers = tuple((name.encode(), value.encode()) for name, value in HEADERS.items())
    return Outgoing("POST" if body else "GET", url + path, headers, msgspec.json.encode(body) if body else b"")


async def exchange(transport: Transport, outgoing: Outgoing) -> tuple[int, dict[bytes, bytes], bytes]:
    incoming = await transport.send(outgoing, Timeouts())
    body = b"".join([chunk async for chunk in incoming.chunks()])
    incoming.close()
    changing = {b"date", b"server", b"transfer-encoding", b"content-length", b"request-id"}
    return incoming.status, {name: value for name, value in incoming.headers if name not in changing}, body


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/messages?beta=true", message(), 200),
        ("/v1/messages", message(stream=True), 200),
        ("/v1/messages", message(model="claude-nobody"), 404),
        ("/v1/models?limit=2", None, 200),
        ("/v1/nothing", None, 404),
    ],
)
async def test_both_transports_tell_the_same(path: str, body: dict[str, object] | None, status: int) -> None:
    asgi, network = AsgiTransport(simulator(instance_id="same")), AiohttpTransport()
    with serving(simulator(instance_id="same")) as url:
        one = await exchange(asgi, asking("http://simulator", path, body))
        two = await exchange(network, asking(url, path, body))
        await asgi.close()
        await network.close()
    assert one == two
    assert one[0] == status
    assert re.match(rb"\{|event: message_start", one[2])


@pytest.mark.parametrize("kind", [AiohttpTransport, Http1Transport, None])
async def test_a_file_is_answered_as_its_bytes_are(
    kind: type[AiohttpTransport | Http1Transport] | None, tmp_path: Path
) -> None:
    app, path = simulator(), tmp_path / "body.json"
    asked = message("word " * 100_000)
    path.write_bytes(msgspec.json.encode({name: asked[name] for name in ("model", "messages")}))
    transport = kind() if kind is not None else AsgiTransport(app)
    with serving(app) as url:
        counting = asking(url, "/v1/messages/count_tokens", asked)
        as_bytes = await exchange(transport, replace(counting, body=path.read_bytes()))
        as_file = await exchange(transport, replace(counting, body=FileBody(path, path.stat().st_size)))
    await transport.close()
    assert as_file == as_bytes
    assert as_file[0] == 200
