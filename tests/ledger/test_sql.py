"""The SQLite ledger beyond the contract (tests/contracts): files that are none, full disks, locks, other processes."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contracts.check_ledger import entry_of, hold_of
from tests.sqlite_books import writer_of
from thriftgate.core.errors import LedgerError
from thriftgate.ledger import sqlite as module
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.sql import ENOUGH, MANY, SqlLedger


def refused(path: Path | str) -> str:
    """The words in which a file is refused."""
    with pytest.raises(LedgerError) as caught:
        SqlLedger.open(path)
    return str(caught.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary, " * 100)
    assert refused(path) == f"cannot open the ledger {path}: file is not a database"
    assert path.read_text() == "dear diary, " * 100


def test_a_directory(tmp_path: Path) -> None:
    assert refused(tmp_path) == f"cannot open the ledger {tmp_path}: unable to open database file"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert refused(tmp_path / "file" / "books.db").startswith(f"cannot open the ledger {tmp_path}/file/books.db: ")


def test_a_url_makes_no_folder_named_after_its_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "no database that keeps books" in refused("mysql://localhost/books")
    assert "cannot open the ledger postgresql://127.0.0.1:1/books" in refused("postgresql://127.0.0.1:1/books")
    assert not list(tmp_path.iterdir())


def test_a_device_that_cannot_be_written() -> None:
    assert refused("/dev/full").startswith("cannot open the ledger /dev/full: ")


async def test_missing_folders_are_made(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "a" / "b" / "books.db")
    await ledger.settle(entry_of("a"))
    await ledger.close()
    assert (tmp_path / "a" / "b" / "books.db").is_file()


async def test_a_full_disk_fails_in_words_and_recovers(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")
    pages = writer_of(ledger).execute("pragma page_count").fetchone()[0]
    writer_of(ledger).execute(f"pragma max_page_count = {pages + 1}")
    long = "x" * 100_000
    results = await asyncio.gather(*(ledger.settle(entry_of(f"id{n}", note=long)) for n in range(5)), return_exceptions=True)
    assert {str(result) for result in results} == {f"cannot write the ledger {ledger.path}: database or disk is full"}
    assert len({id(result) for result in results}) == 5  # each caller has an error of its own
    writer_of(ledger).execute("pragma max_page_count = 100000")
    await ledger.settle(entry_of("id0", note=long))
    assert [entry.id for entry in await ledger.entries()] == [f"id{n}" for n in range(5)]
    await ledger.close()


async def test_a_file_made_read_only_underneath(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")
    writer_of(ledger).execute("pragma query_only = on")
    with pytest.raises(LedgerError, match="attempt to write a readonly database"):
        await ledger.settle(entry_of("a"))
    assert await ledger.entry("a") is None
    await ledger.close()


async def test_a_lock_of_another_process_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_TIMEOUT_MS", 200)
    ledger = SqlLedger.open(tmp_path / "books.db")
    other = sqlite3.connect(tmp_path / "books.db", isolation_level=None)
    other.execute("begin immediate")
    loop = asyncio.get_running_loop()
    first = asyncio.ensure_future(ledger.settle(entry_of("first")))
    began = loop.time()
    rest = [asyncio.ensure_future(ledger.settle(entry_of(f"id{n}"))) for n in range(50)]
    results = await asyncio.gather(first, *rest, return_exceptions=True)
    assert all(isinstance(result, LedgerError) and "database is locked" in str(result) for result in results)
    assert loop.time() - began < 5  # one by one it would be ten seconds
    other.execute("rollback")
    other.close()
    await ledger.settle(entry_of("after"))
    assert {entry.id for entry in await ledger.entries()} == {"first", "after", *(f"id{n}" for n in range(50))}
    await ledger.close()


async def test_rows_no_thriftgate_wrote_are_an_error_in_words(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")
    await ledger.settle(entry_of("a"))
    writer_of(ledger).execute("update entries set outcome = 'won the lottery' where id = 'a'")
    with pytest.raises(LedgerError, match="cannot read the ledger"):
        await ledger.entry("a")
    writer_of(ledger).execute("update entries set outcome = 'answered', thinking_tokens = 5 where id = 'a'")
    with pytest.raises(LedgerError, match="thinking"):
        await ledger.entries()
    await ledger.close()


async def test_tampering_with_a_posting_shows(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")
    for name in ("a", "b"):
        await ledger.settle(entry_of(name))
    writer_of(ledger).execute("update postings set pico = pico + 1 where entry = 'b' and account = 'upstream'")
    assert await ledger.unbalanced() == ["b"]
    await ledger.close()


async def test_a_reader_beside_the_writer_sees_whole_batches(tmp_path: Path) -> None:
    writer, reader = (SqlLedger.open(tmp_path / "books.db") for _ in range(2))

    async def write() -> None:
        for start in range(0, 400, 40):
            await asyncio.gather(*(writer.settle(entry_of(f"id{start + n:03}", paid=1)) for n in range(40)))

    writing = asyncio.ensure_future(write())
    while not writing.done():
        report = await reader.report()
        assert report.paid_pico == report.calls
    await writing
    assert (await reader.report()).calls == 400
    await writer.close()
    await reader.close()


async def test_in_memory_a_question_never_sees_half_a_batch() -> None:
    ledger = SqlLedger.open(":memory:")
    await ledger.settle(entry_of("taken"))

    async def write() -> None:
        for start in range(0, 400, 40):
            bad = [ledger.settle(entry_of("taken"))]  # its batch is rolled back and written one by one
            good = [ledger.settle(entry_of(f"id{start + n:03}")) for n in range(40)]
            await asyncio.gather(*good, *bad, return_exceptions=True)

    writing = asyncio.ensure_future(write())
    while not writing.done():
        report = await ledger.report()
        assert report.paid_pico == 10**12 * report.calls
    assert (await ledger.report()).calls == 401
    await ledger.close()


async def test_only_one_leads_on_the_same_books_and_others_may_read(tmp_path: Path) -> None:
    one, two = (SqlLedger.open(tmp_path / "books.db") for _ in range(2))
    assert (one.try_lead(), two.try_lead(), one.try_lead()) == (True, False, True)
    await one.settle(entry_of("a"))
    assert len(await two.entries()) == 1
    await two.close()
    await one.close()
    three = SqlLedger.open(tmp_path / "books.db")
    assert three.try_lead()
    await three.close()


async def test_a_secret_is_made_once(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")
    assert await ledger.secret("salt", "one") == "one"
    assert await ledger.secret("salt", "two") == "one"
    await ledger.close()
    again = SqlLedger.open(tmp_path / "books.db")
    assert await again.secret("salt", "three") == "one"
    await again.close()


async def test_those_who_ask_at_once_get_the_same_secret(tmp_path: Path) -> None:
    books = [SqlLedger.open(tmp_path / "books.db") for _ in range(4)]
    told = await asyncio.gather(*(ledger.secret("salt", str(n)) for n, ledger in enumerate(books)))
    assert len(set(told)) == 1
    for ledger in books:
        await ledger.close()


# --- work of others in the books' own transactions ----------------------------------------------------------------------


def noted(name: str, value: str) -> Callable[[Connection], str]:
    """Work that writes one row, and tells which rows there were before."""

    def work(connection: Connection) -> str:
        before = ",".join(row[0] for row in connection.execute("select name from meta order by name"))
        connection.execute("insert into meta (name, value) values (?, ?)", (name, value))
        return before

    return work


def failing(error: Exception) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        connection.execute("insert into meta (name, value) values ('half', 'done')")
        raise error

    return work


async def noted_in(ledger: SqlLedger) -> list[tuple[str, str]]:
    return await ledger.ask(lambda connection: connection.execute("select name, value from meta order by name").fetchall())


@pytest.mark.parametrize("memory", [True, False])
async def test_work_is_done_as_one_and_its_result_comes_back(memory: bool, tmp_path: Path) -> None:
    ledger = SqlLedger.open(":memory:" if memory else tmp_path / "books.db")
    assert await ledger.transact(noted("a", "1")) == ""
    assert await ledger.transact(noted("b", "2")) == "a"
    assert await noted_in(ledger) == [("a", "1"), ("b", "2")]
    await ledger.close()


class Odd(LedgerError):
    """An error of someone's own."""

    label = "odd"


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (Odd("lost it"), Odd, "^lost it$"),
        (LedgerError("no"), LedgerError, "^no$"),
        (ValueError("bad"), LedgerError, "^cannot write the ledger .*: bad$"),
        (sqlite3.IntegrityError("twice"), LedgerError, "^cannot write the ledger .*: twice$"),
        (AssertionError("never"), LedgerError, "^cannot write the ledger .*: never$"),
        (MemoryError(), LedgerError, "^cannot write the ledger "),
    ],
)
async def test_what_work_raises_undoes_it_and_nothing_else(
    error: Exception, kind: type[Exception], words: str, memory: bool, tmp_path: Path
) -> None:
    ledger = SqlLedger.open(":memory:" if memory else tmp_path / "books.db")
    results = await asyncio.gather(
        ledger.settle(entry_of("a")),
        ledger.transact(noted("one", "1")),
        ledger.transact(failing(error)),
        ledger.hold(hold_of("b")),
        ledger.transact(noted("two", "2")),
        return_exceptions=True,
    )
    assert [result for at, result in enumerate(results) if at != 2] == [None, "", (), "one"]
    assert type(results[2]) is kind
    with pytest.raises(kind, match=words):
        raise results[2]
    assert [name for name, _ in await noted_in(ledger)] == ["one", "two"]
    assert len(await ledger.entries()) == len(await ledger.open_holds()) == 1
    await ledger.close()


