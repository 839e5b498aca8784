"""What a cloud says in the place of Claude, told as the Messages API tells it, by a declared table.

Errors of Claude's own (`{"type": "error", "error": {"type": …}}`) pass byte for byte. What the cloud's front answers itself
becomes one of them, with its text in the message: whoever reads it, and whoever decides where the call goes next, knows one
shape of errors only (platform.claude.com/docs/en/api/errors, 2026-10).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from thriftgate.providers.transport import Headers, Incoming, WholeAnswer, header, laid_over

TEXT_MAX = 2_000  # characters of what is no JSON: the page of a front door
_TAG = re.compile(r"<(script|style)\b[^<]*</\1>|<[^<>]*>", re.IGNORECASE)  # linear, whatever it is given
_SECONDS = re.compile(r"(\d{1,6}(?:\.\d+)?)s")


class Meaning(NamedTuple):
    """The HTTP status and the type of an error as the Messages API has them."""

    status: int
    type: str


BY_STATUS: Mapping[int, Meaning] = {
    400: Meaning(400, "invalid_request_error"),
    401: Meaning(401, "authentication_error"),
    402: Meaning(402, "billing_error"),
    403: Meaning(403, "permission_error"),
    404: Meaning(404, "not_found_error"),
    408: Meaning(504, "timeout_error"),
    409: Meaning(409, "conflict_error"),
    413: Meaning(413, "request_too_large"),
    429: Meaning(429, "rate_limit_error"),
    503: Meaning(529, "overloaded_error"),
    504: Meaning(504, "timeout_error"),
    529: Meaning(529, "overloaded_error"),
}
"""What a status says by itself; any other 4xx is a 400, any other 5xx a 500."""

GOOGLE: Mapping[str, Meaning] = {
    "INVALID_ARGUMENT": Meaning(400, "invalid_request_error"),
    "FAILED_PRECONDITION": Meaning(400, "invalid_request_error"),
    "OUT_OF_RANGE": Meaning(400, "invalid_request_error"),
    "UNAUTHENTICATED": Meaning(401, "authentication_error"),
    "PERMISSION_DENIED": Meaning(403, "permission_error"),
    "BILLING_DISABLED": Meaning(402, "billing_error"),  # a reason in the details of a PERMISSION_DENIED
    "NOT_FOUND": Meaning(404, "not_found_error"),
    "ALREADY_EXISTS": Meaning(409, "conflict_error"),
    "ABORTED": Meaning(409, "conflict_error"),
    "RESOURCE_EXHAUSTED": Meaning(429, "rate_limit_error"),
    "CANCELLED": Meaning(500, "api_error"),
    "DATA_LOSS": Meaning(500, "api_error"),
    "UNKNOWN": Meaning(500, "api_error"),
    "INTERNAL": Meaning(500, "api_error"),
    "UNIMPLEMENTED": Meaning(404, "not_found_error"),
    "UNAVAILABLE": Meaning(529, "overloaded_error"),
    "DEADLINE_EXCEEDED": Meaning(504, "timeout_error"),
}
"""google.rpc.Code and error reasons (cloud.google.com/apis/design/errors, 2026-08)."""

AZURE: Mapping[str, Meaning] = {
    "DeploymentNotFound": Meaning(404, "not_found_error"),
    "ResourceNotFound": Meaning(404, "not_found_error"),
    "PermissionDenied": Meaning(403, "permission_error"),
    "AuthenticationTypeDisabled": Meaning(403, "permission_error"),
    "Unauthorized": Meaning(401, "authentication_error"),
    "RateLimitReached": Meaning(429, "rate_limit_error"),
    "too_many_requests": Meaning(429, "rate_limit_error"),
    "insufficient_quota": Meaning(402, "billing_error"),
    "ServiceUnavailable": Meaning(529, "overloaded_error"),
    "InternalServerError": Meaning(500, "api_error"),
    "Timeout": Meaning(504, "timeout_error"),
}
"""Codes of Foundry's front; most of its errors carry the status as their code (learn.microsoft.com/azure/foundry/
foundry-models/how-to/use-foundry-models-claude and …/quotas-limits, 2026-08; seen in public issues, 2025-11 to 2026-07)."""


async def told_as_claude(incoming: Incoming, table: Mapping[str, Meaning]) -> Incoming:
    """An answer that is no success as the Messages API would give it; any other as it is. Raises like `Incoming.read`."""
    if incoming.status < 400:
        return incoming
    try:
        body = await incoming.read()
    finally:
        incoming.close()
    return translated(incoming.status, incoming.headers, body, table)


def translated(status: int, headers: Headers, body: bytes, table: Mapping[str, Meaning]) -> WholeAnswer:
    """An answer that is no success, in Claude's shape."""
    document = _read(body)
    if _is_claudes(document):
        return WholeAnswer(status, headers, body)
    found = _cloud_error(document)
    codes = [*_reasons(found), *(str(found[name]) for name in ("status", "code") if found.get(name))]
    known = [code for code in codes if code in table]
    meaning = table[known[0]] if known else _by_status(status)
    message = found.get("message")
    text = message if isinstance(message, str) and message else _plain(body) or f"status {status} without a text"
    named = next((code for code in [*known, *codes] if not code.isdigit() and code not in text), "")
    told: dict[str, Any] = {"type": meaning.type, "message": f"{named}: {text}" if named else text}
    error = {"type": "error", "error": told, "request_id": header(headers, b"request-id") or None}
    own: Headers = ((b"content-type", b"application/json"),)
    if (wait_s := _retry_s(found)) and not header(headers, b"retry-after"):
        own = (*own, (b"retry-after", b"%d" % wait_s))
    kept = tuple(one for one in headers if one[0] not in (b"content-length", b"transfer-encoding", b"content-encoding"))
    return WholeAnswer(meaning.status, laid_over(kept, own), msgspec.json.encode(error))


def _by_status(status: int) -> Meaning:
    other = Meaning(400, "invalid_request_error") if status < 500 else Meaning(500, "api_error")
    return BY_STATUS.get(status, other)


def _read(body: bytes) -> Any:
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    # Google wraps the errors of its streaming methods into an array.
    return document[0] if isinstance(document, list) and document else document


def _is_claudes(document: Any) -> bool:
    if not isinstance(document, dict) or document.get("type") != "error":
        return False
    error = document.get("error")
    return isinstance(error, dict) and isinstance(error.get("type"), str)


def _cloud_error(document: Any) -> dict[str, Any]:
    """The members that say what is wrong: `{"error": {…}}`; `{"statusCode", "message"}` of Azure's API management."""
    if not isinstance(document, dict):
        return {}
    error = document.get("error", document)
    return error if isinstance(error, dict) else {"message": error}


def _details(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    details = found.get("details")
    return [one for one in details if isinstance(one, dict)] if isinstance(details, list) else []


def _reasons(found: Mapping[str, Any]) -> list[str]:
    return [one["reason"] for one in _details(found) if isinstance(one.get("reason"), str)]


def _retry_s(found: Mapping[str, Any]) -> int:
    """When it is worth trying again: `google.rpc.RetryInfo`, "34.07s"; 0 where it does not say."""
    for one in _details(found):
        told = _SECONDS.fullmatch(str(one.get("retryDelay", "")))
        if told:
            return math.ceil(float(told[1]))
    return 0


def _plain(body: bytes) -> str:
    """The text of a body that is no JSON of an error: a page without its tags."""
    text = _TAG.sub(" ", body[: 8 * TEXT_MAX].decode("utf-8", "replace"))
    return " ".join(text.split())[:TEXT_MAX]
