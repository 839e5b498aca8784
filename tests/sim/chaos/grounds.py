"""Where the books of one seed are: in memory, in a file, in PostgreSQL; empty at first, kept until the seed is through."""

from __future__ import annotations

import shutil
import sqlite3
from functools import cache
from pathlib import Path
from typing import Protocol

from tests.sim.chaos.stores import Strikes, StruckStore
from thriftgate.ledger.connection import Presence
from thriftgate.ledger.liveness import Liveness
from thriftgate.ledger.sqlite import SqliteStore

BACKENDS = ("memory", "sqlite", "postgres")


class Ground(Protocol):
    """`open` for another life, `free` what a killed life of that name held, `watch` for so long that the dead are known."""

    def open(self, strikes: Strikes) -> StruckStore: ...

    def died(self, presence: Presence) -> None: ...

    def watch(self) -> None: ...

    def close(self) -> None: ...


class Memory:
    """The database outlives the engines that use it: a process that is killed and started again in one."""

    def __init__(self, _folder: Path) -> None:
        self._store = SqliteStore(":memory:")
        with self._store._writer as raw:
            _template().backup(raw)

    def open(self, strikes: Strikes) -> StruckStore:
        return StruckStore(self._store, strikes, lambda token: Liveness(":memory:", token), keeps=True)

    def died(self, presence: Presence) -> None:
        pass

    def watch(self) -> None:
        pass

    def close(self) -> None:
        self._store.close()


class File:
    """A SQLite file. A killed process lets go of its locks."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "books.db"
        shutil.copyfile(_template_file(), self._path)

    def open(self, strikes: Strikes) -> StruckStore:
        store = SqliteStore.open(str(self._path))
        return StruckStore(store, strikes, store.presence, keeps=False)

    def died(self, presence: Presence) -> None:
        assert isinstance(presence, Liveness)
        if presence._lock is not None:
            presence._lock.close()

    def watch(self) -> None:
        pass

    def close(self) -> None:
        pass


def ground(backend: str, folder: Path) -> Ground:
    """Empty books."""
    if backend == "postgres":
        from tests.sim.chaos.postgres import Server

        return Server(folder)
    return Memory(folder) if backend == "memory" else File(folder)


@cache
def _template() -> sqlite3.Connection:
    """Books with their schema."""
    with SqliteStore.open(":memory:")._writer as connection:
        return connection


@cache
def _template_file() -> Path:
    import atexit
    import tempfile

    folder = tempfile.TemporaryDirectory(prefix="tg-chaos-")
    atexit.register(folder.cleanup)
    path = Path(folder.name) / "template.db"
    with sqlite3.connect(path) as target:
        target.execute("pragma journal_mode = wal")
        _template().backup(target)
    target.close()
    return path
