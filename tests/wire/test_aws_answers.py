"""Bedrock's answers as the Messages API would have written them."""

from __future__ import annotations

import base64
from random import Random
from typing import NamedTuple

import msgspec
import pytest

from tests.wire.streams import pieces, simulated, single_bytes
from tests.wire.test_aws_event_stream import frame
from thriftgate.core.health.faults import fault_of
from thriftgate.wire.aws_answers import MEANINGS, MessagesStream, error_body, meaning_of, translated


def text(value: str) -> tuple[int, bytes]:
    return 7, len(value.encode()).to_bytes(2, "big") + value.encode()


def chunk(data: bytes, **members: str) -> bytes:
    payload = msgspec.json.encode({"bytes": base64.b64encode(data).decode()} | members)
    return frame({":message-type": text("event"), ":event-type": text("chunk")}, payload)


def exception(name: str, body: bytes) -> bytes:
    return frame({":message-type": text("exception"), ":exception-type": text(name)}, body)


def whole(stream: bytes) -> bytes:
    return MessagesStream().feed(stream)


@pytest.mark.parametrize("name", ["plain", "tools", "thinking", "cached"])
def test_a_stream_is_byte_for_byte_what_the_messages_api_writes_whatever_the_chunks(name: str) -> None:
    told = simulated(name, stream=True)
    events = [part.partition(b"\ndata: ")[2] for part in told.split(b"\n\n") if part]
    framed = b"".join(chunk(data, p="abcdefg") for data in events)
    assert whole(framed) == told
    random = Random(name)
    for chunks in (single_bytes(framed), *(pieces(framed, random) for _ in range(20))):
        stream = MessagesStream()
        assert b"".join(stream.feed(part) for part in chunks) == told
        assert not stream.pending


def test_an_event_over_several_lines_stays_one() -> None:
    assert whole(chunk(b'{"type":\r\n"ping"}')) == b'event: ping\ndata: {"type":\ndata: "ping"}\n\n'


def test_what_a_messages_stream_could_not_say_is_left_out() -> None:
    other = frame({":message-type": text("event"), ":event-type": text("initial-response")}, b"{}")
    assert whole(other + chunk(b'{"type":"ping"}')) == b'event: ping\ndata: {"type":"ping"}\n\n'


@pytest.mark.parametrize("payload", [b"{}", b"no json", b'{"bytes":"!"}', b'{"bytes":"e30="}', b'{"bytes":"WzFd"}'])
def test_a_chunk_without_an_event_of_the_messages_api_is_an_error(payload: bytes) -> None:
    with pytest.raises(ValueError, match="no event of the Messages API"):
        whole(frame({":message-type": text("event"), ":event-type": text("chunk")}, payload))


@pytest.mark.parametrize(
    ("name", "body", "kind", "told"),
    [
        ("throttlingException", b'{"message":"Too many tokens"}', "rate_limit_error", "Too many tokens"),
        ("modelTimeoutException", b'{"Message":"too long"}', "timeout_error", "too long"),
        ("internalServerException", b"", "api_error", "internalServerException"),
        ("serviceUnavailableException", b'{"message":"later"}', "overloaded_error", "later"),
        ("modelStreamErrorException", b'{"message":"x","originalStatusCode":500}', "api_error", "x"),
        ("validationException", b'{"message":"no"}', "invalid_request_error", "no"),
        ("somethingNewException", b'{"message":"?"}', "api_error", "?"),
    ],
)
def test_exceptions_in_a_stream_are_its_error_event(name: str, body: bytes, kind: str, told: str) -> None:
    error = msgspec.json.encode({"type": "error", "error": {"type": kind, "message": told}})
    assert whole(exception(name, body)) == b"event: error\ndata: " + error + b"\n\n"


def test_an_error_without_a_model_of_its_own_is_told_too() -> None:
    headers = {":message-type": text("error"), ":error-code": text("InternalFailure"), ":error-message": text("An error")}
    assert b'{"type":"api_error","message":"An error"}' in whole(frame(headers, b""))
    assert b"the stream ended with an error" in whole(frame({":message-type": text("error")}, b""))


