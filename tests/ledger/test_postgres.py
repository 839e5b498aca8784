"""Books in PostgreSQL: what the contracts do not see."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.contracts.check_ledger import entry_of, hold_of
from tests.postgres_books import fresh_books, server
from thriftgate.core.control.whose import Whose
from thriftgate.core.errors import LedgerError
from thriftgate.ledger.postgres import PostgresConnection, PostgresStore, connected, with_defaults
from thriftgate.ledger.sql import SqlLedger


def count(url: str, table: str) -> int:
    connection = connected(url)
    row = connection.execute(f"select count(*) from {table}").fetchone()
    connection.close()
    assert row is not None
    return int(row[0])


def cut(url: str, but: int = 0) -> int:
    """Break off all connections to these books, as a server that restarts does."""
    name = url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(server().url, autocommit=True) as connection:
        return len(
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where pid not in (pg_backend_pid(), %s) "
                "and datname = %s and application_name = 'thriftgate'",
                (but, name),
            ).fetchall()
        )


async def test_a_connection_that_was_lost_is_made_anew() -> None:
    url = fresh_books()
    ledger = SqlLedger.open(url)
    await ledger.hold(hold_of("a"))
    assert cut(url) >= 1
    await ledger.settle(entry_of("a"))
    assert await ledger.entry("a") == entry_of("a")
    assert cut(url) >= 1
    assert await ledger.open_holds() == []
    await ledger.close()


async def test_a_row_that_no_index_takes_fails_alone_and_once() -> None:
    """It is no trouble of the server's: nobody waits for it to pass, and nothing is kept to be tried again."""
    ledger = SqlLedger.open(fresh_books())
    endless = entry_of("a", whose=Whose(tags=("".join(chr(0x4E00 + at) for at in range(5_000)),)))
    found = await asyncio.gather(ledger.settle(endless), ledger.settle(entry_of("b")), return_exceptions=True)
    assert isinstance(found[0], LedgerError)
    assert "index row" in str(found[0])
    assert found[1] is None
    await ledger.settle(entry_of("c"))
    assert [entry.id for entry in await ledger.entries()] == ["b", "c"]
    await ledger.close()


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_without_an_answer_is_looked_up(committed: bool) -> None:
    url = fresh_books()
    store = PostgresStore.open(url)
    real, lost = PostgresConnection.script, threading.Event()

    def losing(self: PostgresConnection, statement: str) -> psycopg.Cursor[tuple[object, ...]]:
        if statement != "commit" or lost.is_set():
            return real(self, statement)
        lost.set()
        if committed:
            real(self, statement)
        self.raw.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    done: list[int] = []

    def work(connection: PostgresConnection) -> None:
        done.append(1)
        connection.execute("insert into meta (name, value) values ('once', 'x')")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PostgresConnection, "script", losing)
        store.write(work)
    assert len(done) == (1 if committed else 2)
    assert count(url, "meta where name = 'once'") == 1
    store.close()


def test_a_deadlock_is_done_again() -> None:
    url = fresh_books()
    stores = [PostgresStore.open(url) for _ in range(2)]
    stores[0].write(lambda connection: connection.insert("meta", ("name", "value"), [("a", "0"), ("b", "0")]))
    both = threading.Barrier(2)
    tries: list[str] = []

    def work(order: str) -> None:
        def add(connection: PostgresConnection) -> None:
            first = order not in tries
            tries.append(order)
            for name in order:
                connection.execute("update meta set value = cast(cast(value as bigint) + 1 as text) where name = ?", (name,))
                if name == order[0] and first:
                    both.wait(30)

        stores["ab".index(order[0])].write(add)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, ("ab", "ba")))
    assert len(tries) >= 3
    assert count(url, "meta where value = '2'") == 2
    for store in stores:
        store.close()


def test_locks_of_one_name_wait_for_each_other() -> None:
    url = fresh_books()
    one, two = PostgresStore.open(url), PostgresStore.open(url)
    held, go, order = threading.Event(), threading.Event(), list[str]()

    def first(connection: PostgresConnection) -> None:
        connection.lock_named("x")
        held.set()
        go.wait(30)
        order.append("first")

    def second(connection: PostgresConnection) -> None:
        connection.lock_named("y")  # another name
        go.set()
        connection.lock_named("x")
        order.append("second")

    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(one.write, first)
        assert held.wait(30)
        pool.submit(two.write, second).result(30)
        waiting.result(30)
    assert order == ["first", "second"]
    one.close()
    two.close()


async def test_zero_characters_are_replaced_and_nothing_is_lost() -> None:
    ledger = SqlLedger.open(fresh_books())
    await ledger.hold(hold_of("a", model="m\x00del"))
    await asyncio.gather(*(ledger.settle(entry_of(f"id{at}", note="n\x00te")) for at in range(20)))
    assert [hold.model for hold in await ledger.open_holds()] == ["m\ufffddel"]
    assert {entry.note for entry in await ledger.entries()} == {"n\ufffdte"}
    await ledger.close()


def test_one_leads_until_its_connection_ends() -> None:
    url = fresh_books()
    one, two = PostgresStore.open(url), PostgresStore.open(url)
    assert one.try_lead()
    assert one.try_lead()
    assert not two.try_lead()
    cut(url)
    assert two.try_lead()
    assert not one.try_lead()
    one.close()
    two.close()


def test_processes_that_start_together_bring_the_schema_up_to_date_once() -> None:
    url = fresh_books(empty=True)
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(PostgresStore.open, [url] * 4))
    assert count(url, "schema_version") == count(url, "(select distinct version from schema_version) as v")
    for store in stores:
        store.close()


def test_books_of_a_newer_version_are_refused() -> None:
    url = fresh_books()
    connection = connected(url)
    connection.execute("insert into schema_version values (99)")
    connection.close()
    with pytest.raises(LedgerError, match=r"schema version 99.*update thriftgate"):
        PostgresStore.open(url)


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(LedgerError, match=r"cannot open the ledger postgresql://me@127.0.0.1:1/books: ") as caught:
        PostgresStore.open("postgresql://me:s3cret@127.0.0.1:1/books")
    assert "s3cret" not in str(caught.value)


def test_what_a_url_says_itself_is_kept() -> None:
    assert "connect_timeout=5" in with_defaults("postgresql://h/n")
    assert "connect_timeout=60" in with_defaults("postgresql://h/n?connect_timeout=60")
