"""Tables as the database names them, and their rows in order, alike in both."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.ledger.filled import NEWEST, made_at, tables_at
from tests.postgres_books import fresh_books
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.stores import open_store
from thriftgate.ledger.tables import NOT_COPIED, Table, paired, rows_of, slices, tables_of


def asked(place: str) -> list[Table]:
    with closing(open_store(place)) as store:
        return store.read(tables_of)


def test_each_table_of_the_newest_version_is_found(place: str) -> None:
    found, known = asked(place), tables_at(NEWEST)
    assert {one.name: one for one in found} == {one.name: one for one in known}
    assert len(found) == len(known) > 30
    assert not NOT_COPIED & {one.name for one in found}
    assert all(one.key for one in found), "rows without a key cannot be told apart"


def test_what_is_referred_to_comes_first(place: str) -> None:
    names = [one.name for one in asked(place)]
    for referred, referring in (("runs", "jobs"), ("budgets", "claims"), ("virtual_keys", "key_secrets")):
        assert names.index(referred) < names.index(referring)


def test_a_table_of_a_later_version_is_found_too(place: str) -> None:
    with closing(open_store(place)) as store:
        made = 'create table later (a text not null, "by" integer not null, b blob, primary key ("by", a))'
        store.write(lambda connection: connection.execute(made))
        (later,) = (one for one in store.read(tables_of) if one.name == "later")
    assert later == Table("later", ("a", "by", "b"), ("by", "a"), (0,))
    assert later.key_of(("x", 1, b"")) == (1, "x")


@pytest.mark.parametrize("at_once", [1, 2, 3, 1000])
def test_slices_are_all_rows_in_order_once(at_once: int) -> None:
    places = ":memory:", fresh_books(empty=True)
    seen = []
    for place in places:
        with closing(open_store(place)) as store:

            def write(connection: Connection) -> None:
                rows = [
                    ("b", 10, 1),
                    ("b", 9, 2),
                    ("a", 1, 3),
                    ("Ä", 1, 4),
                    ("", 7, 5),
                    ("\U0001f600", 1, 6),
                    ("\uffee", 1, 7),
                ]
                connection.execute("create table t (k text not null, n integer not null, v real, primary key (k, n))")
                connection.executemany("insert into t values (?, ?, ?)", rows)

            store.write(write)
            (table,) = (one for one in store.read(tables_of) if one.name == "t")
            found = store.read(lambda connection, table=table: list(slices(connection, table, at_once)))  # type: ignore[misc]
            assert all(len(rows) <= at_once for rows in found)
            seen.append([row for rows in found for row in rows])
    assert seen[0] == seen[1]
    assert [row[2] for row in seen[0]] == [5, 3, 2, 1, 4, 7, 6]
    assert all(isinstance(row[2], float) for rows in seen for row in rows)


def test_zero_characters_are_read_as_postgresql_keeps_them(tmp_path: object) -> None:
    with closing(open_store(":memory:")) as store:
        row = ("a\x00b", b"\x00")
        store.write(lambda connection: connection.execute("create table t (k text primary key, v blob)"))
        store.write(lambda connection: connection.execute("insert into t values (?, ?)", row))
        (table,) = (one for one in store.read(tables_of) if one.name == "t")
        assert store.read(lambda connection: list(rows_of(connection, table, 5))) == [("a\ufffdb", b"\x00")]


def test_rows_with_the_same_key_stand_together() -> None:
    table = Table("t", ("v", "k"), ("k",), ())
    left = iter([(0, 1), (0, 2), (0, 5)])
    right = iter([(1, 2), (1, 3), (1, 5), (1, 9)])
    found = list(paired(table, left, right))
    assert found == [((0, 1), None), ((0, 2), (1, 2)), (None, (1, 3)), ((0, 5), (1, 5)), (None, (1, 9))]


def test_filled_books_have_rows_everywhere(place: str) -> None:
    filled = fresh_books(empty=True) if "://" in place else place
    made_at(filled, NEWEST)
    with closing(open_store(filled)) as store:
        counts = {one.name: len(store.read(lambda c, one=one: list(rows_of(c, one, 50)))) for one in store.read(tables_of)}  # type: ignore[misc]
    assert {name for name, rows in counts.items() if not rows} <= {"meta"}
