"""Where the server is, read from its URL."""

from __future__ import annotations

import ssl
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from thriftgate.core.errors import ConfigError

PORT = 6379


class Address(NamedTuple):
    """`credentials` are what AUTH is given: nothing, a password, or a user and a password. `tls` is None without TLS."""

    host: str
    port: int
    credentials: tuple[str, ...] = ()
    database: int = 0
    tls: ssl.SSLContext | None = None

    @property
    def name(self) -> str:
        """For logs and errors: without what is secret."""
        return f"{self.host}:{self.port}"


def read_address(url: str, ca: str = "") -> Address:
    """Of a URL such as `rediss://user:password@host:6379/0`; `ca` is a file of certificates. Raises ConfigError, which does
    not repeat the URL: there may be a password in it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or PORT
        database = int(parts.path.strip("/") or 0)
    except ValueError:
        raise ConfigError("redis.url: host, port or number of the database cannot be read") from None
    if parts.scheme not in ("redis", "rediss", "valkey", "valkeys") or not host:
        raise ConfigError("redis.url: write redis://host:port, or rediss:// for TLS")
    if parts.query or parts.fragment or database < 0:
        raise ConfigError("redis.url: nothing may follow the number of the database; a CA is named in redis.ca")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if user and not password:
        raise ConfigError("redis.url: a user needs a password; a password alone is written redis://:password@host")
    credentials = tuple(part for part in (user, password) if part)
    return Address(host, port, credentials, database, _tls(ca) if parts.scheme in ("rediss", "valkeys") else None)


def _tls(ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"redis.ca: {ca} cannot be read: {error}") from None
