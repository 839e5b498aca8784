"""Whether two ledgers are the same, row for row: each table read from both databases in the order of its keys, a digest of
each side, and the first value that differs.

A row's canonical form is its values as MessagePack, columns in the order of the first ledger: whole numbers, floats, texts
and bytes are told apart, and neither database has a say in it. What texts are read as is in `tables.slices`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from typing import Any

import msgspec
from msgspec import Struct

from thriftgate.ledger.connection import Connection, Store
from thriftgate.ledger.moving import alike
from thriftgate.ledger.partitions import TABLES as OF_CALLS
from thriftgate.ledger.sql_rollups import TABLES as ROLLUPS
from thriftgate.ledger.tables import Row, Table, paired, slices, tables_of

_TOLD = frozenset({*OF_CALLS, *ROLLUPS, "rollup_dims", "rollup_room", "budgets", "budget_slots", "claims", "limits"})
"""Whose texts hold no secret and nobody's words."""
_SUMS = """
select account, sum(pico / 1000000), sum(pico % 1000000), count(*) from postings group by account order by account
"""


class Differs(Struct, frozen=True):
    """The first value that differs: its table, the key of its row, its column ("" where the row is in one ledger only), and
    both values as they may be told; None where there is no such row."""

    table: str
    key: tuple[str, ...]
    column: str
    source: str | None
    target: str | None


class Compared(Struct, frozen=True):
    """One table: rows and SHA-256 over all of them, of each side."""

    table: str
    rows: int
    target_rows: int
    digest: str
    target_digest: str
    first: Differs | None

    @property
    def same(self) -> bool:
        return self.digest == self.target_digest


class Sums(Struct, frozen=True):
    """What an account adds up to on each side (pico-USD), and over how many postings."""

    account: str
    pico: int
    target_pico: int
    postings: int
    target_postings: int

    @property
    def same(self) -> bool:
        return (self.pico, self.postings) == (self.target_pico, self.target_postings)


def compare_books(source: Store, target: Store, *, at_once: int, told: Callable[[Compared], None]) -> list[Sums]:
    """Read both, so many rows at once, each in one state; `told` of each table. What each account adds up to. Raises
    LedgerError where they do not have the same tables, and the databases' errors."""

    def compare(one: Connection, other: Connection) -> list[Sums]:
        theirs = {table.name: table for table in tables_of(other)}
        for table in alike(tables_of(one), list(theirs.values())):
            told(_compared(table, slices(one, table, at_once), slices(other, table, at_once)))
        return list(_sums(one, other))

    return source.read(lambda one: target.read(lambda other: compare(one, other)))


def _compared(table: Table, source: Iterator[list[Row]], target: Iterator[list[Row]]) -> Compared:
    digests = hashlib.sha256(), hashlib.sha256()
    counts = [0, 0]
    first: Differs | None = None
    left: list[Row] = []  # what the first difference is looked for in: from the first slices that are not the same
    right: list[Row] = []
    both: tuple[list[Row], list[Row]]
    for both in zip_longest(source, target, fillvalue=[]):
        forms = [b"".join(map(msgspec.msgpack.encode, rows)) for rows in both]
        for at, form in enumerate(forms):
            digests[at].update(form)
            counts[at] += len(both[at])
        if first is None and forms[0] != forms[1]:
            left, right = both
            first = _first(table, left, right)
    return Compared(table.name, counts[0], counts[1], digests[0].hexdigest(), digests[1].hexdigest(), first)


def _first(table: Table, source: Iterable[Row], target: Iterable[Row]) -> Differs | None:
    """Up to it both sides are alike, so their slices hold the same keys."""
    for one, other in paired(table, iter(source), iter(target)):
        if one is None or other is None:
            key = table.key_of(one or other or ())
            sides = ("a row" if one else None, "a row" if other else None)
            return Differs(table.name, _key_told(key), "", *sides)
        for name, ours, theirs in zip(table.columns, one, other, strict=True):
            if msgspec.msgpack.encode(ours) != msgspec.msgpack.encode(theirs):
                values = (_told(table, ours), _told(table, theirs))
                return Differs(table.name, _key_told(table.key_of(one)), name, *values)
    return None


def _told(table: Table, value: Any) -> str:
    """Texts of tables that may hold secrets, and all bytes, by their length and the beginning of their SHA-256."""
    if isinstance(value, str) and table.name not in _TOLD:
        return f"{len(value)} characters, SHA-256 {hashlib.sha256(value.encode()).hexdigest()[:8]}"
    if isinstance(value, bytes):
        return f"{len(value)} bytes, SHA-256 {hashlib.sha256(value).hexdigest()[:8]}"
    return str(value) if not isinstance(value, float) else repr(value)


def _key_told(key: Row) -> tuple[str, ...]:
    return tuple(f"SHA-256 {hashlib.sha256(one).hexdigest()[:8]}" if isinstance(one, bytes) else str(one) for one in key)


def _sums(one: Connection, other: Connection) -> Iterator[Sums]:
    sides = [
        {account: (high * 10**6 + low, count) for account, high, low, count in connection.execute(_SUMS).fetchall()}
        for connection in (one, other)
    ]
    for account in sorted(set().union(*sides)):
        (pico, postings), (target_pico, target_postings) = (side.get(account, (0, 0)) for side in sides)
        yield Sums(account, pico, target_pico, postings, target_postings)
