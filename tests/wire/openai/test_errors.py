"""Errors in OpenAI's shape."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from thriftgate.core.errors import BudgetExceeded, InputError, ModelNotFound, ThriftgateError, Unauthenticated
from thriftgate.wire.openai.errors import error_body, error_event, told_error


def decoded(body: bytes) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.json.decode(body)
    assert list(document) == ["error"]
    assert list(document["error"]) == ["message", "type", "param", "code"]
    inner: dict[str, Any] = document["error"]
    return inner


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ModelNotFound("no"), "model_not_found"),
        (Unauthenticated("no"), "invalid_api_key"),
        (BudgetExceeded("no"), "insufficient_quota"),
        (BudgetExceeded("no", held=True), "rate_limit_exceeded"),
        (InputError("no"), None),
    ],
)
def test_our_own(error: ThriftgateError, code: str | None) -> None:
    assert decoded(error_body(error)) == {"message": "no", "type": error.error_type, "param": None, "code": code}


@pytest.mark.parametrize(
    ("kind", "message", "details", "code"),
    [
        ("invalid_request_error", "prompt is too long: 9 tokens > 8", None, "context_length_exceeded"),
        ("invalid_request_error", "messages.0: no", None, None),
        ("not_found_error", "model: claude-x", None, "model_not_found"),
        ("rate_limit_error", "slower", None, "rate_limit_exceeded"),
        ("rate_limit_error", "spent", {"error_code": "enforced_spend_limit_reached"}, "insufficient_quota"),
        ("authentication_error", "who", None, "invalid_api_key"),
        ("overloaded_error", "Overloaded", None, "server_overloaded"),
    ],
)
def test_the_providers(kind: str, message: str, details: object, code: str | None) -> None:
    error = {"type": kind, "message": message} | ({"details": details} if details else {})
    body = msgspec.json.encode({"type": "error", "error": error, "request_id": "req_1"})
    assert decoded(told_error(body)) == {"message": message, "type": kind, "param": None, "code": code}
    assert error_event(body) == b"data: " + told_error(body) + b"\n\n"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"\xff", b'{"error":1}'])
def test_what_cannot_be_read_is_told_as_such(body: bytes) -> None:
    assert "cannot be read" in decoded(told_error(body))["message"]
