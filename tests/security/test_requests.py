"""No ambiguous request gets in, none gets on: as bytes on a socket, to a gateway before the simulator. The table of the
guide says what becomes of each, and these cases are its lines."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.fixtures import HEADERS, client, message, serving, settings_of
from tests.gateway.keyed import Stage, staged
from tests.scripted import MESSAGE, Received, raw_answer, upstream
from tests.security.raw import BODY, CHUNKED, POST, TE, request, rows_of, say
from thriftgate.gateway.app import Gateway
from thriftgate.gateway.entrance import Entrance

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "security-settings.md"


def to(path: bytes, method: bytes = b"POST", version: bytes = b"HTTP/1.1") -> bytes:
    return b"%b %b %b" % (method, path, version)


def chunked(body: bytes) -> bytes:
    return request(POST, TE, body=body, sized=False)


def with_header(*headers: bytes) -> bytes:
    return request(POST, *headers)


# What the guide calls it: what the gateway answers, and the requests that are so.
CASES: dict[str, tuple[int, list[bytes]]] = {
    "A path with another spelling: empty, `.` or `..` segments, encoded letters, digits, `-._~`, slashes, `%`": (400, [
        request(to(path)) for path in (b"//v1/messages", b"/v1//messages", b"/v1/./messages", b"/v1/x/../messages",
        b"/v1/models/..;/messages", b"/v1/%6dessages", b"/v1/%2e%2e/messages", b"/v1%2fmessages", b"/v1%2Fmessages",
        b"/v1/messages%00", b"/v1/messages%0d%0a", b"/v1/messages%5c", b"/v1/%256dessages", b"/v1/messages%", b"/v1/m%zz",
        b"/v1/messages//", b"/v1/messages/.", b"/v1/%ff", b"/v1\\messages")
    ]),
    "A path in capitals, or with a slash at its end": (404, [
        request(to(path)) for path in (b"/V1/Messages", b"/v1/messages/", b"/v1/messages;x=1")
    ]),
    "A target that is no path (`http://…`, `*`, `host:port`), or has a fragment": (400, [
        request(to(b"http://other.example/v1/messages")), request(to(b"/v1/messages#x")), request(to(b"/v1/messages?a=#")),
        request(to(b"*", b"OPTIONS")), request(to(b"other.example:80", b"CONNECT")), request(to(b"v1/messages")),
    ]),
    "Bytes beyond ASCII, control characters or blanks in the target": (400, [
        request(to(path)) for path in (b"/v1/mess\xc3\xa9", b"/v1/messages?\xc3", b"/v1/mess ages", b"/v1/a\x01", b"/a\tb")
    ]),
    "No `Host`, two of them, or one that is no host": (400, [
        request(host=False), with_header(b"host: b"), request(POST, b"host: a/b@c", host=False),
        request(POST, b"host: a, b", host=False), request(POST, b"host:", host=False),
    ]),
    "HTTP/1.0": (200, [request(to(b"/v1/messages", version=b"HTTP/1.0")),
                       request(to(b"/v1/messages", version=b"HTTP/1.0"), host=False)]),
    "HTTP/0.9, HTTP/2.0": (505, [b"GET /\r\n\r\n", request(to(b"/v1/messages", version=b"HTTP/2.0"))]),
    "Other versions, methods that are none, no HTTP": (400, [
        request(to(b"/v1/messages", version=b"HTTP/1.2")), request(to(b"/", b"get")), request(to(b"/", b"FOO")),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]),
    "`Transfer-Encoding` with `Content-Length`, or in HTTP/1.0": (400, [
        request(POST, TE, body=b"0\r\n\r\n"), request(POST, b"content-length: 5", TE, body=b"0\r\n\r\n", sized=False),
        request(to(b"/v1/messages", version=b"HTTP/1.0"), TE, body=CHUNKED, sized=False),
    ]),
    "`Transfer-Encoding` that is anything but `chunked`, once": (400, [
        request(POST, line, body=CHUNKED, sized=False)
        for line in (b"transfer-encoding: gzip, chunked", b"transfer-encoding: identity",
                     b"transfer-encoding: chunked, identity",
                     b"transfer-encoding: xchunked", b"transfer-encoding:\x0bchunked", b"transfer-encoding : chunked",
                     b" transfer-encoding: chunked", b"transfer-encoding: \"chunked\"", b"transfer_encoding: chunked",
                     TE + b"\r\n" + TE, TE + b"\r\ntransfer-encoding: identity", b"transfer-encoding:")
    ]),
    "Two `Content-Length`s, or one that is no number": (400, [
        request(POST, line, body=b"hello", sized=False)
        for line in (b"content-length: 5\r\ncontent-length: 6", b"content-length: 5\r\ncontent-length: 5",
                     b"content-length: 5, 5",
                     b"content-length: +5", b"content-length: -5", b"content-length: 0x5", b"content-length: 5 5",
                     b"content-length:", b"content-length: " + b"9" * 30, b"content_length: 5\r\ncontent-length: 5")
    ]),
    "Chunks whose size is no plain hexadecimal number, or whose lines do not end in CR LF": (400, [
        chunked(body) for body in (b"zz\r\nab\r\n0\r\n\r\n", b"2 \r\n{}\r\n0\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n",
        b"0x2\r\n{}\r\n0\r\n\r\n", b"2\n{}\n0\n\n", b"2\r\n{}X\r\n0\r\n\r\n", b"f" * 17 + b"\r\n{}\r\n0\r\n\r\n",
        b"2;\nxx\r\n{}\r\n0\r\n\r\n", b"+2\r\n{}\r\n0\r\n\r\n")
    ]),
    "Lines folded (obs-fold), ended by LF or CR alone; NUL, CR, LF or control characters in a header": (400, [
        *[with_header(line) for line in (b"x: a\r\n b", b"x: a\r\n\tb", b"x: a\nb: c", b"x: a\rb", b"x: a\x00b",
                                         b"x: a\x0bb", b"x: \x7f")],
        with_header().replace(b"\r\n", b"\n"), with_header().replace(b"\r\n", b"\r"),
    ]),
    "Header names that are no token": (400, [
        with_header(line) for line in (b"x y: a", b"x : a", b": a", b"x", b"x(: a", b"x\x00: a", b"x\xe9: a", b"\"x\": a")
    ]),
    "Two `x-api-key`, `authorization`, `content-type`, `anthropic-version` or `origin`, or one with `_` for `-`": (400, [
        with_header(line) for line in (b"x-api-key: a\r\nx-api-key: b", b"X-Api-Key: a\r\nx-api-key: a", b"x_api_key: a",
        b"authorization: a\r\nAuthorization: b", b"content-type: text/plain", b"anthropic-version: 1",
        b"origin: a\r\norigin: b")
    ]),
    "A head longer than `head_bytes_max`, or more than 200 headers": (431, [
        with_header(b"x: " + b"a" * 100_000), with_header(*[b"x%d: 1" % at for at in range(300)]),
        request(to(b"/" + b"a" * 100_000)),
    ]),
    "`Upgrade` (h2c, websocket): answered in HTTP/1.1, its body read as a body": (200, [
        request(POST, b"connection: Upgrade, HTTP2-Settings", b"upgrade: h2c", b"http2-settings: AAMAAABk"),
        request(POST, b"connection: Upgrade", b"upgrade: websocket", TE, body=CHUNKED, sized=False),
    ]),
    "Chunked bodies; blank lines before a request; bytes beyond ASCII in a header's value; `Expect: 100-continue`": (200, [
        chunked(CHUNKED), b"\r\n\r\n" + request(), with_header(b"x: \xff\xfe"), with_header(b"expect: 100-continue"),
        chunked(b"%x;a=b\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)),
    ]),
}  # fmt: skip


class Outcome(NamedTuple):
    """The statuses of the answers, and how many calls went on."""

    status: int
    calls: int


async def outcome(stage: Stage, raw: bytes, *, refused: bool) -> Outcome:
    before = len(stage.upstream.seen)
    said = await say(stage.url, raw, answers=2 if refused else 1)  # until the connection is closed
    final = [status for status in said.statuses if status != 100]
    assert len(final) == 1, (raw[:200], said)
    assert said.closed or not refused
    return Outcome(final[0], len(stage.upstream.seen) - before)


async def test_what_is_taken_and_what_is_not(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        for words, (status, requests) in CASES.items():
            for raw in requests:
                got = await outcome(stage, raw, refused=status not in (200, 404))
                assert got == (status, int(status == 200)), (words, raw[:300])


def test_the_guide_has_these_lines() -> None:
    rows = rows_of(PAGE.read_text(), "Requests that are taken, and that are not")
    assert rows == [(words, str(status)) for words, (status, _) in CASES.items()]


@pytest.mark.parametrize(
    "path",
    [b"/v1/models/../messages/batches", b"/v1/models/%2e%2e/files", b"/v1/messages/batches/..", b"/v1/models/a%2fb",
     b"/v1/messages/batches/../../organizations/me", b"/thriftgate/jobs/../../v1/models", b"/v1/models/..;/files"],
)  # fmt: skip
async def test_no_path_leads_elsewhere_with_the_gateways_own_key(path: bytes, tmp_path: Path) -> None:
    """A caller who may ask for models would read whatever lies beside them."""
    async with staged(tmp_path) as stage:
        _, secret = await stage.issue(scopes=("models", "batch"))
        key = b"x-api-key: " + secret.encode()
        for method in (b"GET", b"DELETE"):
            said = await say(stage.url, request(to(path, method), key, body=b"", sized=False))
            assert said.statuses == [400], said
        assert stage.upstream.seen == []


async def test_no_route_is_reached_by_another_spelling(tmp_path: Path) -> None:
    """Of the administrators' API and the dashboard: the same without a key, or it is refused."""
    async with staged(tmp_path) as stage:
        await stage.issue()
        for path in (b"/thriftgate/admin/v1/keys", b"/thriftgate/metrics", b"/v1/messages", b"/v1/models"):
            for spelled in (path.replace(b"/", b"//", 1), path + b"/.", path.replace(b"v1", b"v%31"), path + b"%2f",
                            b"/x/.." + path, path.replace(b"t", b"%74", 1), path.replace(b"s", b"%73")):  # fmt: skip
                said = await say(stage.url, request(to(spelled, b"GET"), body=b"", sized=False))
                assert said.statuses[0] in (400, 401, 403, 404) if spelled != path else True, (spelled, said)
                assert said.statuses != [200]


