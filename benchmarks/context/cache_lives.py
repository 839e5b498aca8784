"""The provider's cache as one conversation sees it: entries for its tools and system and for the ends of its prompts.

An entry is found only by a request that repeats all of it; a hit renews it, and those before it on the same way. Life is
counted from the start of a request. A live entry keeps its class. Where the tail is kept for an hour the older entries are
of no use; where it is kept for five minutes, the last one for an hour lives on behind it. Tools and system are marked with
each request, like the tail (an hour must stand before five minutes): where their entry is gone, a new one costs nothing if
the tail behind it is read.
"""

from __future__ import annotations

from typing import NamedTuple

from thriftgate.core.cache import TTL_S
from thriftgate.core.request import Ttl

SMALL = 0.06
"""What is new is kept for an hour where it is at most this part of the live prefix: the upgrade that a tail gets late."""


class _Entry(NamedTuple):
    tokens: int
    expires_s: float
    ttl: Ttl


class CacheLives:
    """Entries of one conversation."""

    __slots__ = ("_entries", "_head")

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._head = _Entry(0, 0.0, "5m")

    def warm(self, at_s: float, shared: int, head: int) -> int:
        """How much of a prompt is read that shares so many tokens with the one before."""
        live = [one.tokens for one in self._entries if at_s < one.expires_s and one.tokens <= shared]
        return max(live, default=head if self.head_lives(at_s) and head <= shared else 0)

    def head_lives(self, at_s: float) -> Ttl | None:
        """How long tools and system are kept by an entry of their own, None where it is gone."""
        return self._head.ttl if at_s < self._head.expires_s else None

    def hour(self, at_s: float, warm: int, head: int) -> int:
        """How many of the tokens read are kept for an hour from now."""
        least = head if self.head_lives(at_s) == "1h" and head <= warm else 0
        return max([one.tokens for one in self._entries if one.ttl == "1h" and self._read(one, at_s, warm)], default=least)

    def sent(self, at_s: float, tokens: int, warm: int, ttl: Ttl, *, hold: int = 0, least: int = 0) -> None:
        """A prompt was sent and its end marked, and the end of its first `hold` tokens for an hour; prompts below `least`
        tokens are not cached."""
        kept = [one.tokens for one in self._entries if one.ttl == "1h" and self._read(one, at_s, warm)]
        hour = tokens if ttl == "1h" else max([hold, *kept])
        self._entries = [_Entry(hour, at_s + TTL_S["1h"], "1h")] if hour and hour >= least else []
        if tokens >= least and hour < tokens:
            self._entries.append(_Entry(tokens, at_s + TTL_S[ttl], ttl))
        head = self.head_lives(at_s) or ("1h" if hour == tokens else ttl)
        self._head = _Entry(0, at_s + TTL_S[head], head)

    def cut(self, at_s: float, tokens: int, ttl: Ttl, *, least: int = 0) -> None:
        """The same of a prompt that was cut: of the ones before it, only tools and system are left."""
        self._entries = []
        self.sent(at_s, tokens, 0, ttl, least=least)

    def _read(self, one: _Entry, at_s: float, warm: int) -> bool:
        return at_s < one.expires_s and one.tokens <= warm


def marked(caching: str, tokens: int, warm: int, head: int) -> Ttl:
    """How long the end of a prompt is kept."""
    return "1h" if caching == "late 1h" and warm > head and tokens - warm <= SMALL * warm else "5m"
