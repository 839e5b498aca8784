"""What all providers' requests have in common: the client's headers that go on, and addresses and keys that can be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from urllib.parse import urlsplit

import msgspec

from thriftgate.core.errors import ConfigError, InputError
from thriftgate.core.request import parse_request
from thriftgate.core.splice import Edit, apply
from thriftgate.providers.transport import FileBody, Headers

CREDENTIALS = frozenset({b"x-api-key", b"authorization"})
# Headers that belong to one connection (RFC 9110 section 7.6.1), that are made anew, or that are addressed to us.
_NOT_FORWARDED = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    b"upgrade http2-settings host content-length expect accept-encoding cookie".split()
)
_OURS = b"thriftgate-"
_USUAL_OPTIONS = frozenset({b"keep-alive", b"close", b""})


def passed_on(headers: Headers, dropped: Set[bytes] = frozenset()) -> Headers:
    """The client's headers that concern the provider, without those `dropped` and those that its `connection` header names;
    answers are asked for uncompressed."""
    named = named_by_connection(headers)
    kept = tuple(
        (name, value)
        for name, value in headers
        if name not in _NOT_FORWARDED and name not in dropped and name not in named and not name.startswith(_OURS)
    )
    return (*kept, (b"accept-encoding", b"identity"))


def named_by_connection(headers: Headers) -> frozenset[bytes]:
    """The headers that belong to the connection because it says so (RFC 9110 section 7.6.1)."""
    for name, value in headers:
        if name == b"connection" and value.lower() not in _USUAL_OPTIONS:
            break
    else:
        return frozenset()
    options = b",".join(value for name, value in headers if name == b"connection").split(b",")
    return frozenset(option.strip().lower() for option in options)


def renamed(body: bytes | FileBody, models: Mapping[str, str]) -> bytes | FileBody:
    """The body with the model as the provider calls it; as it is where it names none of these."""
    return renamed_by(body, lambda model: models.get(model, model))


def renamed_by(body: bytes | FileBody, name: Callable[[str], str]) -> bytes | FileBody:
    """The same by a rule, which answers "" for what it has no name for."""
    if isinstance(body, FileBody) or not body:
        return body
    try:
        model = parse_request(body, needs_max_tokens=False).model
        there = name(model) or model
        return apply(body, [Edit(("model",), msgspec.json.encode(there))]) if there != model else body
    except InputError:
        return body


def checked_origin(url: str, where: str = "upstream.url") -> str:
    """The address without a slash at its end; `where` it was set. Raises ConfigError for what is no http(s) origin."""
    if not _is_origin(url):
        raise ConfigError(f"{where}: {url!r} is not an http:// or https:// URL")
    return url.rstrip("/")


def checked_key(key: str) -> bytes:
    """Raises ConfigError, which does not repeat it, for a key that cannot stand in a header."""
    if not key.isprintable() or not key.isascii():
        raise ConfigError("upstream.api_key: holds a line break or another character that no header can hold")
    return key.encode()


def _is_origin(url: str) -> bool:
    """Whether requests can be sent below it: scheme, host, maybe a port and a path, nothing behind."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = url.isprintable() and " " not in url and not parts.query and not parts.fragment
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0
