"""The audit as one long table."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest
from msgspec.structs import replace

from tests.audit.report.samples import ALL, EMPTY, HOSTILE, RICH
from thriftgate.audit.findings import Findings
from thriftgate.audit.report.document import document
from thriftgate.audit.report.table_csv import COLUMNS, csv_table


def rows(found: Findings) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_table(found), newline="")))


def test_the_figures_are_those_of_the_document() -> None:
    found, told = rows(RICH), document(RICH)
    assert tuple(found[0]) == COLUMNS
    by_place = {(row["section"], row["name"], row["part"], row["metric"]): row["value"] for row in found}
    assert len(by_place) == len(found), "no place twice"
    assert by_place["total", "", "", "cost_usd"] == told["cost_usd"]
    first = told["by_model"][0]
    assert by_place["by_model", first["model"], "", "tokens.read"] == str(first["tokens"]["read"])
    assert by_place["days", "2026-08-02", first["model"], "cost_usd"] == told["days"][0]["cost_usd"]
    assert by_place["policies", "all", "", "levers.batch.defer"] == told["policies"][4]["levers"]["batch.defer"]
    assert by_place["policies", "all", "", "safe"] == "false"
    assert by_place["skipped", "malformed", "", "count"] == "3"
    assert by_place["skipped_examples", "malformed", "", "text"] == "a/7c.jsonl:881; a/7c.jsonl:904"
    assert by_place["actions", "1", "", "config"] == RICH.actions[0].config
    assert by_place["notes", "1", "", "text"] == RICH.notes[0]


def test_it_adds_up() -> None:
    costs = [Decimal(row["value"]) for row in rows(RICH) if row["section"] == "days" and row["metric"] == "cost_usd"]
    assert sum(costs) == Decimal(document(RICH)["cost_usd"])


def test_what_is_not_known_has_no_row() -> None:
    assert "first" not in {row["metric"] for row in rows(EMPTY)}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", " =", "\uff1d"])
def test_no_cell_is_a_formula(start: str) -> None:
    part = replace(RICH.by_key[0], name=f"{start}cmd|' /C calc'!A0", note=f"{start}1+1")
    cells = [row for row in rows(replace(RICH, by_key=(part,))) if row["section"] == "by_key"]
    assert {row["name"] for row in cells} == {f"'{part.name}"}
    assert [row["value"] for row in cells if row["metric"] == "note"] == [f"'{part.note}"]


def test_negative_figures_stay_figures() -> None:
    dearer = replace(RICH.policies[1], name="none")
    values = [row["value"] for row in rows(replace(RICH, policies=(dearer,))) if row["metric"] == "saved_usd"]
    assert [Decimal(value) < 0 for value in values] == [True]


@pytest.mark.parametrize("name", ALL)
def test_every_row_is_whole(name: str) -> None:
    lines = list(csv.reader(io.StringIO(csv_table(ALL[name]), newline="")))
    assert {len(line) for line in lines} == {len(COLUMNS)}


def test_hostile_names_are_quoted() -> None:
    names = {row["name"] for row in rows(HOSTILE) if row["section"] == "by_project"}
    assert names == {f"'{HOSTILE.by_project[0].name}"}
