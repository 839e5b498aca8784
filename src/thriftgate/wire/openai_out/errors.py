"""Errors of chat servers in Anthropic's shape, with the type by which calls are tried elsewhere, or not.

Shapes: `{"error": {message, type, code}}` (platform.openai.com/docs/guides/error-codes), the same with a number as code
(openrouter.ai/docs/api/reference/errors-and-debugging), `{code, message}` (alibabacloud.com/help/en/model-studio/
error-code), `{object: "error", message, type, code}` (vLLM): 2026-10.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    502: "overloaded_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_BALANCE = re.compile(
    r"insufficient[_ ](?:quota|balance|credits?|funds)|exceeded your current quota|arrearage|billing_hard_limit|"
    r"credit balance is too low|payment required|out of credits",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"context_length_exceeded|maximum context length|context window|prompt is too long|"
    r"(?:range of )?input length|longer than the model's context",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"model_not_found|model not exist|no such model|not a valid model|model .{0,80}does not exist", re.IGNORECASE
)
_TEXT_MAX = 2_000
_SILENT = "the server says nothing more"


class Failure(NamedTuple):
    """The status and the error body that go up."""

    status: int
    body: bytes


def failure_of(status: int, body: bytes, server: str) -> Failure:
    """What an answer that is no success says. `status` is that of the answer, or the one that an error in a stream names."""
    code, message = _told(body)
    found = f"{code} {message}"
    kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    if status < 500 and _BALANCE.search(found):
        status, kind, message = 402, "billing_error", f"insufficient balance: {message}"
    elif status in (400, 413, 422) and _TOO_LONG.search(found):
        status, kind, message = 400, "invalid_request_error", f"prompt is too long: {message}"
    elif status in (400, 404) and _NO_MODEL.search(found):
        status, kind = 404, "not_found_error"
    elif status == 408:
        status, kind = 504, "timeout_error"
    elif status == 422:
        status = 400
    text = f"{server}: {message or _SILENT}"[:_TEXT_MAX]
    return Failure(status, msgspec.json.encode({"type": "error", "error": {"type": kind, "message": text}}))


def failure_in(error: Any, server: str) -> Failure:
    """What an `error` member of an answer or of a chunk says that began as a success."""
    code = error.get("code") if isinstance(error, dict) else None
    told = int(str(code)) if str(code).isdecimal() else 0
    status = told if 400 <= told < 600 else 502
    return failure_of(status, msgspec.json.encode({"error": error}), server)


def _told(body: bytes) -> tuple[str, str]:
    """Code and message of an error; both may be empty."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", ""
    error = told.get("error", told) if isinstance(told, dict) else None
    if isinstance(error, str):
        return "", error
    if not isinstance(error, dict):
        return "", ""
    codes = [error.get("code"), error.get("type")]
    message = error.get("message")
    return " ".join(str(one) for one in codes if one), message if isinstance(message, str) else ""
