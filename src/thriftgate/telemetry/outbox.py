"""What waits to be delivered, and the thread that delivers it. Putting something in never waits: a full box drops it, and
counts that."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from thriftgate.logs import log, where_raised

BATCH = 256
EVERY_S = 1.0
_T = TypeVar("_T")


class Outbox(Generic[_T]):
    """`deliver` is called in a thread of the outbox's own, with some items; it says how many of them it could not deliver.
    At most `most` items wait."""

    def __init__(self, deliver: Callable[[Sequence[_T]], int], most: int, *, every_s: float = EVERY_S) -> None:
        self._deliver = deliver
        self._most = most
        self._every_s = every_s
        self._items: deque[_T] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._failing = False
        self.dropped = 0  # written by the putting side only
        self.undelivered = 0  # written by the thread only
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._thread.start()

    def put(self, item: _T) -> None:
        if len(self._items) >= self._most or self._closing:
            self.dropped += 1
            return
        self._items.append(item)
        if len(self._items) >= BATCH:
            self._wake.set()

    def close(self, timeout_s: float) -> None:
        """Deliver what is there, for so long; what is left then is counted as dropped. Blocks."""
        self._closing = True
        self._wake.set()
        self._thread.join(timeout_s)
        self.dropped += len(self._items)
        self._items.clear()

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(self._every_s)
            self._wake.clear()
            self._empty()
        self._empty()

    def _empty(self) -> None:
        while self._items:
            batch: list[_T] = []
            while self._items and len(batch) < BATCH:
                try:
                    batch.append(self._items.popleft())
                except IndexError:  # cleared at the end
                    break
            try:
                failed = self._deliver(batch)
            except Exception as error:  # noqa: BLE001  the next ones may go through
                log.error("telemetry not delivered", error=type(error).__name__, at=where_raised(error))
                failed = len(batch)
            self.undelivered += failed
            self._tell(failing=failed > 0)

    def _tell(self, *, failing: bool) -> None:
        """In the log once, when it begins and when it is over: calls must not fill it."""
        if failing and not self._failing:
            log.warning("telemetry is not delivered; calls go on", undelivered=self.undelivered, dropped=self.dropped)
        elif self._failing and not failing:
            log.info("telemetry is delivered again", undelivered=self.undelivered, dropped=self.dropped)
        self._failing = failing