async def test_what_was_handed_over_before_is_there_for_the_work(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")

    def ids(connection: Connection) -> list[str]:
        return [row[0] for row in connection.execute("select id from entries order by id")]

    before = [ledger.settle(entry_of(f"id{n}")) for n in range(3)]
    *_, found = await asyncio.gather(*before, ledger.transact(ids))  # all in one turn of the loop
    assert found == ["id0", "id1", "id2"]
    works = [asyncio.ensure_future(ledger.transact(noted(str(n), ""))) for n in range(50)]
    assert [(await work).count(",") for work in works[2:]] == list(range(1, 49))  # in order
    await ledger.close()


async def test_work_whose_caller_is_gone_is_done_all_the_same(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")
    task = asyncio.ensure_future(ledger.transact(noted("a", "1")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ledger.transact(noted("b", "2"))
    assert [name for name, _ in await noted_in(ledger)] == ["a", "b"]
    await ledger.close()


class Paced:
    """Books whose transactions are far apart. `sizes`: of each, how many holds there are after it."""

    def __init__(self, path: Path, pace_s: float) -> None:
        self.ledger = SqlLedger.open(path)
        self.ledger.store.pace_s = pace_s
        self.sizes: list[int] = []
        write = self.ledger.store.write

        def counted(work: Callable[[Connection], object]) -> object:
            result = write(work)
            self.sizes.append(writer_of(self.ledger).execute("select count(*) from holds").fetchone()[0])
            return result

        self.ledger.store.write = counted  # type: ignore[method-assign, assignment]

    async def hold(self, *numbers: int) -> None:
        await asyncio.gather(*(self.ledger.hold(hold_of(f"id{number}")) for number in numbers))


async def test_where_many_come_the_next_transaction_waits_for_more(tmp_path: Path) -> None:
    books = Paced(tmp_path / "books.db", pace_s=1.0)
    await books.hold(*range(MANY))
    later = []
    for number in range(MANY, MANY + 6):
        later.append(asyncio.ensure_future(books.hold(number)))
        await asyncio.sleep(0.02)
    await asyncio.gather(*later)
    assert books.sizes == [MANY, MANY + 6]
    await books.ledger.close()


async def test_enough_at_once_and_a_few_do_not_wait(tmp_path: Path) -> None:
    books = Paced(tmp_path / "books.db", pace_s=3600.0)  # whoever waited would wait for ever
    for number in range(3):
        await books.hold(number)
    await books.hold(*range(100, 150))
    await books.hold(*range(200, 200 + ENOUGH))
    assert books.sizes == [1, 2, 3, 53, 53 + ENOUGH]
    await books.ledger.close()


async def test_closing_does_not_wait_for_more(tmp_path: Path) -> None:
    books = Paced(tmp_path / "books.db", pace_s=2.0)
    await books.hold(*range(MANY))
    last = asyncio.ensure_future(books.ledger.hold(hold_of("last")))
    await asyncio.sleep(0)
    await books.ledger.close()
    await last
    assert books.sizes == [MANY, MANY + 1]


async def test_closing_does_what_waits_and_no_more(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")
    works = [asyncio.ensure_future(ledger.transact(noted(str(n), ""))) for n in range(20)]
    await asyncio.sleep(0)
    await ledger.close()
    assert len(await asyncio.gather(*works)) == 20
    for late in (ledger.transact(noted("late", "")), ledger.ask(lambda _: None)):
        with pytest.raises(LedgerError, match="the ledger is closed"):
            await late
    again = SqlLedger.open(tmp_path / "books.db")
    assert len(await noted_in(again)) == 20
    await again.close()


async def test_work_waits_for_the_lock_of_another_process_and_then_gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUSY_TIMEOUT_MS", 100)
    ledger = SqlLedger.open(tmp_path / "books.db")
    other = sqlite3.connect(tmp_path / "books.db", isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(LedgerError, match="database is locked"):
        await ledger.transact(noted("a", ""))
    other.execute("rollback")
    other.close()
    await ledger.transact(noted("b", ""))
    assert [name for name, _ in await noted_in(ledger)] == ["b"]
    await ledger.close()


async def test_a_question_cannot_write(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")
    with pytest.raises(LedgerError, match="cannot read the ledger"):
        await ledger.ask(noted("a", ""))
    assert await noted_in(ledger) == []
    await ledger.close()


async def test_in_memory_a_question_never_sees_half_of_some_work() -> None:
    ledger = SqlLedger.open(":memory:")

    def pair(number: int) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            for half in "ab":
                connection.execute("insert into meta (name, value) values (?, '')", (f"{number}{half}",))
            if number % 3 == 0:
                raise ValueError("undone")

        return work

    works = [asyncio.ensure_future(ledger.transact(pair(number))) for number in range(300)]
    while not all(work.done() for work in works):
        assert len(await noted_in(ledger)) % 2 == 0
    await asyncio.gather(*works, return_exceptions=True)
    assert len(await noted_in(ledger)) == 400
    await ledger.close()


# --- killed ---------------------------------------------------------------------------------------------------------------

KILLED = """
import asyncio, os, signal, sys
from tests.contracts.check_ledger import entry_of, hold_of
from thriftgate.ledger.sql import SqlLedger

async def main():
    ledger = SqlLedger.open(sys.argv[1])
    for number in range(10_000):
        await asyncio.gather(*(ledger.settle(entry_of(f"id{number:04}_{n}", paid=1, saved=1)) for n in range(3)))
        print(number, flush=True)

asyncio.run(main())
"""


async def test_what_was_told_durable_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while int(process.stdout.readline()) < 200:
        pass
    process.kill()
    told = [int(line) for line in process.stdout.read().splitlines()] or [200]
    process.stdout.close()
    process.wait()
    ledger = SqlLedger.open(path)
    ids = {entry.id for entry in await ledger.entries(limit=100_000)}
    assert {f"id{number:04}_{n}" for number in range(told[-1] + 1) for n in range(3)} <= ids
    assert await ledger.unbalanced() == []
    await ledger.hold(hold_of("goes on"))
    await ledger.close()
