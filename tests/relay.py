"""A relay between a program and a server of its own, that can be cut and mended as a network is."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class Relay:
    """Listens on `port` of loopback and passes on to another one. After `cut` what was connected is broken off and nothing
    connects; after `hang` everything stays connected, and no byte passes; `mend` ends both."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._passing = threading.Event()
        self._passing.set()
        self._broken = False
        self._open: set[socket.socket] = set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        self._broken = True
        self._break_off()

    def hang(self) -> None:
        self._passing.clear()

    def mend(self) -> None:
        self._broken = False
        self._passing.set()

    def close(self) -> None:
        self.mend()
        self._broken = True
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._break_off()
        self._thread.join(5)

    def _break_off(self) -> None:
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            if self._broken:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._to_port), 5)
                far.settimeout(None)
            except OSError:
                near.close()
                continue
            self._open |= {near, far}
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._passing.wait(60)
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        source.close()
        self._open.discard(source)


@contextlib.contextmanager
def relay_to(port: int) -> Iterator[Relay]:
    made = Relay(port)
    try:
        yield made
    finally:
        made.close()
