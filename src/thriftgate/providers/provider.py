"""What a provider is: a frozen description and pure functions over requests and errors."""

from __future__ import annotations

from typing import Protocol

from thriftgate.providers.transport import FileBody, Headers, Outgoing


class Provider(Protocol):
    """Where calls go. `prepare` is pure: the same call gives the same request."""

    @property
    def name(self) -> str:
        """Never renamed: it stands in the ledger."""

    @property
    def count_path(self) -> str:
        """Where tokens can be counted for free; "" where they cannot."""

    def __init__(self, url: str, api_key: str = "") -> None: ...

    def prepare(self, method: str, path: str, query: str, headers: Headers, body: bytes | FileBody) -> Outgoing:
        """The request to send: the client's own, with the envelope and credentials of this provider."""
