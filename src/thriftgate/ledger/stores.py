"""Which database keeps the books that a path or a URL names."""

from __future__ import annotations

from types import ModuleType
from typing import Literal

from thriftgate.core.errors import LedgerError
from thriftgate.ledger.connection import Store
from thriftgate.ledger.sqlite import SqliteStore


def is_url(path: str) -> bool:
    """Whether it names a database server, not a file."""
    return "://" in path


def open_store(path: str, sync: Literal["normal", "full"] = "normal") -> Store:
    """Open a SQLite file, or PostgreSQL at a `postgresql://` URL, and bring its schema up to date. Raises LedgerError."""
    if not is_url(path):
        return SqliteStore.open(path, sync)
    store: Store = _postgres(path).PostgresStore.open(path, sync)
    return store


def are_books(url: str) -> bool:
    """Whether a thriftgate has opened books there. Raises LedgerError where the server does not answer."""
    found: bool = _postgres(url).are_books(url)
    return found


def _postgres(url: str) -> ModuleType:
    scheme = url.partition("://")[0]
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
