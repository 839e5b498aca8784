"""Connections that are held until a job is answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator


class Waiters:
    """Who waits for which job, by the jobs' numbers."""

    def __init__(self) -> None:
        self._held: dict[int, set[asyncio.Event]] = {}

    @contextlib.contextmanager
    def holding(self, seq: int) -> Iterator[asyncio.Event]:
        """Wait for a job: the event is set whenever there is something to look at."""
        told = asyncio.Event()
        self._held.setdefault(seq, set()).add(told)
        try:
            yield told
        finally:
            self._held[seq].discard(told)
            if not self._held[seq]:
                del self._held[seq]

    def holds(self, seq: int) -> bool:
        """Whether anybody waits for that job."""
        return seq in self._held

    def held(self) -> list[int]:
        """All jobs that somebody waits for."""
        return list(self._held)

    def tell(self, seqs: Iterable[int]) -> None:
        """These jobs are answered."""
        for seq in seqs:
            for told in self._held.get(seq, ()):
                told.set()

    def tell_all(self) -> None:
        """Whatever they wait for, they must look."""
        self.tell(tuple(self._held))
