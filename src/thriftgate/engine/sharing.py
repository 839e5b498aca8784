"""What this engine shares with its replicas, from its start to its end."""

from __future__ import annotations

from typing import NamedTuple

from thriftgate.engine.hearsay import Hearsay
from thriftgate.shared.counts import Counts
from thriftgate.shared.lane import Lane, LaneView
from thriftgate.shared.news import News, NewsView


class SharingView(NamedTuple):
    """How the server is reached by what calls wait for, and by what is told in the background; `left_out`: observations that
    were too many to be told. `alone_among` is the number of replicas while each keeps its part of the limits, else 0.
    `clock_ahead_s` is how far this machine's clock is ahead of the server's."""

    calls: LaneView
    background: LaneView
    news: NewsView
    left_out: int
    alone_among: int
    clock_ahead_s: float


class Sharing:
    """One per engine that shares anything."""

    def __init__(self, calls: Lane, background: Lane, counts: Counts, news: News, hearsay: Hearsay) -> None:
        self._calls = calls
        self._background = background
        self._counts = counts
        self._news = news
        self._hearsay = hearsay

    async def start(self, patience_s: float) -> None:
        """Begin; wait so long for the server."""
        await self._calls.start(patience_s)
        await self._background.start(patience_s)
        self._hearsay.listen()
        self._counts.start()
        self._news.start()

    def view(self) -> SharingView:
        """What is to be seen from outside."""
        return SharingView(
            self._calls.view(),
            self._background.view(),
            self._news.view(),
            self._hearsay.left_out,
            self._counts.alone_among,
            self._background.clock_ahead_s,
        )

    async def close(self) -> None:
        """Tell what is left to tell, then let go."""
        self._counts.close()
        self._news.close()
        await self._calls.close()
        await self._background.close()
