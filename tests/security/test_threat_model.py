"""The threat model names tests that are there, and leaves no threat without an answer."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "concepts" / "threat-model.md").read_text(encoding="utf-8")
ROWS = [row for row in PAGE.splitlines() if re.match(r"\| [STRIDE]\d ", row)]


def test_every_kind_of_threat_is_looked_at() -> None:
    assert {row[2] for row in ROWS} == set("STRIDE")
    assert len({row[2:4] for row in ROWS}) == len(ROWS) > 20


def test_every_threat_says_what_stops_it_what_shows_that_and_what_is_left() -> None:
    for row in ROWS:
        _, _, threat, stops, shown, left, _ = (cell.strip() for cell in row.split("|"))
        assert all((threat, stops, shown, left)), row


def test_every_test_that_it_names_is_there() -> None:
    named = {name for row in ROWS for name in re.findall(r"`(tests/[^`]+)`", row)}
    assert len(named) > 30
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_a_report_goes_to_no_address_that_was_made_up() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "@" not in text
    assert "://" not in text
