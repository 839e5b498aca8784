"""`python -m benchmarks.migrate [--calls N] [--json]`: a month of so many calls copied from a SQLite file to PostgreSQL and
back by `thriftgate migrate`, each way compared row for row; how long each part took, and the most memory it took.

PostgreSQL runs on this machine, for the run alone, with its defaults and fsync on.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from tests.servers import postgres_server

from benchmarks.cache.goals import Goal
from benchmarks.cache.report import align, conclude, goals_table, machine
from benchmarks.ledger.books import write_month
from benchmarks.options import positive
from thriftgate.ledger.sql_rollups_made import make_wanted
from thriftgate.ledger.stores import open_store


class Ran(Struct, frozen=True):
    """One run of the command: its rows, those that it wrote, seconds of each part, peak memory of its process, and whether
    both ledgers are the same; `digests` of what was read from the target."""

    name: str
    rows: int
    written: int
    entries: int
    copied_s: float
    compared_s: float
    checked_s: float
    peak_mb: float
    same: bool
    digests: dict[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write, copy there, once more, and back; print, judge."""
    asked = _parse(arguments)
    with tempfile.TemporaryDirectory(dir=asked.work) as folder, postgres_server(fsync=True) as server:
        first, last = (str(Path(folder) / name) for name in ("first.db", "last.db"))
        write_month(first, asked.calls, seed=asked.seed)
        with closing(open_store(first)) as store:
            store.write(make_wanted)
        runs = [
            _ran("SQLite to PostgreSQL", first, server.url, asked.batch),
            _ran("PostgreSQL to SQLite", server.url, last, asked.batch),
            _ran("to PostgreSQL once more", first, server.url, asked.batch),
        ]
    goals = _goals(runs, asked.calls)
    print(f"{_table(runs)}\n\n{goals_table(goals)}")
    document: dict[str, object] | None = None
    if asked.json:
        document = {"benchmark": "migrate", "calls": asked.calls, "seed": asked.seed, "versions": machine()}
        document |= {"runs": msgspec.to_builtins(runs)}
    return conclude(goals, document)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.migrate", description=__doc__)
    parser.add_argument("--calls", type=positive, default=100_000)
    parser.add_argument("--batch", type=positive, default=5_000, help="rows at once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, help="folder for the files: 2.4 GB a million calls, and 2 GB of the server's")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def _ran(name: str, source: str, target: str, batch: int) -> Ran:
    command = [sys.executable, "-m", "thriftgate", "migrate", source, target, "--batch", str(batch), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert text, f"migrate ended with {process.returncode}"
    found: dict[str, Any] = msgspec.json.decode(text)
    tables = found["tables"]
    print(f"{name}: {found['seconds']}, peak {usage.ru_maxrss / 1024:,.0f} MB", file=sys.stderr, flush=True)
    return Ran(
        name,
        sum(one["rows"] for one in tables),
        sum(one["written"] for one in tables),
        next(one["target_rows"] for one in tables if one["table"] == "entries"),
        found["seconds"]["copied"],
        found["seconds"]["compared"],
        found["seconds"]["checked"],
        usage.ru_maxrss / 1024,
        bool(found["ok"]),
        {one["table"]: one["target_sha256"] for one in tables},
    )


def _goals(runs: Sequence[Ran], calls: int) -> list[Goal]:
    there, back, again = runs
    differing = sum(not one.same for one in runs) + (there.digests != back.digests)
    return [
        Goal("runs after which anything differs", 0, at_most=True, must=True, value=float(differing)),
        Goal("calls that did not arrive", 0, at_most=True, must=True, value=float(sum(calls - one.entries for one in runs))),
        Goal(
            "calls written twice", 0, at_most=True, must=True, value=float(max(0, again.written - (there.rows - 5 * calls)))
        ),
        Goal("rows written in a second to PostgreSQL", 20_000, at_most=False, must=False, value=there.rows / there.copied_s),
        Goal("peak memory, MB", 600, at_most=True, must=False, value=max(one.peak_mb for one in runs)),
    ]


def _table(runs: Sequence[Ran]) -> str:
    rows = [["", "rows", "written", "copied s", "rows/s", "compared s", "rows/s", "checked s", "peak MB", "same"]]
    for one in runs:
        rows.append([one.name, f"{one.rows:,}", f"{one.written:,}"])
        rows[-1] += [f"{one.copied_s:,.1f}", f"{one.rows / one.copied_s:,.0f}"]
        rows[-1] += [f"{one.compared_s:,.1f}", f"{2 * one.rows / one.compared_s:,.0f}"]
        rows[-1] += [f"{one.checked_s:,.1f}", f"{one.peak_mb:,.0f}", "yes" if one.same else "NO"]
    return align(rows, left=1)


if __name__ == "__main__":
    sys.exit(main())
