"""Whose call it is, by its headers."""

from __future__ import annotations

from thriftgate.core.control.key_text import PREFIX
from thriftgate.providers.transport import Headers

_BEARER = b"bearer "
_NAMES = frozenset({b"x-api-key", b"authorization"})
_VIRTUAL = PREFIX.encode()


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


def virtual_key_of(headers: Headers) -> str:
    """The virtual key among a call's headers, wherever it stands: SDKs write it into either, and a client may send a key of
    its own besides. "" where there is none."""
    for name, value in headers:
        if name in _NAMES:
            text = value.strip()
            if text[: len(_BEARER)].lower() == _BEARER:
                text = text[len(_BEARER) :].strip()
            if text.startswith(_VIRTUAL):
                return text.decode("latin-1")
    return ""
