"""Where a URL leads, so that one can be held against another. Pure.

https://Hooks.Example/a/b?c  is below  https://hooks.example:443/a     is not below  https://hooks.example/a/bc
https://hooks.example.evil.org  is below neither: scheme, host and port are equal or they are not
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from thriftgate.core.errors import InputError

_PORTS = {"http": 80, "https": 443}


class Place(NamedTuple):
    """Scheme, host in lower case, port, and the segments of the path."""

    scheme: str
    host: str
    port: int
    path: tuple[str, ...]

    def is_below(self, other: Place) -> bool:
        """Whether it is the other place, or a path below it."""
        return self[:3] == other[:3] and self.path[: len(other.path)] == other.path


def place_of(url: str) -> Place:
    """Where an http(s) URL leads. Raises InputError for one that servers or clients may read in two ways."""
    plain = url.isascii() and url.isprintable() and not set(url) & set(" \\#")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        plain, parts, host, port = False, urlsplit(""), None, None
    if not plain or parts.scheme not in _PORTS or not host or "@" in parts.netloc:
        raise InputError(f"{url!r} is not an http:// or https:// URL, plain, without a user and without a fragment")
    path = tuple(parts.path.strip("/").split("/")) if parts.path.strip("/") else ()
    if any(unquote(part) in (".", "..") or set(unquote(part)) & set("/\\") for part in path):
        raise InputError(f"{url!r}: a path with . or .. in it, or with an encoded slash, can be read in two ways")
    return Place(parts.scheme, host, port or _PORTS[parts.scheme], path)
