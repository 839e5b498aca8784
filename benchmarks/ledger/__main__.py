"""`python -m benchmarks.ledger [--calls N,N] [--json]`: a month of so many calls in a file, and every question put to it.

`python -m benchmarks.ledger --write CALLS [--postgres URL] [--json]`: rows a second that callers get written.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
from msgspec import Struct

from benchmarks.cache.goals import Goal
from benchmarks.cache.report import align, conclude, goals_table, machine
from benchmarks.ledger.books import write_month
from benchmarks.ledger.questions import Timed, timed
from benchmarks.ledger.settling import Settled, settle_all
from benchmarks.ledger.writing import written
from benchmarks.options import positive
from thriftgate.ledger.sql_rollups_made import check_books, make_wanted
from thriftgate.ledger.sqlite import connected

CALLERS = (64, 512, 2048)
ROWS_S_LEAST = 20_000.0
_MS_MOST = {1_000_000: 50.0, 10_000_000: 100.0}
_TABLES = ("rollup_dims", "rollup_cells", "rollup_ways", "rollup_parts", "rollup_prompts", "rollup_tasks", "rollup_room")


class Book(Struct, frozen=True):
    """One ledger: its size, how long its roll-ups took to make (seconds), how many rows they are and what they weigh, how
    many of them a check found to differ, and the times of its answers."""

    calls: int
    file_mb: float
    made_s: float
    rollup_rows: int
    rollup_mb: float
    differing: int
    answers: list[Timed]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write, make, ask, settle, print, judge."""
    asked = _parse(arguments)
    if asked.write:
        return _write(asked)
    with tempfile.TemporaryDirectory(dir=asked.work) as folder:
        settled = [
            settle_all(Path(folder), asked.settle, at_once, rolled_up=rolled_up)
            for at_once in (1, 8, 64)
            for rolled_up in (False, True)
        ]
        books = [_measured(Path(folder) / f"{calls}.db", calls, asked) for calls in asked.calls]
    goals = _goals(books)
    for book in books:
        print(f"{_table(book)}\n")
    print(f"{_settling(settled)}\n\n{goals_table(goals)}")
    document: dict[str, object] | None = None
    if asked.json:
        document = {"benchmark": "ledger", "seed": asked.seed, "versions": machine() | {"sqlite": sqlite3.sqlite_version}}
        document |= {"books": msgspec.to_builtins(books), "settling": msgspec.to_builtins(settled)}
    return conclude(goals, document)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger", description=__doc__)
    parser.add_argument("--calls", type=lambda text: [positive(one) for one in text.split(",")], default=[1_000_000])
    parser.add_argument("--rounds", type=positive, default=20, help="how often each question is put")
    parser.add_argument("--settle", type=positive, default=3_000, help="calls settled for the cost of a roll-up")
    parser.add_argument("--write", type=positive, help="measure instead how quickly so many calls are booked")
    parser.add_argument("--postgres", metavar="URL", help="an empty database to book them in as well")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, help="folder for the files: 1.2 GB a million calls")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def _write(asked: argparse.Namespace) -> int:
    found = []
    with tempfile.TemporaryDirectory(dir=asked.work) as folder:
        for at, callers in enumerate(CALLERS):
            places = {"SQLite": f"{folder}/{callers}.db"} | ({"PostgreSQL": asked.postgres} if asked.postgres else {})
            found += [written(name, place, asked.write, callers, first=at * asked.write) for name, place in places.items()]
    table = [["books", "callers", "rows/s", "rows/s of CPU", "calls/s"]]
    for one in sorted(found, key=lambda one: one.books):
        figures = (one.rows_per_s, one.rows / one.cpu_s, one.calls / one.wall_s)
        table.append([one.books, str(one.callers), *(f"{many:,.0f}" for many in figures)])
    most = {one.books: max(other.rows_per_s for other in found if other.books == one.books) for one in found}
    goals = [Goal(f"{name}: rows/s", ROWS_S_LEAST, at_most=False, must=False, value=most[name]) for name in most]
    print(f"{align(table, left=1)}\n\n{goals_table(goals)}")
    document = {"benchmark": "ledger --write", "versions": machine() | {"sqlite": sqlite3.sqlite_version}}
    return conclude(goals, document | {"written": msgspec.to_builtins(found)} if asked.json else None)


def _measured(path: Path, calls: int, asked: argparse.Namespace) -> Book:
    write_month(str(path), calls, seed=asked.seed)
    with closing(connected(str(path))) as connection:
        start = time.perf_counter()
        connection.execute("begin immediate")
        make_wanted(connection)
        connection.execute("commit")
        made_s = time.perf_counter() - start
        rows = [connection.execute(f"select count(*) from {table}").fetchone()[0] for table in _TABLES]
        marks = ", ".join("?" * len(_TABLES))
        (size,) = connection.execute(f"select sum(pgsize) from dbstat where name in ({marks})", _TABLES).fetchone()
        connection.execute("pragma query_only = on")
        answers = timed(connection, asked.rounds)
    differing = check_books(str(path)).differing
    file_mb = path.stat().st_size / 1e6
    path.unlink()
    return Book(calls, file_mb, made_s, sum(rows), size / 1e6, differing, answers)


def _goals(books: Sequence[Book]) -> list[Goal]:
    goals = []
    for book in books:
        most = _MS_MOST.get(book.calls)
        pages = [one for one in book.answers if one.page]
        if most is not None:
            slowest = max(pages, key=lambda one: one.cpu_ms_p50)
            name = f"{book.calls:,} calls: the slowest question of a page, CPU ms ({slowest.name})"
            goals.append(Goal(name, most, at_most=True, must=False, value=slowest.cpu_ms_p50))
        name = f"{book.calls:,} calls: cells that are not what the entries say"
        goals.append(Goal(name, 0, at_most=True, must=True, value=float(book.differing)))
    return goals


def _table(book: Book) -> str:
    rows = [[f"{book.calls:,} calls", "page", "wall ms p50", "p99", "CPU ms p50"]]
    rows += [
        [one.name, "yes" if one.page else "", *(f"{ms:,.1f}" for ms in (one.wall_ms_p50, one.wall_ms_p99, one.cpu_ms_p50))]
        for one in book.answers
    ]
    rolled = f"roll-ups {book.rollup_rows:,} rows, {book.rollup_mb:,.0f} MB, made in {book.made_s:,.0f} s"
    return f"{align(rows, left=2)}\nfile {book.file_mb:,.0f} MB; {rolled}"


def _settling(settled: Sequence[Settled]) -> str:
    rows = [["settled at once", "CPU us a call", "with roll-ups", "added", "wall us", "with roll-ups"]]
    for plain, rolled in zip(settled[::2], settled[1::2], strict=True):
        figures = (plain.cpu_us, rolled.cpu_us, rolled.cpu_us - plain.cpu_us, plain.wall_us, rolled.wall_us)
        rows.append([str(plain.at_once), *(f"{us:,.0f}" for us in figures)])
    return align(rows, left=1)


if __name__ == "__main__":
    sys.exit(main())
