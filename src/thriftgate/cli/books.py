"""Open books that are there already, for verbs that only read them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from thriftgate.core.errors import ConfigError, LedgerError
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.stores import has_books
from thriftgate.ledger.urls import is_url, without_password

_T = TypeVar("_T")


def ask_books(path: str, question: Callable[[SqlLedger], Awaitable[_T]]) -> _T:
    """Open the ledger at `path`, put the question, close it.

    Raises ConfigError where there is no such file or it is no ledger: a question must not leave an empty file behind.
    LedgerError where it cannot be read.
    """
    check_is_ledger(path)

    async def ask() -> _T:
        ledger = SqlLedger.open(path)
        try:
            return await question(ledger)
        finally:
            await ledger.close()

    return asyncio.run(ask())


def check_is_ledger(path: str) -> None:
    """Raises ConfigError unless there is a ledger at `path`, a file or a URL."""
    hint = "name the right one with --ledger, or set ledger.path"
    if path == ":memory:":
        raise ConfigError(f"the ledger is kept in memory by the gateway and cannot be read from here; {hint}")
    if is_url(path):
        _check_server(path, hint)
        return
    if not Path(path).is_file():
        raise ConfigError(f"there is no ledger at {path}; {hint}")
    try:
        connection = sqlite3.connect(Path(path).absolute().as_uri() + "?mode=ro", uri=True)
        try:
            tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise ConfigError(f"{path} cannot be read as a ledger: {error}; {hint}") from None
    if not {"holds", "entries", "postings"} <= tables:
        raise ConfigError(f"{path} is a database, but no ledger; {hint}")


def _check_server(path: str, hint: str) -> None:
    try:
        found = has_books(path)
    except LedgerError as error:
        raise ConfigError(f"{error}; {hint}") from None
    if not found:
        raise ConfigError(f"there is no ledger at {without_password(path)}; {hint}")
