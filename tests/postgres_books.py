"""Empty books in PostgreSQL for a test: one server for each process that runs tests, a schema of its own for each test."""

from __future__ import annotations

import atexit
import itertools
import os
from contextlib import ExitStack
from functools import cache

import psycopg

from tests.servers import PostgresServer, postgres_server

_NUMBERS = itertools.count(1)


@cache
def server() -> PostgresServer:
    """The one of this process, until it ends. Skips the test where PostgreSQL is not installed."""
    stack = ExitStack()
    started = stack.enter_context(postgres_server())
    atexit.register(stack.close)
    return started


def fresh_books() -> str:
    """The URL of books that nobody has written to."""
    name = f"books_{os.getpid()}_{next(_NUMBERS)}"
    with psycopg.connect(server().url, autocommit=True) as connection:
        connection.execute(f"create schema {name}".encode())
    return f"{server().url}?options=-csearch_path%3D{name}"
