"""What clouds say in the place of Claude, as the Messages API would say it, and what is made of that."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.providers.clouds import answer
from thriftgate.core.errors import BrokenReply
from thriftgate.core.governing.refusals import error_in
from thriftgate.core.health.faults import fault_of
from thriftgate.providers.cloud_errors import AZURE, BY_STATUS, GOOGLE, TEXT_MAX, told_as_claude, translated
from thriftgate.providers.transport import WholeAnswer, header
from thriftgate.simulator.errors import STATUS_OF

QUOTA = "Quota exceeded for aiplatform.googleapis.com/online_prediction_input_tokens_per_minute_per_base_model."
CLAUDES = b'{ "type": "error",  "error": {"type":"invalid_request_error","message":"\\u00e4"}, "request_id": null}'


def google(status: int, name: str, text: str = "what is wrong", details: Any = None) -> bytes:
    error = {"code": status, "message": text, "status": name} | ({"details": details} if details is not None else {})
    return msgspec.json.encode({"error": error})


def azure(code: str, text: str = "what is wrong") -> bytes:
    return msgspec.json.encode({"error": {"code": code, "message": text}})


SPENT = google(429, "RESOURCE_EXHAUSTED", QUOTA)
PAGE = b"<html><head><title>502 Bad Gateway</title><style>p{}</style></head><body>try\n later</body></html>"


def told(found: WholeAnswer) -> tuple[int, str, str]:
    document = msgspec.json.decode(found.body)
    assert document["type"] == "error"
    return found.status, document["error"]["type"], document["error"]["message"]


@pytest.mark.parametrize("meaning", sorted({*GOOGLE.values(), *AZURE.values(), *BY_STATUS.values()}))
def test_each_meaning_is_one_that_the_messages_api_has(meaning: tuple[int, str]) -> None:
    assert STATUS_OF[meaning[1]] == meaning[0]


@pytest.mark.parametrize(
    ("status", "body", "expected", "fault"),
    [
        (429, SPENT, (429, "rate_limit_error", f"RESOURCE_EXHAUSTED: {QUOTA}"), "rate"),
        (
            429,
            b"[%b]" % SPENT,
            (429, "rate_limit_error", f"RESOURCE_EXHAUSTED: {QUOTA}"),
            "rate",
        ),
        (403, google(403, "PERMISSION_DENIED"), (403, "permission_error", "PERMISSION_DENIED: what is wrong"), "auth"),
        (
            403,
            google(403, "PERMISSION_DENIED", "enable it", [{"reason": "BILLING_DISABLED"}]),
            (402, "billing_error", "BILLING_DISABLED: enable it"),
            "balance",
        ),
        (401, google(401, "UNAUTHENTICATED"), (401, "authentication_error", "UNAUTHENTICATED: what is wrong"), "auth"),
        (404, google(404, "NOT_FOUND"), (404, "not_found_error", "NOT_FOUND: what is wrong"), "model"),
        (400, google(400, "INVALID_ARGUMENT"), (400, "invalid_request_error", "INVALID_ARGUMENT: what is wrong"), None),
        (
            400,
            google(400, "OUT_OF_RANGE"),
            (400, "invalid_request_error", "OUT_OF_RANGE: what is wrong"),
            None,
        ),
        (503, google(503, "UNAVAILABLE"), (529, "overloaded_error", "UNAVAILABLE: what is wrong"), "overload"),
        (500, google(500, "INTERNAL"), (500, "api_error", "INTERNAL: what is wrong"), "overload"),
        (504, google(504, "DEADLINE_EXCEEDED"), (504, "timeout_error", "DEADLINE_EXCEEDED: what is wrong"), "overload"),
        (418, google(418, "A_NEW_ONE"), (400, "invalid_request_error", "A_NEW_ONE: what is wrong"), None),
        (599, google(599, "A_NEW_ONE"), (500, "api_error", "A_NEW_ONE: what is wrong"), "overload"),
    ],
)
def test_google(status: int, body: bytes, expected: tuple[int, str, str], fault: str | None) -> None:
    found = translated(status, (), body, GOOGLE)
    assert told(found) == expected
    made = fault_of(found.status, found.body)
    assert (made.kind if made is not None else None) == fault


@pytest.mark.parametrize(
    ("status", "body", "expected", "fault"),
    [
        (404, azure("DeploymentNotFound"), (404, "not_found_error", "DeploymentNotFound: what is wrong"), "model"),
        (401, azure("401", "Access denied"), (401, "authentication_error", "Access denied"), "auth"),
        (403, azure("PermissionDenied"), (403, "permission_error", "PermissionDenied: what is wrong"), "auth"),
        (429, azure("RateLimitReached"), (429, "rate_limit_error", "RateLimitReached: what is wrong"), "rate"),
        (429, azure("429"), (429, "rate_limit_error", "what is wrong"), "rate"),
        (429, azure("insufficient_quota"), (402, "billing_error", "insufficient_quota: what is wrong"), "balance"),
        (503, azure("ServiceUnavailable"), (529, "overloaded_error", "ServiceUnavailable: what is wrong"), "overload"),
        (408, azure("Timeout"), (504, "timeout_error", "Timeout: what is wrong"), "overload"),
        (401, b'{"statusCode":401,"message":"no key"}', (401, "authentication_error", "no key"), "auth"),
        (500, b'{"error":"out of order"}', (500, "api_error", "out of order"), "overload"),
    ],
)
def test_azure(status: int, body: bytes, expected: tuple[int, str, str], fault: str | None) -> None:
    found = translated(status, (), body, AZURE)
    assert told(found) == expected
    made = fault_of(found.status, found.body)
    assert (made.kind if made is not None else None) == fault


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (502, PAGE, "502 Bad Gateway try later"),
        (503, b"", "status 503 without a text"),
        (500, b"\xff\xfe not text", "\ufffd\ufffd not text"),
        (500, b"[]", "[]"),
        (500, b"7", "7"),
        (500, b'{"error":{"message":17}}', '{"error":{"message":17}}'),
        (400, b"<" * 100_000, ""),
        (500, b"x" * 100_000, "x" * TEXT_MAX),
        (500, b"[" * 100_000, "[" * TEXT_MAX),
    ],
)
def test_pages_of_front_doors(status: int, body: bytes, text: str) -> None:
    for table in (GOOGLE, AZURE):
        found = translated(status, ((b"content-type", b"text/html"), (b"content-length", b"5")), body, table)
        message = told(found)[2]
        assert message == text or (not text and len(message) <= TEXT_MAX)
        assert header(found.headers, b"content-type") == "application/json"
        assert not header(found.headers, b"content-length")


@pytest.mark.parametrize("status", [400, 429, 529])
def test_claudes_own_errors_pass_byte_for_byte(status: int) -> None:
    headers = ((b"content-type", b"application/json"), (b"x-any", b"1"))
    assert translated(status, headers, CLAUDES, GOOGLE) == WholeAnswer(status, headers, CLAUDES)


def test_when_it_is_worth_trying_again() -> None:
    body = google(429, "RESOURCE_EXHAUSTED", details=["?", {"retryDelay": "34.07s"}])
    assert header(translated(429, (), body, GOOGLE).headers, b"retry-after") == "35"
    asked = translated(429, ((b"retry-after", b"3"),), body, GOOGLE)
    assert [value for name, value in asked.headers if name == b"retry-after"] == [b"3"]
    assert not header(
        translated(429, (), google(429, "X", details=[{"retryDelay": "soon"}]), GOOGLE).headers, b"retry-after"
    )


def test_the_providers_id_of_the_request_is_kept() -> None:
    found = translated(500, ((b"request-id", b"req_1"),), b"", GOOGLE)
    assert msgspec.json.decode(found.body)["request_id"] == "req_1"
    assert error_in(found.body).type == "api_error"


async def test_a_success_is_not_read() -> None:
    class Streaming(WholeAnswer, frozen=True):
        async def read(self) -> bytes:
            raise AssertionError("read")

    success = Streaming(200, (), b"data")
    assert await told_as_claude(success, GOOGLE) is success
    found = await told_as_claude(answer(google(404, "NOT_FOUND"), 404), GOOGLE)
    assert (found.status, found.at_end()) == (404, True)
    assert [piece async for piece in found.chunks()] == [await found.read()]


async def test_an_error_that_breaks_off_is_a_broken_reply() -> None:
    closed: list[bool] = []

    class Broken(WholeAnswer, frozen=True):
        async def read(self) -> bytes:
            raise BrokenReply("cut")

        def close(self) -> None:
            closed.append(True)

    with pytest.raises(BrokenReply):
        await told_as_claude(Broken(500, (), b""), GOOGLE)
    assert closed == [True]
