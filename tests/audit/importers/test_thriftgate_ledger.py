"""The gateway's own books, read back: what was billed, what was claimed, and whole prompts out of trails."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from msgspec.structs import replace

from tests.contracts.check_ledger import entry_of
from tests.core.test_trail import prefix
from thriftgate.audit.importers.thriftgate_ledger import ROUNDED_US, ThriftgateLedger
from thriftgate.audit.records import Issue, Record
from thriftgate.audit.sources import Source
from thriftgate.core.trail import Trails
from thriftgate.core.usage import Tokens, Usage
from thriftgate.ledger.entries import Entry, balanced
from thriftgate.ledger.sql import SqlLedger

LEDGER = ThriftgateLedger()


async def ledger_with(path: Path, *entries: Entry) -> Source:
    books = SqlLedger.open(str(path))
    for entry in entries:
        await books.settle(entry)
    await books.close()
    return Source(path)


def read(source: Source) -> tuple[list[Record], list[Issue]]:
    found = list(LEDGER.read(source))
    return [one for one in found if isinstance(one, Record)], [one for one in found if isinstance(one, Issue)]


async def test_a_call_is_told_as_it_was_booked(tmp_path: Path) -> None:
    usage = Usage(Tokens(7, 100, 200, 3_000, 50, 20), web_searches=2)
    entry = replace(
        entry_of("a"),
        opened_us=1_000_000,
        sent_us=3_000_000,
        ttfb_ms=40,
        latency_ms=90,
        usage=usage,
        message_id="msg_1",
        upstream_request_id="req_1",
        postings=balanced(900, 400, {"cache.breakpoints": 500}),
        geo="us",
        mode="fast",
    )
    source = await ledger_with(tmp_path / "l.db", entry)
    assert LEDGER.sniff(source.head)
    [record], issues = read(source)
    assert not issues
    assert record.tokens() == usage.total
    assert (record.call_id, record.request_id, record.web_searches) == ("msg_1", "req_1", 2)
    assert (record.at_us, record.began_us, record.ended_us) == (3_000_000, 3_040_000 - ROUNDED_US, 3_090_000)
    assert (record.reported_pico, record.baseline_pico, record.claimed) == (400, 900, {"cache.breakpoints": 500})
    assert (record.geo, record.mode) == ("us", "fast")


async def test_prompts_are_put_together_from_trails(tmp_path: Path) -> None:
    trails = Trails()
    first = replace(entry_of("a"), opened_us=1, trail=trails.of("a", prefix("ab", {1: "5m"}), (3, 0), ()))
    second = replace(entry_of("b"), opened_us=2, trail=trails.of("b", prefix("abcd"), (3, 0, 0, 0), ()))
    lost = replace(entry_of("c"), opened_us=3, trail=Trails().of("c", prefix("xy"), (), ()))
    orphans = Trails()
    orphans.of("gone", prefix("q"), (), ())
    orphan = replace(entry_of("d"), opened_us=4, trail=orphans.of("d", prefix("qr"), (), ()))
    source = await ledger_with(tmp_path / "l.db", first, second, lost, orphan)
    records, _ = read(source)
    assert [tuple(block.digest for block in one.prompt) for one in records] == [
        prefix("ab").chain, prefix("abcd").chain, prefix("xy").chain, ()
    ]  # fmt: skip
    assert [one.session for one in records] == ["a", "a", "c", ""]  # conversations are named by their first call
    assert [block.mark for block in records[0].prompt] == ["", "5m"]
    assert [block.mark for block in records[1].prompt] == ["", "", "", ""]
    assert [block.end for block in records[1].prompt] == [13, 23, 33, 43]


async def test_what_nobody_was_billed_for_is_counted_apart(tmp_path: Path) -> None:
    failed = replace(entry_of("a"), usage_source="none", outcome="failed", usage=Usage(), postings=balanced(0, 0, {}))
    records, issues = read(await ledger_with(tmp_path / "l.db", failed))
    assert not records
    assert [(one.reason, one.detail) for one in issues] == [("not_billed", "failed")]


async def test_books_are_read_as_they_are(tmp_path: Path) -> None:
    """Also those of an older version, and without a change to the file."""
    path = tmp_path / "old.db"
    source = await ledger_with(path, entry_of("a"))
    with sqlite3.connect(path) as connection:
        connection.execute("alter table entries drop column trail")
        connection.execute("alter table entries drop column sent_us")
        connection.execute("alter table entries drop column miss")
    connection.close()
    before = path.read_bytes()
    records, issues = read(source)
    assert (len(records), issues) == (1, [])
    assert path.read_bytes() == before


async def test_an_entry_that_no_thriftgate_wrote_is_said_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    source = await ledger_with(path, replace(entry_of("a"), opened_us=1), replace(entry_of("b"), opened_us=2))
    with sqlite3.connect(path) as connection:
        connection.execute("update entries set decisions = '{' where id = 'a'")
        connection.execute("update entries set trail = x'c1' where id = 'b'")
    connection.close()
    records, issues = read(source)
    assert [one.reason for one in issues] == ["malformed"]
    assert [one.prompt for one in records] == [()]


def test_another_database_is_left_to_others(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table entries (id text)")
    connection.close()
    assert not LEDGER.sniff(Source(path).head)
    [issue] = LEDGER.read(Source(path))
    assert isinstance(issue, Issue)


async def test_a_damaged_schema_is_an_issue(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    await ledger_with(path, entry_of("call_1"))
    damaged = path.read_bytes().replace(b"usage_source", b"usage \xffource")  # what SQLite then says is no UTF-8
    other = tmp_path / "damaged.db"
    other.write_bytes(damaged)
    assert {one.reason for one in LEDGER.read(Source(other)) if isinstance(one, Issue)} == {"malformed"}
