"""What this engine shares with its replicas, from its start to its end."""

from __future__ import annotations

from thriftgate.shared.counts import Counts
from thriftgate.shared.lane import Lane, LaneView


class Sharing:
    """One per engine that shares anything."""

    def __init__(self, calls: Lane, counts: Counts) -> None:
        self._calls = calls
        self._counts = counts

    async def start(self, patience_s: float) -> None:
        """Begin; wait so long for the server."""
        await self._calls.start(patience_s)
        self._counts.start()

    def view(self) -> LaneView:
        """How the server is reached."""
        return self._calls.view()

    async def close(self) -> None:
        """Tell what is left to tell, then let go."""
        self._counts.close()
        await self._calls.close()
