"""A connection to a SQLite file that is never open while this process forks.

SQLite's locks are the process's, and it keeps account of them in memory, which a child inherits: it would count what its
parent had locked at that moment as its own for ever, and take no lock where its parent held one, so that either side could
throw away what the other one writes (sqlite.org/howtocorrupt.html, section 2.6, 2026-11).
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakSet

C = TypeVar("C", bound=sqlite3.Connection)


class SqliteFile(Generic[C]):
    """`with file as connection`: for one thread at a time. It is opened at its first use, and at the first one after a fork;
    what cannot be opened raises what `opened` raises. What is in memory only has no file, and stays open."""

    def __init__(self, opened: Callable[[], C], *, in_memory: bool = False) -> None:
        self.lock = threading.Lock()
        self._opened = opened
        self._connection: C | None = None
        self._in_memory = in_memory
        with _FORKS.gate:
            _FORKS.files.add(self)

    def __enter__(self) -> C:
        self.lock.acquire()
        if self._connection is None:
            try:
                self._connection = self._opened()
            except BaseException:
                self.lock.release()
                raise
        return self._connection

    def __exit__(self, *_: object) -> None:
        self.lock.release()

    def park(self) -> None:
        """Close it until it is used again. To be called with the lock held."""
        if self._connection is not None and not self._in_memory:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """For good."""
        with _FORKS.gate:
            _FORKS.files.discard(self)
        with self.lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def set_up(connection: C, *statements: str) -> C:
    """A connection after these statements; closed where one of them fails. Raises sqlite3.Error."""
    try:
        for statement in statements:
            connection.execute(statement)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


class _Forks:
    """All files of this process. A fork waits until none is used, and keeps all as they are until it is done."""

    def __init__(self) -> None:
        self.gate = threading.Lock()
        self.files: WeakSet[SqliteFile[Any]] = WeakSet()
        self._taken: list[SqliteFile[Any]] = []

    def before(self) -> None:
        self.gate.acquire()
        files = list(self.files)
        while (busy := self._take(files)) is not None:
            # Whoever uses it may wait for one that was taken: all are let go of, and that one is waited for first.
            files.remove(busy)
            files.insert(0, busy)
        for file in files:
            file.park()

    def _take(self, files: list[SqliteFile[Any]]) -> SqliteFile[Any] | None:
        """All of them, or the one that is in use."""
        for at, file in enumerate(files):
            if not file.lock.acquire(blocking=at == 0):
                for one in files[:at]:
                    one.lock.release()
                return file
        self._taken = files
        return None

    def after(self) -> None:
        """In the parent, and in the child."""
        for file in self._taken:
            file.lock.release()
        self._taken = []
        self.gate.release()


_FORKS = _Forks()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_FORKS.before, after_in_parent=_FORKS.after, after_in_child=_FORKS.after)
