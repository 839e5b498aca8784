"""Where answers are kept: in memory, bounded, and gone with the process. `file.py` keeps them longer."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from thriftgate.core.earlier.answer import KeptAnswer


class Bounds(NamedTuple):
    """How much is kept at most; what was not used for longest goes first."""

    entries_max: int = 10_000
    bytes_max: int = 64 * 1024 * 1024


class Store(Protocol):
    """Answers by digest. May raise whatever goes wrong."""

    async def get(self, digest: bytes) -> KeptAnswer | None: ...

    async def put(self, digest: bytes, answer: KeptAnswer, until_s: float) -> None:
        """Keep it in place of one that is there; not past `until_s` (unix seconds)."""

    async def forget(self, tenant: bytes) -> None:
        """Let go of all answers of a tenant."""

    async def clears(self) -> int:
        """How often answers were let go of by hand: what is kept elsewhere is to go then, too."""

    async def close(self) -> None: ...


class MemoryStore:
    """See `Store`."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._kept: dict[bytes, tuple[KeptAnswer, float]] = {}  # the least recently used first
        self.bytes_held = 0

    async def get(self, digest: bytes) -> KeptAnswer | None:
        found = self._kept.pop(digest, None)
        if found is None:
            return None
        self._kept[digest] = found
        return found[0]

    async def put(self, digest: bytes, answer: KeptAnswer, until_s: float) -> None:
        self._drop(digest)
        if answer.size_bytes > self._bounds.bytes_max:
            return
        self._kept[digest] = (answer, until_s)
        self.bytes_held += answer.size_bytes
        if self._is_full():
            self._prune(answer.at_s)

    async def forget(self, tenant: bytes) -> None:
        for digest in [digest for digest, (answer, _) in self._kept.items() if answer.tenant == tenant]:
            self._drop(digest)

    async def clears(self) -> int:
        return 0

    async def close(self) -> None:
        return

    def __len__(self) -> int:
        return len(self._kept)

    def _is_full(self) -> bool:
        return len(self._kept) > self._bounds.entries_max or self.bytes_held > self._bounds.bytes_max

    def _prune(self, now_s: float) -> None:
        """What is over goes first, then what was not used for longest."""
        for digest in [digest for digest, (_, until_s) in self._kept.items() if until_s <= now_s]:
            self._drop(digest)
        while self._is_full():
            self._drop(next(iter(self._kept)))

    def _drop(self, digest: bytes) -> None:
        found = self._kept.pop(digest, None)
        if found is not None:
            self.bytes_held -= found[0].size_bytes
