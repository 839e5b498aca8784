"""Which processes that write a ledger on a server are alive: each counts up a number there, and watches the others'.

A process is dead once its number stood still for `DEAD_S` of the watcher's own time, during which the watcher could see it:
no clock is compared with another one's, and a server that is away for a while kills nobody. One that was never seen may have
begun since the last look: it is dead where the next one does not find its number.
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
        self._sought: set[str] = set()  # names that somebody asked for, and that were never seen
        self._ended: set[str] = set()  # that have no number any more: nobody gets such a name again
        self._closing = threading.Event()
        self.beat()
        self._thread = threading.Thread(target=self._run, name="ledger-heartbeat", daemon=True)
        self._thread.start()

    def is_alive(self, token: str) -> bool:
        """A name that was never seen may be, until it was looked for."""
        if token == self.token:
            return True
        found = self._seen.get(token)
        return found.still_s < DEAD_S if found is not None else self._is_sought(token)

    def in_doubt(self, token: str) -> bool:
        if token == self.token:
            return False
        found = self._seen.get(token)
        return not found.moved and found.still_s < DEAD_S if found is not None else self._is_sought(token)

    def _is_sought(self, token: str) -> bool:
        """Whether it is still to be looked for."""
        if not token or token in self._ended:
            return False
        self._sought.add(token)
        return True

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
        if self._line is None:
            self._line = self._connect()
        self._line.execute(_BEAT, (self.token,))
        now_s = self._monotonic_s()
        wanted, self._sought = self._sought, set()  # whoever is asked for meanwhile is looked for next time
        wanted |= self._seen.keys()
        passed_s = now_s - self._looked_s if self._looked_s is not None else 0.0
        seen = {}
        for token, beats in self._line.execute(_ALL).fetchall():
            had = self._seen.get(token)
            if had is None or had.beats != beats:
                seen[token] = _Seen(beats, moved=had is not None)
            else:
                seen[token] = had._replace(still_s=had.still_s + passed_s)
            if seen[token].still_s > FORGOTTEN_S:
                self._line.execute(_GONE, (token,))
        self._seen, self._looked_s = seen, now_s
        self._ended |= wanted - seen.keys()

    def _run(self) -> None:
        while not self._closing.wait(BEAT_S):
            self.try_to_beat()

    def try_to_beat(self) -> None:
        """While the server is away, this process can neither tell nor see anything."""
        try:
            self.beat()
        except Exception as error:  # noqa: BLE001  whatever it is, it is tried again; nobody dies of it
            log.warning("no heartbeat: the ledger's server is away", error=type(error).__name__)
            self._looked_s = None  # what could not be watched does not count
            if self._line is not None:
                self._line.close()
                self._line = None
