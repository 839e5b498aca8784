"""`python -m thriftgate.cli.worker FD`: one worker of `thriftgate serve`, begun by its supervisor (`supervisor.py`).

It is a gateway like any other, but for three things: its settings and its socket are handed to it, it can be told to retire,
and it ends when its supervisor does.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys

from thriftgate.cli.control import Down, Order, Retire, Up, frame, take
from thriftgate.cli.serve_one import GatewayLife, serve_one
from thriftgate.cli.serving import Patience
from thriftgate.core.errors import ThriftgateError
from thriftgate.gateway.app import Gateway
from thriftgate.logs import log
from thriftgate.settings import settings_of

# How long a worker that was replaced serves on on the connections that it has: each gets one more answer, which says that
# the connection ends with it. SDKs close a silent one themselves after five seconds (httpx 0.28, `Limits.keepalive_expiry`).
LINGER_S = 6.0


class WorkerLife(GatewayLife):
    """Ends when told to, and when nobody is there any more to tell it."""

    def __init__(self, gateway: Gateway, patience: Patience, pair: socket.socket) -> None:
        super().__init__(gateway, patience)
        self._pair = pair
        self._once_signalled = patience

    def started(self) -> None:
        asyncio.get_running_loop().add_reader(self._pair.fileno(), self._told)

    def signalled(self) -> None:
        self.patience = self._once_signalled  # all of them end: there is no time for those that were replaced either

    def _told(self) -> None:
        said = take(self._pair)
        if isinstance(said, Retire):
            self.patience = Patience(self.gateway.settings.server.retire_s, LINGER_S, accepts=False)
        else:
            log.warning("the supervisor is gone; this worker ends")
            asyncio.get_running_loop().remove_reader(self._pair.fileno())
        self.stop()


def work(pair: socket.socket) -> int:
    """Serve as ordered, to the end. Returns the exit code."""
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal sends it to all; the supervisor acts on it
    order = take(pair)
    if not isinstance(order, Order):
        return 1
    try:
        settings = settings_of(order.document)
        bound = socket.socket(fileno=order.listening)
        return serve_one(
            settings,
            bound,
            lambda url, notes: pair.sendall(frame(Up(url, notes))),
            lambda gateway, patience: WorkerLife(gateway, patience, pair),
        )
    except ThriftgateError as error:
        pair.sendall(frame(Down(str(error))))
        return 1


if __name__ == "__main__":
    sys.exit(work(socket.socket(fileno=int(sys.argv[1]))))
