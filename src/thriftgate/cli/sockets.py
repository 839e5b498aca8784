"""The listening sockets of several workers: one each, on the same port (SO_REUSEPORT), all held by their supervisor.

The kernel spreads connections evenly over sockets, not over processes that share one (docs/adr/0037). Because the supervisor
holds them, no connection is lost while one worker follows another: what waits in a socket's queue is taken by the next.
"""

from __future__ import annotations

import socket
import sys

from thriftgate.cli.serving import bind
from thriftgate.core.errors import ConfigError

BACKLOG = 2048


class Sockets:
    """So many of them on one address. Raises ConfigError where it is taken or not ours."""

    def __init__(self, host: str, port: int, count: int) -> None:
        first = bind(host, port)  # alone: one that others share would not say that somebody else is there
        self._spread = count > 1 and sys.platform.startswith("linux")  # elsewhere SO_REUSEPORT does not spread connections
        self._family, self._address = first.family, first.getsockname()
        if self._spread:
            first.close()
        else:
            first.listen(BACKLOG)
        self._held = [None if self._spread else first.dup() for _ in range(count)]
        first.close()
        for number in range(count):  # all at once: workers that came later would find fewer connections
            self.of(number)

    def of(self, number: int) -> socket.socket:
        """The socket of that worker."""
        held = self._held[number]
        if held is None:
            held = self._held[number] = self._opened()
        return held

    def leave(self, number: int) -> None:
        """Nobody will take connections there for a while: let the kernel send them to the others."""
        held = self._held[number]
        if self._spread and held is not None:
            held.close()
            self._held[number] = None

    def close(self) -> None:
        """Accept nothing more."""
        for held in self._held:
            if held is not None:
                held.close()

    def _opened(self) -> socket.socket:
        bound = socket.socket(self._family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            bound.bind(self._address)
            bound.listen(BACKLOG)
        except OSError as error:
            bound.close()
            raise ConfigError(f"cannot listen on {self._address[0]}:{self._address[1]}: {error.strerror}") from None
        return bound
