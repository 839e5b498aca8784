"""What each replica has learned, told to all others: a stream that holds the last minute, and who is there.

Each replica writes what is new to it and reads what the others wrote, a few times a second, in one round trip.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from thriftgate.shared.lane import LOST, Lane, Op

TELL = 7
EVERY_S = 0.2
KEPT_S = 60.0
"""How long news is kept for those who come later; what is older they know from the books."""
THERE_S = 5.0
"""A replica that was silent for so long is not there any more."""
READ_BYTES_MAX = 4 * 1024 * 1024  # at a time


class NewsView(NamedTuple):
    """`replicas` that were there last, this one among them; news `told` and `heard` since the start."""

    replicas: int
    told: int
    heard: int


class News:
    """One per engine. `gathered` gives what is new here (b"": nothing), `take_in` is given what another has told."""

    def __init__(self, lane: Lane, replica: str, gathered: Callable[[], bytes], take_in: Callable[[bytes], None]) -> None:
        self._lane = lane
        self._replica = replica
        self._gathered = gathered
        self._take_in = take_in
        self._keys = (f"{{{lane.tag}}}:news".encode(), f"{{{lane.tag}}}:replicas".encode())
        self._last = "0-0"
        self._timer: asyncio.TimerHandle | None = None
        self._waiting = False
        self._told = self._heard = 0
        self.replicas = 1

    def start(self) -> None:
        """Begin. Must run inside the event loop."""
        self._tell()

    def close(self) -> None:
        """Harmless where it was not started. What is new by now is told, if the lane is closed after this."""
        if self._timer is not None:
            self._timer.cancel()
            self._say(self._gathered())

    def view(self) -> NewsView:
        """What is to be seen from outside."""
        return NewsView(self.replicas, self._told, self._heard)

    def _tell(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._tell)
        if not self._lane.up:
            self._gathered()  # nobody can be told: what is learned now stays here
        elif not self._waiting:
            self._say(self._gathered())

    def _say(self, news: bytes) -> None:
        params = (self._last, KEPT_S * 1e3, READ_BYTES_MAX, THERE_S * 1e6)
        self._waiting = True
        self._told += bool(news)
        self._lane.send(Op(TELL, self._replica, self._keys, params, self._answered, news))

    def _answered(self, answer: Any) -> None:
        self._waiting = False
        if answer is LOST:
            return
        self.replicas, self._last, found = answer
        for news in found:
            self._heard += 1
            self._take_in(news)
