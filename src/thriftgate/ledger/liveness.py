"""Which processes that write a ledger are alive: each holds a lock beside it, under the name that stands in the ids of its
calls. The operating system lets go of it whatever way the process ends, so what a dead one left open can be told at once
from what a living one is at work on.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from thriftgate.core.errors import LedgerError

_ID_CHARS = 29  # tg_, 14 of time, 8 of the process, 4 of a counter


class Liveness:
    """The lock of this process, on the ledger at `path`, until closed."""

    def __init__(self, path: str, token: str) -> None:
        # Whatever way a process came to the file, all look for locks in the same place.
        self._path = path if path == ":memory:" else str(Path(path).resolve())
        self.token = token
        self._lock = _locked(self._path, token)
        if self._lock is None and path != ":memory:":
            raise LedgerError(f"cannot lock {_lock_path(self._path, token)}: another process bears the same name")

    def is_alive(self, token: str) -> bool:
        """Whether the process of that name is at work on this ledger. What a dead one left of its lock is removed."""
        if token == self.token:
            return True
        if self._path == ":memory:" or not token or not _lock_path(self._path, token).exists():
            return False
        lock = _locked(self._path, token)
        if lock is None:
            return True
        lock.close()
        _lock_path(self._path, token).unlink(missing_ok=True)
        return False

    def in_doubt(self, _token: str) -> bool:
        """A lock is held, or is not."""
        return False

    def close(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
            _lock_path(self._path, self.token).unlink(missing_ok=True)


def process_of(call_id: str) -> str:
    """The name of the process that gave a call its id; "" for an id of another form."""
    return call_id[17:25] if len(call_id) == _ID_CHARS and call_id.startswith("tg_") else ""


def _lock_path(path: str, token: str) -> Path:
    return Path(f"{path}-live-{token}")


def _locked(path: str, token: str) -> sqlite3.Connection | None:
    """SQLite's own lock on a file of its own: it works alike on every system. None where another holds it, or where
    that cannot be told: then it counts as held."""
    if path == ":memory:":
        return None
    try:
        connection = sqlite3.connect(_lock_path(path, token), isolation_level=None, timeout=0, check_same_thread=False)
    except sqlite3.Error:
        return None
    try:
        connection.execute("begin exclusive")
    except sqlite3.Error:
        connection.close()
        return None
    return connection
