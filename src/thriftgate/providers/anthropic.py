"""The Claude API itself, and anything that speaks its wire format (platform.claude.com/docs/en/api/overview, 2026-08)."""

from __future__ import annotations

from urllib.parse import urlsplit

from thriftgate.core.errors import ConfigError
from thriftgate.providers.transport import FileBody, Headers, Outgoing

DEFAULT_URL = "https://api.anthropic.com"

# Headers that belong to one connection (RFC 9110 section 7.6.1), that are made anew, or that are addressed to us.
_NOT_FORWARDED = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    b"upgrade host content-length expect accept-encoding".split()
)
_OURS = b"thriftgate-"
_CREDENTIALS = frozenset({b"x-api-key", b"authorization"})


class Anthropic:
    """`url` is the origin, with or without a path prefix. With an `api_key` the client's own credentials are replaced;
    without one they pass through. Raises ConfigError for what is no http(s) URL."""

    name = "anthropic"
    count_path = "/v1/messages/count_tokens"

    def __init__(self, url: str = DEFAULT_URL, api_key: str = "") -> None:
        if not _is_origin(url):
            raise ConfigError(f"upstream.url: {url!r} is not an http:// or https:// URL")
        if not api_key.isprintable():
            raise ConfigError("upstream.api_key: holds a line break or another control character")
        self.url = url.rstrip("/")
        self._credentials: Headers = ((b"x-api-key", api_key.encode()),) if api_key else ()

    def prepare(self, method: str, path: str, query: str, headers: Headers, body: bytes | FileBody) -> Outgoing:
        """Answers are asked for uncompressed: the meter reads them, and a stream gains little from compression."""
        dropped = _CREDENTIALS if self._credentials else frozenset()
        kept = tuple(
            (name, value)
            for name, value in headers
            if name not in _NOT_FORWARDED and name not in dropped and not name.startswith(_OURS)
        )
        return Outgoing(
            method=method,
            url=f"{self.url}{path}{'?' + query if query else ''}",
            headers=(*kept, *self._credentials, (b"accept-encoding", b"identity")),
            body=body,
        )


def _is_origin(url: str) -> bool:
    """Whether requests can be sent below it: scheme, host, maybe a port and a path, nothing behind."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = url.isprintable() and " " not in url and not parts.query and not parts.fragment
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0
