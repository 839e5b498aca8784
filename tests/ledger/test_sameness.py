"""Two ledgers compared: equal ones are, and the first difference is told by name, without what may be secret."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.ledger.filled import NEWEST, ROWS, call_id, made_at
from tests.postgres_books import fresh_books
from thriftgate.ledger.connection import Store
from thriftgate.ledger.sameness import Compared, Differs, Sums, compare_books
from thriftgate.ledger.stores import open_store


class Two(NamedTuple):
    file: Store
    server: Store


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    """The same rows, written into each by the same statements."""
    places = str(tmp_path / "a.db"), fresh_books(empty=True)
    for place in places:
        made_at(place, NEWEST)
    with ExitStack() as stack:
        yield Two(*(stack.enter_context(closing(open_store(place))) for place in places))


def compared(two: Two, at_once: int = 4) -> tuple[dict[str, Compared], list[Sums]]:
    told: list[Compared] = []
    sums = compare_books(*two, at_once=at_once, told=told.append)
    return {one.table: one for one in told}, sums


def first(two: Two, change: str) -> Differs | None:
    two.server.write(lambda connection: connection.execute(change))
    for at_once in (1, 2, 1000):
        tables, _ = compared(two, at_once)
        (found,) = [one for one in tables.values() if not one.same]
    assert all(one.first is None for one in tables.values() if one.same)
    return found.first


def test_the_same_books_are_the_same_whatever_the_slices(two: Two) -> None:
    digests = set()
    for at_once in (1, 3, 1000):
        tables, sums = compared(two, at_once)
        assert all(one.same and one.rows == one.target_rows and one.first is None for one in tables.values())
        assert all(one.same for one in sums)
        digests.add(tuple(one.digest for one in tables.values()))
    assert len(digests) == 1
    assert [(one.account, one.pico, one.postings) for one in sums] == [
        ("baseline", 7_500_000_000, ROWS),
        ("saved:cache.breakpoints", -1_500_000_000, ROWS),
        ("upstream", -6_000_000_000, ROWS),
    ]


def test_a_value_that_differs(two: Two) -> None:
    change = f"update entries set latency_ms = 77 where id >= '{call_id(1)}'"
    assert first(two, change) == Differs("entries", (call_id(1),), "latency_ms", "0", "77")


def test_a_row_that_is_missing_or_too_many(two: Two) -> None:
    assert first(two, f"delete from holds where id = '{call_id(2)}'") == Differs("holds", (call_id(2),), "", "a row", None)


def test_a_row_too_many(two: Two) -> None:
    assert first(two, "insert into budget_slots values ('budgets-1', 'x', 5, '1', '0', '0')") == Differs(
        "budget_slots", ("budgets-1", "x", "5"), "", None, "a row"
    )


def test_a_number_is_not_a_number_of_another_kind(two: Two) -> None:
    assert first(two, "update alerts set level = 1e300 where id = 2") == Differs("alerts", ("2",), "level", "2.0", "1e+300")


def test_sums_that_differ(two: Two) -> None:
    two.server.write(lambda connection: connection.execute("update postings set pico = pico - 1 where account = 'baseline'"))
    _, sums = compared(two)
    assert [(one.account, one.pico - one.target_pico) for one in sums if not one.same] == [("baseline", ROWS)]


def test_sums_beyond_sixty_four_bits(two: Two) -> None:
    for store in two:
        store.write(lambda connection: connection.execute("update postings set pico = 9223372036854775807"))
    _, sums = compared(two)
    assert [one.pico for one in sums] == [ROWS * (2**63 - 1)] * 3
    assert all(one.same for one in sums)


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ("update users set email = 'private@example.com' where id = 'users-1'", "email"),
        ("update provider_keys set sealed = cast('private' as bytea) where id = 'provider_keys-1'", "sealed"),
        ("update meta set value = 'private' where name = 'key_salt'", "value"),
    ],
)
def test_what_may_be_secret_is_told_by_length_and_digest(two: Two, change: str, column: str) -> None:
    salt = "insert into meta (name, value) values ('key_salt', 'private too')"
    for store in two:
        store.write(lambda connection: connection.execute(salt))
    found = first(two, change)
    assert found is not None
    assert found.column == column
    told = (found.source or "") + (found.target or "")
    assert "private" not in told
    assert "email-1" not in told
    assert told.count("SHA-256") == 2


def test_keys_of_bytes_are_told_by_digest(two: Two) -> None:
    found = first(two, "update sessions set who = 'x' where id = 'sessions-1'")
    assert found is not None
    assert found.key[0].startswith("SHA-256 ")