async def test_one_request_never_becomes_two(tmp_path: Path) -> None:
    """What stands in a body is never a request, however the body is framed and cut into packets."""
    inner = request(b"POST /v1/messages/count_tokens HTTP/1.1")
    upgrade = (b"connection: Upgrade", b"upgrade: h2c")
    async with staged(tmp_path) as stage:
        for head, body in (
            (request(POST, *upgrade, b"content-length: %d" % len(inner), body=b"", sized=False), inner),
            (request(POST, *upgrade, TE, body=b"", sized=False), b"%x\r\n%b\r\n0\r\n\r\n" % (len(inner), inner)),
            (request(to(b"/healthz", b"GET"), b"content-length: %d" % len(inner), body=b"", sized=False), inner),
            (request(to(b"/nowhere"), b"content-length: %d" % len(inner), body=b"", sized=False), inner),
        ):
            said = await say(stage.url, head, body, answers=2, patience_s=0.3)
            assert len(said.statuses) == 1, (head, said)
            said = await say(stage.url, head, body, request(), answers=2)
            assert (len(said.statuses), said.statuses[-1]) == (2, 200), (head, said)  # and the next one is read as such
        assert len(stage.upstream.seen) == 4


async def test_requests_in_one_piece_are_answered_in_order(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        said = await say(stage.url, request() + request(to(b"/nowhere")) + request(), answers=3)
        assert (said.statuses, len(stage.upstream.seen)) == ([200, 404, 200], 2)
        said = await say(stage.url, request() + b"no HTTP\r\n\r\n", answers=2)
        assert (said.statuses, said.closed) == ([200], True)  # the first did no wrong, and nothing is put into its answer
        said = await say(stage.url, request(POST, b"connection: close") + request(), answers=2)
        assert (said.statuses, said.closed) == ([200], True)


async def test_no_header_of_the_connection_goes_on(tmp_path: Path) -> None:
    hop = (b"connection: keep-alive, x-named,X-Other", b"x-named: 1", b"x-other: 2", b"te: trailers", b"keep-alive: 5",
           b"proxy-authorization: secret", b"proxy-connection: x", b"trailer: x-api-key", b"x-kept: 3")  # fmt: skip
    async with staged(tmp_path) as stage:
        tail = b"0\r\nx-api-key: sk-ant-evil\r\nx-trailed: 1\r\n\r\n"
        for raw in (request(POST, *hop), request(POST, *hop, TE, body=CHUNKED.replace(b"0\r\n\r\n", tail), sized=False)):
            assert (await say(stage.url, raw)).statuses == [200]
            (seen,) = stage.upstream.seen
            assert seen["x-kept"] == "3"
            assert not set(seen) & {"x-named", "x-other", "te", "keep-alive", "proxy-authorization", "proxy-connection",
                                    "trailer", "connection", "x-trailed", "transfer-encoding"}  # fmt: skip
            assert (seen["content-length"], "evil" in str(seen)) == (str(len(BODY)), False)
            stage.upstream.seen.clear()


async def test_a_head_that_comes_byte_by_byte(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        raw = request(POST, b"connection: Upgrade", b"upgrade: h2c")
        said = await say(stage.url, *[raw[at : at + 7] for at in range(0, len(raw), 7)])
        assert said.statuses == [200]
        long = request(POST, b"x: " + b"a" * 200_000)
        assert (await say(stage.url, *[long[at : at + 9_000] for at in range(0, len(long), 9_000)])).statuses in ([431], [])
        tail = b"2\r\n{}\r\n0\r\nx: "
        trailed = request(POST, TE, body=b"", sized=False)
        said = await say(stage.url, trailed, tail, *[b"a" * 9_000] * 20, answers=2)
        assert said.closed  # trailers are bounded like a head


async def test_no_header_of_the_provider_speaks_for_the_gateway() -> None:
    """Neither what belongs to its connection, nor what a browser would do to our host, nor what we alone can say."""
    told = ("connection: close, x-named", "x-named: 1", "set-cookie: thriftgate=evil", "alt-svc: h3=evil", "x-kept: 3",
            "strict-transport-security: max-age=9", "clear-site-data: \"*\"", "thriftgate-cost-usd: 0",
            "thriftgate-request-id: evil", "keep-alive: timeout=9", "proxy-authenticate: x", "trailer: x")  # fmt: skip

    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(raw_answer(MESSAGE, headers=told))
        await writer.drain()
        writer.close()

    async with upstream(script) as provider, client() as session:
        settings = settings_of(upstream={"url": provider.url})
        with serving(Gateway(settings), Entrance(settings.server)) as url:
            async with session.post(f"{url}/v1/messages", json=message(), headers=HEADERS) as reply:
                assert (reply.status, reply.headers["x-kept"]) == (200, "3")
                got = [name.lower() for name in reply.headers]
                assert got.count("thriftgate-request-id") == got.count("thriftgate-cost-usd") == 1
                assert "evil" not in str(reply.headers)
                assert not set(got) & {line.partition(":")[0] for line in told if "thriftgate-" not in line[:11]} - {
                    "x-kept"
                }


async def test_a_providers_header_that_would_make_two() -> None:
    async def script(_request: Received, writer: asyncio.StreamWriter) -> None:
        body = MESSAGE.replace(b"msg_scripted", b"msg_\\r\\nx-evil: 1")
        writer.write(b"HTTP/1.1 200 X\r\nrequest-id: a\rx-evil: 1\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async with upstream(script) as provider, client() as session:
        settings = settings_of(upstream={"url": provider.url, "retry": "never"})
        with serving(Gateway(settings), Entrance(settings.server)) as url:
            async with session.post(f"{url}/v1/messages", json=message(), headers=HEADERS) as reply:
                assert reply.status == 502
                assert "x-evil" not in reply.headers