AWS = "http://internal.amazon.com/coral/com.amazon.bedrock/"


class Case(NamedTuple):
    """What AWS says, what it means, and what it says of the target."""

    status: int
    exception: str
    words: str
    meant: int
    kind: str
    fault: str = ""


NO_ACCESS = "You don't have access to the model with the specified model ID."
NO_PROFILE = "Invocation of model ID x with on-demand throughput isn’t supported."
CASES = (
    Case(429, f"ThrottlingException:{AWS}", "Too many requests", 429, "rate_limit_error", "rate"),
    Case(400, "ServiceQuotaExceededException", "Too many tokens per day", 429, "rate_limit_error", "rate"),
    Case(400, f"ValidationException:{AWS}", "max_tokens: Field required", 400, "invalid_request_error"),
    Case(400, "ValidationException", "The provided model identifier is invalid.", 404, "not_found_error", "model"),
    Case(400, "ValidationException", NO_PROFILE, 404, "not_found_error", "model"),
    Case(403, "AccessDeniedException", NO_ACCESS, 404, "not_found_error", "model"),
    Case(403, "AccessDeniedException", "User: x is not authorized", 403, "permission_error", "auth"),
    Case(403, "ExpiredTokenException", "The security token is expired", 401, "authentication_error", "auth"),
    Case(403, "com.amazon#InvalidSignatureException", "m", 401, "authentication_error", "auth"),
    Case(404, "ResourceNotFoundException", "m: end of its life", 404, "not_found_error", "model"),
    Case(408, "ModelTimeoutException", "m", 504, "timeout_error", "overload"),
    Case(424, "ModelErrorException", "m", 500, "api_error", "overload"),
    Case(429, "ModelNotReadyException", "m", 529, "overloaded_error", "overload"),
    Case(500, "InternalServerException", "m", 500, "api_error", "overload"),
    Case(503, "ServiceUnavailableException", "m", 529, "overloaded_error", "overload"),
    Case(413, "", "m", 413, "request_too_large"),
    Case(418, "", "m", 400, "invalid_request_error"),
    Case(502, "", "m", 500, "api_error", "overload"),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.status} {case.exception} {case.words}"[:60])
def test_errors_of_awss_shape(case: Case) -> None:
    words = msgspec.json.encode(case.words).decode()
    shapes = (
        (case.exception, f'{{"message":{words}}}'),
        (case.exception, f'{{"Message":{words},"originalStatusCode":400}}'),
        ("", f'{{"__type":"{case.exception}","message":{words}}}'),
        (case.exception, f'{{"error":{{"code":"x","message":{words},"type":"x"}}}}'),
        (case.exception, case.words),
    )
    for exception, body in shapes:
        status, told = translated(case.status, exception, body.encode(), "req-1")
        error = {"type": "error", "error": {"type": case.kind, "message": case.words}, "request_id": "req-1"}
        assert (status, msgspec.json.decode(told)) == (case.meant, error)
        seen = fault_of(status, told)
        assert (seen.kind if seen is not None else "") == case.fault


def test_an_error_without_words_says_at_least_what_it_is() -> None:
    assert b'"message":"ServiceUnavailableException"' in translated(503, "ServiceUnavailableException", b"")[1]
    assert b'"message":"AWS answered 502"' in translated(502, "", b" ")[1]


@pytest.mark.parametrize("status", [400, 403, 429, 529])
def test_what_has_anthropics_shape_stays_byte_for_byte(status: int) -> None:
    body = b'{ "type": "error", "error": {"type":"rate_limit_error","message":"m","details":{"x":1}}}'
    assert translated(status, "ThrottlingException", body) == (status, body)


def test_every_meaning_is_one_of_the_messages_apis() -> None:
    for name in MEANINGS:
        assert meaning_of(name[0].lower() + name[1:], 500, "") == MEANINGS[name]
        assert b'"request_id"' not in error_body(MEANINGS[name], "m")
