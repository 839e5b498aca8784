"""A ledger's own connections, for tests that do something to its file behind its back."""

from __future__ import annotations

from thriftgate.ledger.entries import Ledger
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sqlite import SqliteConnection, SqliteStore


def store_of(ledger: Ledger) -> SqliteStore:
    assert isinstance(ledger, SqlLedger)
    assert isinstance(ledger.store, SqliteStore)
    return ledger.store


def writer_of(ledger: Ledger) -> SqliteConnection:
    with store_of(ledger)._writer as connection:
        return connection


def reader_of(ledger: Ledger) -> SqliteConnection:
    with store_of(ledger)._reader as connection:
        return connection
