"""What happens to a request for AWS at the moment of sending, and to its answer."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.fixtures import TestClock
from tests.scripted import Provider, Say
from tests.wire.test_aws_answers import chunk
from thriftgate.core.errors import BrokenReply, Unreachable
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.aws_credentials import Keyring
from thriftgate.providers.aws_sending import EVENT_STREAM, AwsFinish
from thriftgate.providers.endpoint import Endpoint
from thriftgate.providers.finishing import FinishingTransport
from thriftgate.providers.sigv4 import Credentials, Scope, signed
from thriftgate.providers.transport import FileBody, Incoming, Outgoing, Timeouts, header

SCOPE = Scope("bedrock", "us-east-1")
KEY = Credentials("AKIASIM", "s", "t")
ENDPOINT = Endpoint(access_key_id="AKIASIM", secret_access_key="s", session_token="t")
JSON = (b"content-type", b"application/json")
OUTGOING = Outgoing("POST", "http://h/model/a%3A0/invoke", (JSON, (b"user-agent", b"x"), (b"x-stainless", b"1")), b"{}")
PING = b'event: ping\ndata: {"type":"ping"}\n\n'


def finish(endpoint: Endpoint = ENDPOINT, **environ: str) -> AwsFinish:
    nowhere = {"AWS_SHARED_CREDENTIALS_FILE": "/nowhere", "AWS_CONFIG_FILE": "/nowhere"}
    keys = Keyring(endpoint, ("BEARER",), environ=nowhere | environ, chain=lambda _: lambda: None)
    return AwsFinish(SCOPE, keys)


async def sent(provider: Provider, outgoing: Outgoing = OUTGOING, how: AwsFinish | None = None) -> Incoming:
    clock = TestClock()
    return await FinishingTransport(AsgiTransport(provider), clock).send(
        replace(outgoing, finish=how or finish()), Timeouts()
    )


def events(*pieces: bytes, status: int = 200) -> Say:
    headers = (("x-amzn-requestid", "id-1"), ("content-length", "9"))
    return Say([*pieces], status=status, headers=headers, kind=EVENT_STREAM)


async def test_what_concerns_aws_is_signed_and_the_rest_goes_along() -> None:
    provider, clock = Provider(Say([b"{}"])), TestClock()
    await (await sent(provider)).read()
    found = dict(provider.headers[-1])
    digest = hashlib.sha256(b"{}").hexdigest()
    own = dict(signed("POST", OUTGOING.url, (JSON,), digest, key=KEY, scope=SCOPE, now_s=clock.now_s()))
    assert {name: found[name] for name in own} == own
    assert (found[b"user-agent"], found[b"x-stainless"]) == (b"x", b"1")
    assert b"SignedHeaders=content-type;host;x-amz-date;x-amz-security-token," in found[b"authorization"]


@pytest.mark.parametrize("length", [10, 2_000_000])
async def test_a_body_is_hashed_whatever_it_is(tmp_path: Path, length: int) -> None:
    body = b"x" * length
    (tmp_path / "body").write_bytes(body)
    told = []
    for one in (body, FileBody(tmp_path / "body", length)):
        provider = Provider(Say([b"{}"]))
        await (await sent(provider, replace(OUTGOING, body=one))).read()
        told.append(dict(provider.headers[-1])[b"authorization"])
    assert told[0] == told[1]
    with pytest.raises(Unreachable, match="cannot be read: No such file"):
        await sent(Provider(), replace(OUTGOING, body=FileBody(tmp_path / "none", 1)))


async def test_a_key_that_is_sent_as_it_is_needs_no_signature() -> None:
    provider = Provider(Say([b"{}"]))
    await (await sent(provider, how=finish(Endpoint(), BEARER="abc"))).read()
    found = dict(provider.headers[-1])
    assert found[b"authorization"] == b"Bearer abc"
    assert b"x-amz-date" not in found


async def test_without_anybody_nothing_is_sent() -> None:
    provider = Provider()
    with pytest.raises(Unreachable, match="no AWS credentials"):
        await sent(provider, how=finish(Endpoint()))
    assert not provider.headers


async def test_an_event_stream_comes_out_as_a_messages_stream() -> None:
    data = chunk(b'{"type":"ping"}')
    incoming = await sent(Provider(events(data[:7], data[7:] + data)))
    assert (incoming.status, header(incoming.headers, b"content-type")) == (200, "text/event-stream; charset=utf-8")
    assert header(incoming.headers, b"request-id") == "id-1"
    assert not header(incoming.headers, b"content-length")
    assert [piece async for piece in incoming.chunks()] == [PING + PING]
    assert await (await sent(Provider(events(data)))).read() == PING
    incoming.close()


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        ((chunk(b'{"type":"ping"}')[:-1],), "ended in the middle of an event"),
        ((chunk(b'{"type":"ping"}')[:-1] + b"x",), "cannot be read: the checksum"),
        ((b"<html>no event stream</html>",), "cannot be read"),
    ],
)
async def test_a_stream_that_cannot_be_read_is_broken(pieces: tuple[bytes, ...], why: str) -> None:
    incoming = await sent(Provider(events(*pieces)))
    with pytest.raises(BrokenReply, match=why):
        await incoming.read()


async def test_errors_are_told_as_the_messages_api_tells_them() -> None:
    said = Say(
        [b'{"message":"slow down"}'],
        status=429,
        headers=(("x-amzn-errortype", "ThrottlingException:x"), ("retry-after", "2")),
    )
    incoming = await sent(Provider(said))
    assert (incoming.status, incoming.at_end(), header(incoming.headers, b"retry-after")) == (429, True, "2")
    told = b'{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}'
    assert [piece async for piece in incoming.chunks()] == [await incoming.read()] == [told]
    assert header(incoming.headers, b"content-type") == "application/json"


async def test_a_whole_answer_can_be_retold() -> None:
    how = replace(finish(), retold=lambda body: body.upper())
    assert await (await sent(Provider(Say([b"abc"])), how=how)).read() == b"ABC"
