"""Split sums join to the exact sum; every named question runs on the schema."""

from __future__ import annotations

import sqlite3

from hypothesis import given
from hypothesis import strategies as st

from thriftgate.ledger import queries
from thriftgate.ledger.sqlite import SqliteConnection, migrate


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
    connection = sqlite3.connect(":memory:", isolation_level=None, factory=SqliteConnection)
    migrate(connection)
    rows = [("a", f"account {at}", amount) for at, amount in enumerate(amounts)]
    connection.executemany("insert into postings (entry, account, pico) values (?, ?, ?)", rows)
    found = connection.execute(queries.UNBALANCED).fetchall()
    connection.close()
    assert found == ([] if sum(amounts) == 0 else [("a",)])


def test_every_question_runs_on_empty_books() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None, factory=SqliteConnection)
    migrate(connection)
    span = (0, 1)
    assert connection.execute(queries.OPEN_HOLDS_COUNT).fetchall() == [(0,)]
    for question, values in (
        (queries.ENTRY, ("a",)),
        (queries.ENTRIES, (*span, "", "-", 1)),
        (queries.POSTINGS, ('["a"]',)),
        (queries.OPEN_HOLDS, ("-",)),
        (queries.PRICED_ALIKE.format(queries.price_step((100_000, 200_000))), span),
        (queries.PRICED_ALIKE.format(queries.price_step(())), span),
    ):
        assert connection.execute(question, values).fetchall() == []
    connection.close()


@given(st.integers(0, 400), st.lists(st.integers(1, 400), max_size=4))
def test_a_price_step_is_the_highest_that_is_exceeded(prompt: int, steps: list[int]) -> None:
    connection = sqlite3.connect(":memory:")
    zeros = "0 as write_5m_tokens, 0 as write_1h_tokens, 0 as read_tokens"
    question = f"select {queries.price_step(steps)} from (select {prompt} as input_tokens, {zeros})"
    (found,) = connection.execute(question).fetchone()
    connection.close()
    assert found == max((step for step in steps if prompt > step), default=0)
