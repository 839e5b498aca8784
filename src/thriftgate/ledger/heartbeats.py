"""Which processes that write a ledger on a server are alive: each counts up a number there, and watches the others'.

A process is dead once its number stood still for `DEAD_S` of the watcher's own time, during which the watcher could see it:
no clock is compared with another one's, and a server that is away for a while kills nobody. One that was never seen may have
begun since: it is looked for, and is dead where it has no number.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from thriftgate.ledger.connection import Cursor, Values
from thriftgate.logs import log

BEAT_S = 3.0
DEAD_S = 15.0
FORGOTTEN_S = 3_600.0

_BEAT = """
insert into processes (token, beats) values (?, 1) on conflict (token) do update set beats = processes.beats + 1
"""
_ALL = "select token, beats from processes"
_GONE = "delete from processes where token = ?"


class Line(Protocol):
    """What it needs of a connection."""

    def execute(self, question: str, values: Values = (), /) -> Cursor: ...

    def close(self) -> None: ...


class _Seen(NamedTuple):
    """Its number, how long it was watched standing still, and whether it was ever seen to count up."""

    beats: int
    still_s: float = 0.0
    moved: bool = False


class Heartbeats:
    """See `connection.Presence`. `connect` makes a connection of its own, whose errors mean that the server is away."""

    def __init__(self, token: str, connect: Callable[[], Line], monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self.token = token
        self._connect = connect
        self._monotonic_s = monotonic_s
        self._line: Line | None = None
        self._seen: dict[str, _Seen] = {}
        self._looked_s: float | None = None
        self._ended: set[str] = set()  # had no number when they were looked for: nobody gets that name again
        self._at_line = threading.Lock()
        self._closing = threading.Event()
        self.beat()
        self._thread = threading.Thread(target=self._run, name="ledger-heartbeat", daemon=True)
        self._thread.start()

    def is_alive(self, token: str) -> bool:
        """Asks the server about a name that was never seen; while it cannot be asked, that process may be alive."""
        if token == self.token:
            return True
        if token not in self._seen and token not in self._ended and not self._look_for(token):
            return True
        found = self._seen.get(token)
        return found is not None and found.still_s < DEAD_S

    def in_doubt(self, token: str) -> bool:
        found = self._seen.get(token)
        return found is not None and token != self.token and not found.moved and found.still_s < DEAD_S

    def close(self) -> None:
        self._closing.set()
        self._thread.join(timeout=BEAT_S)
        try:
            if self._line is None:
                self._line = self._connect()
            self._line.execute(_GONE, (self.token,))
            self._line.close()
        except Exception as error:  # noqa: BLE001  the server is away: others will see that this process is gone
            log.debug("heartbeat not taken back", error=type(error).__name__)

    def beat(self) -> None:
        """Tell that this process is alive, and look who else is. Raises the database's errors."""
        with self._at_line:
            if self._line is None:
                self._line = self._connect()
            self._line.execute(_BEAT, (self.token,))
            self._look(self._line)

    def _look_for(self, token: str) -> bool:
        """Whether it could be looked for."""
        with self._at_line:
            if self._line is None:
                return False
            try:
                self._look(self._line)
            except Exception as error:  # noqa: BLE001  the next beat says so, and makes the connection anew
                log.debug("not looked for", error=type(error).__name__)
                return False
        if token not in self._seen:
            self._ended.add(token)
        return True

    def _look(self, line: Line) -> None:
        now_s = self._monotonic_s()
        passed_s = now_s - self._looked_s if self._looked_s is not None else 0.0
        seen = {}
        for token, beats in line.execute(_ALL).fetchall():
            had = self._seen.get(token)
            if had is None or had.beats != beats:
                seen[token] = _Seen(beats, moved=had is not None)
            else:
                seen[token] = had._replace(still_s=had.still_s + passed_s)
            if seen[token].still_s > FORGOTTEN_S:
                line.execute(_GONE, (token,))
        self._seen, self._looked_s = seen, now_s

    def _run(self) -> None:
        while not self._closing.wait(BEAT_S):
            try:
                self.beat()
            except Exception as error:  # noqa: BLE001  whatever it is, it is tried again; nobody dies of it
                log.warning("no heartbeat: the ledger's server is away", error=type(error).__name__)
                self._looked_s = None  # what could not be watched does not count
                with self._at_line:
                    if self._line is not None:
                        self._line.close()
                        self._line = None
