"""Errors in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`.

Types keep Anthropic's words, which say more; `code` is what OpenAI's clients look at (openai-python v3.54 `_exceptions.py`,
platform.openai.com/docs/guides/error-codes, 2026-10). The status is the provider's: SDKs go by it.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from thriftgate.core.errors import ThriftgateError

_CODES = {
    "authentication_error": "invalid_api_key",
    "billing_error": "insufficient_quota",
    "rate_limit_error": "rate_limit_exceeded",
    "overloaded_error": "server_overloaded",
    "request_too_large": "request_too_large",
}
_SPENT = "enforced_spend_limit_reached"
_TOO_LONG = "prompt is too long"


class _Details(Struct):
    error_code: str | None = None


class _Error(Struct):
    type: str = "api_error"
    message: str = ""
    details: _Details | None = None


class _Body(Struct):
    error: _Error = msgspec.field(default_factory=_Error)


def error_body(error: ThriftgateError) -> bytes:
    """One of our own errors."""
    code = error.label if error.label == "model_not_found" else _CODES.get(error.error_type)
    return _encoded(str(error), error.error_type, code)


def told_error(body: bytes) -> bytes:
    """An error of the provider. Its own words; what cannot be read is told as such."""
    try:
        error = msgspec.json.decode(body, type=_Body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _encoded("the provider answered with an error that cannot be read", "api_error", None)
    return _encoded(error.message, error.type, _code_of(error))


def error_event(body: bytes) -> bytes:
    """An error of the provider as the event that ends a stream."""
    return b"data: " + told_error(body) + b"\n\n"


def _code_of(error: _Error) -> str | None:
    if error.details is not None and error.details.error_code == _SPENT:
        return "insufficient_quota"
    if error.type == "invalid_request_error" and error.message.startswith(_TOO_LONG):
        return "context_length_exceeded"
    if error.type == "not_found_error" and error.message.startswith("model:"):
        return "model_not_found"
    return _CODES.get(error.type)


def _encoded(message: str, kind: str, code: str | None) -> bytes:
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": code}})
