"""Empty books in PostgreSQL for a test: one server for each process that runs tests, and for each test a copy of books that
were brought up to date once."""

from __future__ import annotations

import atexit
import itertools
from contextlib import ExitStack
from functools import cache

import psycopg

from tests.servers import PostgresServer, postgres_server
from thriftgate.ledger.postgres import PostgresStore

_NUMBERS = itertools.count(1)
KEPT = 8
"""Older ones go: each takes 10 MB."""


@cache
def server() -> PostgresServer:
    """The one of this process, until it ends. Skips the test where PostgreSQL is not installed."""
    stack = ExitStack()
    started = stack.enter_context(postgres_server())
    atexit.register(stack.close)
    with psycopg.connect(started.url, autocommit=True) as connection:
        connection.execute(b"create database books_0")
    PostgresStore.open(_url(started, 0)).close()
    return started


def fresh_books(*, empty: bool = False) -> str:
    """The URL of books that nobody has written to; `empty` of a database without any."""
    at = next(_NUMBERS)
    with psycopg.connect(server().url, autocommit=True) as connection:
        if at > KEPT:
            connection.execute(f"drop database books_{at - KEPT} with (force)".encode())
        connection.execute(f"create database books_{at} template {'template0' if empty else 'books_0'}".encode())
    return _url(server(), at)


def _url(running: PostgresServer, at: int) -> str:
    return f"{running.url.rpartition('/')[0]}/books_{at}"
