"""Which of several provider keys a conversation belongs to: the one in whose workspace its prefix is cached.

Caches are kept apart by organisation and workspace (platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-10).
What is new goes to the key that highest-random-weight hashing names for its tools and system (Thaler and Ravishankar,
IEEE/ACM Transactions on Networking 6, 1998): all replicas agree without a word, and one key more or less moves only its own
share. What was moved stays where it was moved to.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from math import log
from typing import NamedTuple

from thriftgate.core.generations import Generations
from thriftgate.core.prefix import Prefix

_KEPT = 100_000


class Home(NamedTuple):
    """What is known of a conversation: digests of its head and of itself, and its key, "" where it is new."""

    head: bytes
    talk: bytes
    name: str


class Homes:
    """The keys of conversations and of their heads, as far as they are remembered. `keys` are names and weights."""

    def __init__(self, keys: Sequence[tuple[str, float]]) -> None:
        self.keys = tuple(keys)
        self._homes: Generations[bytes, str] = Generations(_KEPT)

    def of(self, prefix: Prefix) -> Home:
        """What the conversation of this prompt is known by, and its key. The prefix is that of no key in particular."""
        head, talk = _digests(prefix)
        return Home(head, talk, self._homes.get(talk) or "")

    def drawn(self, home: Home, names: Sequence[str]) -> str:
        """Which of these a new conversation goes to: the same for all with the same head."""
        return next(name for name in self._ranked(home.head) if name in names)

    def settle(self, talk: bytes, name: str) -> None:
        """The conversation is at home there from now on."""
        self._homes[talk] = name

    def _ranked(self, digest: bytes) -> list[str]:
        """All keys, the first choice first."""
        scored = [(-weight / log(_unit(digest, name)), name) for name, weight in self.keys]
        return [name for _, name in sorted(scored, reverse=True)]


def _unit(digest: bytes, name: str) -> float:
    """A number between 0 and 1, neither of them."""
    drawn = blake2b(digest + name.encode(), digest_size=8).digest()
    return (int.from_bytes(drawn, "big") + 1) / (2**64 + 2)


def _digests(prefix: Prefix) -> tuple[bytes, bytes]:
    """Of tools and system, and of these with the first message. Where there is neither, the first message is all that is
    stable."""
    first = next((at for at, block in enumerate(prefix.blocks) if block.section == "messages"), len(prefix.blocks))
    end = first
    while end < len(prefix.blocks) and prefix.blocks[end].index == prefix.blocks[first].index:
        end += 1
    talk = prefix.chain[end - 1] if end else b""
    return (prefix.chain[first - 1] if first else talk), talk
