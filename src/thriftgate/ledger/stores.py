"""Which database keeps the books that a path or a URL names."""

from __future__ import annotations

from types import ModuleType
from typing import Literal

from thriftgate.core.errors import LedgerError
from thriftgate.ledger.connection import Store
from thriftgate.ledger.sqlite import SqliteStore
from thriftgate.ledger.urls import is_url

PATIENCE_S = 10.0


def open_store(path: str, sync: Literal["normal", "full"] = "normal", patience_s: float = PATIENCE_S) -> Store:
    """Open a SQLite file, or PostgreSQL at a `postgresql://` URL, and bring its schema up to date; what is written waits for
    so long while a server is away. Raises LedgerError."""
    if not is_url(path):
        return SqliteStore.open(path, sync)
    found: Store = _postgres(path).PostgresStore.open(path, sync, patience_s)
    return found


def has_books(path: str) -> bool:
    """Whether a server keeps any at that URL. Makes none. Raises LedgerError."""
    found: bool = _postgres(path).has_books(path)
    return found


def _postgres(path: str) -> ModuleType:
    scheme = path.partition("://")[0]
    if scheme not in ("postgresql", "postgres"):
        raise LedgerError(
            f"ledger.path: {scheme}:// is no database that keeps books; name a file, or postgresql://HOST/NAME"
        )
    try:
        from thriftgate.ledger import postgres  # noqa: PLC0415  an extra, and slow to load
    except ImportError as error:
        raise LedgerError(
            f"ledger.path: books in PostgreSQL need the extra `postgres` ({error}): pip install 'thriftgate[postgres]'"
        ) from None
    return postgres
