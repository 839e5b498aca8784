"""Split sums join to the exact sum; every named question runs on the schema."""

from __future__ import annotations

import sqlite3

from hypothesis import given
from hypothesis import strategies as st

from thriftgate.ledger import queries
from thriftgate.ledger.migrate import migrate


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_a_split_sum_is_the_sum(amounts: list[int]) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t (pico integer)")
    connection.executemany("insert into t values (?)", [(amount,) for amount in amounts])
    high, low = connection.execute(f"select {queries.SUM.format('pico')} from t").fetchone()
    connection.close()
    assert queries.summed(high, low) == sum(amounts)


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8), st.booleans())
def test_unbalanced_finds_exactly_what_does_not_sum_to_zero(amounts: list[int], close: bool) -> None:
    rest = -sum(amounts)
    if close and abs(rest) < 2**63:
        amounts = [*amounts, rest]
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    rows = [("a", f"account {at}", amount) for at, amount in enumerate(amounts)]
    connection.executemany("insert into postings (entry, account, pico) values (?, ?, ?)", rows)
    found = connection.execute(queries.UNBALANCED).fetchall()
    connection.close()
    assert found == ([] if sum(amounts) == 0 else [("a",)])


def test_every_question_runs_on_empty_books() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    span = (0, 1)
    assert connection.execute(queries.CALLS, span).fetchall() == [(0, 0)]
    for question, values in (
        (queries.ENTRY, ("a",)),
        (queries.ENTRIES, (*span, "", 1)),
        (queries.POSTINGS, ("a",)),
        (queries.OPEN_HOLDS, ()),
        (queries.ACCOUNTS, span),
        *((queries.GROUPED.format(column), span) for column in queries.GROUPS),
    ):
        assert connection.execute(question, values).fetchall() == []
    connection.close()
