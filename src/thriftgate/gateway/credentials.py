"""Whose call it is, by its headers."""

from __future__ import annotations

from thriftgate.providers.transport import Headers

_BEARER = b"bearer "


def credential_of(headers: Headers) -> str:
    """The caller's key: of `x-api-key` and `authorization` the API uses the first
    (anthropic-sdk-python v0.121.0 sends one of them)."""
    bearer = b""
    for name, value in headers:
        if name == b"x-api-key" and value.strip():
            return value.strip().decode("latin-1")
        if name == b"authorization" and not bearer:
            bearer = value.strip()
    if bearer[: len(_BEARER)].lower() == _BEARER:
        bearer = bearer[len(_BEARER) :].strip()
    return bearer.decode("latin-1")
