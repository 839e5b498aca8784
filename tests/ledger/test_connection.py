"""SQL that writes over what is there."""

from __future__ import annotations

import sqlite3

from thriftgate.ledger.connection import upsert


def test_a_row_is_written_over_the_one_with_its_keys() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t (a text, b text, c text, primary key (a, b))")
    put = upsert("t", ("a", "b", "c"), ("a", "b"))
    for row in (("1", "1", "x"), ("1", "2", "y"), ("1", "1", "z")):
        connection.execute(put, row)
    assert connection.execute("select * from t order by b").fetchall() == [("1", "1", "z"), ("1", "2", "y")]
    connection.close()


def test_what_has_nothing_but_keys_is_left_as_it_is() -> None:
    assert upsert("t", ("a",), ("a",)) == "insert into t (a) values (?) on conflict (a) do nothing"
