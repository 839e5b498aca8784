"""Books copied into another database: all of them, once, on from where it was interrupted, and never over others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.contracts.check_ledger import entry_of
from tests.ledger.filled import NEWEST, ROWS, call_id, entry_at, fill, made_at
from tests.postgres_books import fresh_books
from thriftgate.core.errors import LedgerError
from thriftgate.ledger.connection import Connection, Store
from thriftgate.ledger.heartbeats import BEAT_S
from thriftgate.ledger.moving import Copied, alike, claim_idle, copy_books
from thriftgate.ledger.partitions import months_before
from thriftgate.ledger.sameness import Compared, compare_books
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.stores import open_store
from thriftgate.ledger.tables import Table, tables_of

WAYS = ["file to server", "server to file"]


class Two(NamedTuple):
    source: Store
    target: Store


@pytest.fixture(params=WAYS)
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Two]:
    """Filled books, and empty ones."""
    first, last = str(tmp_path / "a.db"), str(tmp_path / "b.db")
    if request.param == "server to file":
        first = fresh_books(empty=True)
    if request.param == "file to server":
        last = fresh_books(empty=True)
    made_at(first, NEWEST)
    with ExitStack() as stack:
        yield Two(*(stack.enter_context(closing(open_store(path))) for path in (first, last)))


def copied(two: Two, at_once: int = 2) -> dict[str, Copied]:
    told: list[Copied] = []
    copy_books(*two, at_once=at_once, told=told.append)
    assert len(told) == len({one.table for one in told}) == len(two.source.read(tables_of))
    return {one.table: one for one in told}


def differing(two: Two) -> list[str]:
    told: list[Compared] = []
    sums = compare_books(*two, at_once=3, told=told.append)
    assert len(sums) == 3
    return [one.table for one in told if not one.same] + [one.account for one in sums if not one.same]


def count(store: Store, table: str) -> int:
    found: int = store.read(lambda connection: connection.execute(f"select count(*) from {table}").fetchone()[0])
    return found


def test_each_row_of_each_table_is_copied(two: Two) -> None:
    assert differing(two)
    found = copied(two)
    assert differing(two) == []
    assert found["entries"] == Copied("entries", ROWS, 0)
    assert all(one.written for one in found.values() if one.table != "meta")


def test_the_copy_is_written_on(two: Two) -> None:
    copied(two)

    async def go_on() -> None:
        ledger = SqlLedger.open(two.target.path)
        try:
            assert list(await ledger.entries()) == [entry_at(at) for at in range(ROWS)]
            await ledger.settle(entry_of(call_id(1000)))
            assert await ledger.open_holds() == []
            made = "insert into deeds (at_us, who, via, action, subject, detail) values (1, '', '', '', '', '')"
            await ledger.transact(lambda connection: connection.execute(made))
            greatest = "select max(id), count(*) from deeds"
            assert await ledger.ask(lambda connection: connection.execute(greatest).fetchone()) == (ROWS + 1, ROWS + 1)
        finally:
            await ledger.close()

    asyncio.run(go_on())


def test_what_is_there_already_is_left_alone_and_what_has_changed_follows(two: Two) -> None:
    copied(two)

    def change(connection: Connection) -> None:
        fill(connection, [one for one in tables_of(connection) if one.name in {"entries", "postings", "holds"}], first=10)
        connection.execute("update holds set settled = 1 where id = ?", (call_id(1000),))
        connection.execute("delete from claims where hold = ?", (call_id(1001),))
        connection.execute("update meta set value = 'changed'")

    two.source.write(change)
    again = copied(two)
    assert again["entries"] == Copied("entries", ROWS, ROWS)
    assert again["holds"] == Copied("holds", ROWS + 2, ROWS)
    assert again["postings"] == Copied("postings", 3 * ROWS, 3 * ROWS)
    assert differing(two) == []
    assert copied(two)["entries"] == Copied("entries", 0, 2 * ROWS)


@pytest.mark.parametrize("after", [1, 5])
def test_an_interrupted_copy_goes_on(two: Two, after: int) -> None:
    real, done = two.target.write, 0

    def dying(work: object) -> object:
        nonlocal done
        if done == after:
            raise KeyboardInterrupt
        done += 1
        return real(work)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(two.target, "write", dying)
        with pytest.raises(KeyboardInterrupt):
            copied(two)
    assert differing(two)
    found = copied(two)
    assert differing(two) == []
    assert found["entries"].written + found["entries"].already == ROWS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (f"update entries set status = 9 where id = '{call_id(1)}'", f"entries {call_id(1)} differs"),
        ("update postings set pico = 1 where account = 'upstream'", f"postings {call_id(0)} upstream differs"),
        ("update teams set id = 'mine' where id = 'teams-1'", "teams mine is not in the source"),
        (f"update entries set id = '{call_id(7)}' where id = '{call_id(1)}'", f"entries {call_id(7)} is not in the source"),
    ],
)
@pytest.mark.parametrize("two", WAYS[:1], indirect=True)
def test_other_books_are_not_written_to(two: Two, change: str, message: str) -> None:
    copied(two)
    two.target.write(lambda connection: connection.execute(change))
    two.source.write(lambda connection: connection.execute("delete from deeds where id = 1"))
    with pytest.raises(LedgerError, match=f"has other books: {message}.*name an empty database") as caught:
        copied(two)
    assert two.target.name in str(caught.value)
    assert count(two.target, "deeds") == ROWS


def test_months_long_past_have_parts_of_their_own() -> None:
    first = fresh_books(empty=True)
    made_at(first, NEWEST)
    with closing(open_store(first)) as source, closing(open_store(fresh_books(empty=True))) as target:
        copied(Two(source, target))
        assert count(target, "entries_2026_10") == 2
        assert count(target, "entries_2026_11") == 1
        assert count(target, "entries_rest") == 0
        names = [one.name for one in target.read(lambda connection: months_before(connection, 1_793_491_200_000_000))]
        assert names == ["2026_10"]


def test_books_in_use_are_refused(place: str) -> None:
    with closing(open_store(place)) as gateway, closing(open_store(place)) as store:
        assert gateway.try_lead()
        with pytest.raises(LedgerError, match="is in use: stop the gateway"):
            claim_idle(store)


def test_a_worker_without_the_lead_counts_too(place: str) -> None:
    with closing(open_store(place)) as worker:
        presence = worker.presence("0badcafe")
        try:
            with closing(open_store(place)) as store, pytest.raises(LedgerError, match="is in use: stop the gateway"):
                claim_idle(store, watched_s=BEAT_S + 1)
        finally:
            presence.close()
        with closing(open_store(place)) as store:
            claim_idle(store)
            assert not worker.try_lead()


def test_what_a_dead_process_left_does_not_count() -> None:
    with closing(open_store(fresh_books())) as store:
        store.write(lambda connection: connection.execute("insert into processes values ('0badcafe', 7)"))
        claim_idle(store, watched_s=0.01)


def test_different_tables_are_told() -> None:
    ours, theirs = Table("t", ("a",), ("a",), ()), Table("t", ("a", "b"), ("a",), ())
    assert alike([ours], [ours]) == [ours]
    for source, target in (([ours], [theirs]), ([ours], []), ([], [theirs])):
        with pytest.raises(LedgerError, match=r"the table t is .* of different versions"):
            alike(source, target)
