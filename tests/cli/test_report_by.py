"""`thriftgate report --by`: one thing in full, with the same figures as everywhere."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any, get_args

import pytest

from tests.cli.conftest import Books, Run
from thriftgate.cli.report_by import ReportBy, note_remarks, print_csv
from thriftgate.ledger.entries import Remarks


def rows(run: Run, books: Books, by: str, *more: str) -> list[dict[str, Any]]:
    done = run("report", "--ledger", books.path, "--by", by, "--json", *more)
    assert done.code == 0
    found = done.json()
    assert found["by"] == by
    return list(found["rows"])


@pytest.mark.parametrize("by", [by for by in get_args(ReportBy) if by != "tag"])
def test_rows_add_up_to_the_report(run: Run, books: Books, by: str) -> None:
    whole = run("report", "--ledger", books.path, "--json").json()
    found = rows(run, books, by)
    assert sum(Decimal(row["saved_usd"]) for row in found) == Decimal(whole["saved_usd"])
    if by != "lever":
        assert sum(row["calls"] for row in found) == whole["calls"]
        assert sum(Decimal(row["paid_usd"]) for row in found) == Decimal(whole["paid_usd"])
    assert (whole["kept_from"], whole["whole_hours"], whole["others"]) == (None, False, False)


def test_days_begin_in_a_zone(run: Run, books: Books) -> None:
    assert [row["day"] for row in rows(run, books, "day")] == ["2026-11-21T00:00:00.000Z"]
    assert [row["day"] for row in rows(run, books, "day", "--zone", "Asia/Kolkata")] == ["2026-11-20T18:30:00.000Z"]
    assert [row["hour"] for row in rows(run, books, "hour")] == ["2026-11-21T12:00:00.000Z"]
    done = run("report", "--ledger", books.path, "--by", "day", "--zone", "Mars/Base")
    assert (done.code, done.out) == (2, "")
    assert "no time zone" in done.err


def test_csv_says_what_json_says(run: Run, books: Books) -> None:
    done = run("report", "--ledger", books.path, "--by", "key", "--csv")
    assert done.code == 0
    read = list(csv.DictReader(io.StringIO(done.out)))
    assert read == [{name: str(value) for name, value in row.items()} for row in rows(run, books, "key")]


def test_csv_needs_rows_and_is_not_json(run: Run, books: Books) -> None:
    for more in (("--csv",), ("--csv", "--by", "key", "--json")):
        done = run("report", "--ledger", books.path, *more)
        assert (done.code, done.out) == (2, "")
        assert "--csv prints the rows of --by" in done.err


def test_for_people(run: Run, books: Books) -> None:
    assert "by outcome" in run("report", "--ledger", books.path, "--by", "outcome").out
    assert "cache.breakpoints" in run("report", "--ledger", books.path, "--by", "lever").out


def test_no_formula_reaches_a_spreadsheet(capsys: pytest.CaptureFixture[str]) -> None:
    print_csv("task", [{"task": "=cmd|'/c calc'!A1", "saved_usd": "-0.5", "calls": 3}])
    assert capsys.readouterr().out.splitlines()[1] == "'=cmd|'/c calc'!A1,-0.5,3"
    print_csv("task", [])
    assert capsys.readouterr().out == "task\n"


def test_remarks_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    note_remarks(Remarks(1_795_262_400_000_000, whole_hours=True, others=True))
    told = capsys.readouterr().err
    for words in ("from 2026-11-21T12:00:00.000Z on", "at the beginning of the hour", "(other)"):
        assert words in told
