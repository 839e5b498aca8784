"""Books on one PostgreSQL server, which is started once; and what can happen to a transaction there."""

from __future__ import annotations

import atexit
import itertools
import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from tests.servers import PostgresServer, postgres_server
from tests.sim.chaos.stores import Strikes, StruckStore
from thriftgate.ledger.connection import Presence, Store
from thriftgate.ledger.heartbeats import DEAD_S, Heartbeats
from thriftgate.ledger.postgres import PostgresConnection, PostgresStore, connected

PATIENCE_S = 30.0
"""How long a write waits for the server to recover: longer than that takes on a busy machine."""

_T = TypeVar("_T")
_NUMBERS = itertools.count(1)


@cache
def server() -> PostgresServer:
    """The one of this process, until it ends: what it said is committed outlives a crash of its own."""
    stack = ExitStack()
    started = stack.enter_context(postgres_server(settings=("synchronous_commit=on", "restart_after_crash=on")))
    atexit.register(stack.close)
    _admin("create database books_0", started.url)
    PostgresStore.open(f"{started.url.rpartition('/')[0]}/books_0").close()
    return started


class Steady(Heartbeats):
    """A presence that beats when it is told to, and not by the real time: whoever waits for it to know makes time pass."""

    def __init__(self, ground: Server, token: str) -> None:
        self._ground = ground
        super().__init__(token, ground.connected, lambda: ground.steady_s)

    def in_doubt(self, token: str) -> bool:
        if super().in_doubt(token):
            self._ground.watch()
        return super().in_doubt(token)

    def _run(self) -> None:
        return


class Server:
    """See `grounds.Ground`."""

    def __init__(self, _folder: Path) -> None:
        server()
        self._name = f"books_{next(_NUMBERS)}"
        self.steady_s = 0.0
        self._alive: list[Steady] = []
        _admin(f"create database {self._name} template books_0")

    def open(self, strikes: Strikes) -> StruckStore:
        store = PostgresStore.open(_url(self._name), patience_s=PATIENCE_S)
        return StruckStore(store, strikes, self._presence, keeps=False)

    def died(self, presence: Presence) -> None:
        assert isinstance(presence, Steady)
        self._alive.remove(presence)
        if presence._line is not None:
            presence._line.close()

    def watch(self) -> None:
        self._alive = [one for one in self._alive if not one._closing.is_set()]
        for _ in range(2):
            for one in self._alive:
                one.try_to_beat()
            self.steady_s += DEAD_S + 1.0
        for one in self._alive:
            one.try_to_beat()

    def close(self) -> None:
        _admin(f"drop database {self._name} with (force)")

    def connected(self) -> PostgresConnection:
        """A connection of its own to these books."""
        return connected(_url(self._name))

    def _presence(self, token: str) -> Presence:
        made = Steady(self, token)
        self._alive.append(made)
        return made


def struck(store: Store, way: str, work: Callable[[Any], _T]) -> _T:
    """The same write, with what happens to it once."""
    assert isinstance(store, PostgresStore)
    left = [way]

    def once(connection: PostgresConnection) -> _T:
        result = work(connection)
        way = left.pop() if left else ""
        if way == "terminated":
            _admin(f"select pg_terminate_backend({connection.raw.info.backend_pid})")
        elif way == "deadlock":
            connection.script("do $$ begin raise exception 'as the seed will have it' using errcode = '40P01'; end $$")
        elif way == "commit cut":
            _cut_at_commit(connection)
        elif way == "crash":
            os.kill(connection.raw.info.backend_pid, signal.SIGKILL)  # one dead process: the server recovers as from a crash
        return result

    return store.write(once)


def _cut_at_commit(connection: PostgresConnection) -> None:
    """The commit arrives, and its answer does not."""
    say = connection.script

    def cut(statement: str) -> psycopg.Cursor[Any]:
        told = say(statement)
        if statement == "commit":
            connection.raw.close()
            raise psycopg.OperationalError("the connection broke, as the seed will have it")
        return told

    connection.script = cut  # type: ignore[method-assign]


def _url(name: str) -> str:
    return f"{server().url.rpartition('/')[0]}/{name}"


def _admin(statement: str, url: str = "") -> None:
    """Asked again while the server recovers."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            with psycopg.connect(url or server().url, autocommit=True) as connection:
                connection.execute(statement.encode())
        except psycopg.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
