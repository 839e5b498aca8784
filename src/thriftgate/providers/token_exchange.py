"""One request to a token endpoint (RFC 6749 sections 4.4, 5 and 6; RFC 7523 section 2.1), which goes over the same transport
as the calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from thriftgate.clock import Clock
from thriftgate.core.errors import ConfigError, Unreachable, UpstreamError
from thriftgate.providers.envelope import checked_origin
from thriftgate.providers.token_keeper import Token
from thriftgate.providers.transport import Headers, Outgoing, Timeouts, Transport

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HEADERS: Headers = (
    (b"content-type", b"application/x-www-form-urlencoded"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"identity"),
)
_READ_S = 20.0
_TOLD_MAX = 300
_SECRET_LENGTH = 8  # of what is struck out wherever it comes back
_LIFE_S = 300.0  # of a token that does not say how long it holds


def checked_token_url(url: str, where: str) -> str:
    """The address. Raises ConfigError for one to which no secret may be sent: https only, but for this machine."""
    checked = checked_origin(url, where)
    parts = urlsplit(checked)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise ConfigError(f"{where}: {url!r}: secrets are sent to it, so it must be https://")
    return checked


async def exchange(
    url: str, form: Mapping[str, str], transport: Transport, timeouts: Timeouts, clock: Clock, *, headers: Headers = ()
) -> Token:
    """The token that the endpoint gives for the form; `headers` go with the token. Raises Unreachable, without anything of
    what was sent."""
    host = urlsplit(url).hostname
    now_s = clock.now_s()
    outgoing = Outgoing("POST", url, _HEADERS, urlencode(form).encode())
    limits = Timeouts(timeouts.connect_s, min(timeouts.read_s, _READ_S))
    try:
        incoming = await transport.send(outgoing, limits)
        try:
            body = await incoming.read()
        finally:
            incoming.close()
    except UpstreamError as error:  # whatever became of this request: the call itself was not sent
        raise Unreachable(f"no access token from {host}: {_struck(str(error), form)}; the call was not sent") from None
    told = _read(body)
    value = told.get("access_token")
    if incoming.status != 200 or not isinstance(value, str) or not value.isascii() or not value.isprintable() or not value:
        why = f"{incoming.status} {told.get('error', '')}: {told.get('error_description', 'no token in its answer')}"
        raise Unreachable(f"no access token from {host}: {_struck(why, form)[:_TOLD_MAX]}; the call was not sent")
    return Token(value, now_s + _life_s(told.get("expires_in")), headers)


def _read(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _life_s(told: object) -> float:
    """Some servers write the number as a text."""
    try:
        return max(0.0, float(told)) if isinstance(told, int | float | str) else _LIFE_S
    except ValueError:
        return _LIFE_S


def _struck(text: str, form: Mapping[str, str]) -> str:
    for value in form.values():
        if len(value) >= _SECRET_LENGTH:
            text = text.replace(value, "…")
    return text
