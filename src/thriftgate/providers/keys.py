"""A key of the provider's that is the gateway's own, wherever it is kept."""

from __future__ import annotations

from msgspec import Struct


class ProviderKey(Struct, frozen=True):
    """`name` stands in the books and in metrics, `secret` nowhere. A key of twice the `weight` is given twice as many new
    conversations. Keys of one organisation have their rate limits in common: all but one name that one in
    `shares_limits_with`."""

    name: str
    secret: str
    weight: float = 1.0
    shares_limits_with: str = ""

    def __repr__(self) -> str:
        return f"ProviderKey({self.name!r})"
