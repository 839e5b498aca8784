"""`thriftgate alerts list` and `show`: hostile names are shown, and do nothing."""

from __future__ import annotations

from pathlib import Path

from tests.cli.alert_books import alert_books, written
from tests.cli.conftest import Run

__all__ = ["alert_books"]


def test_list(run: Run, alert_books: str) -> None:
    done = run("alerts", "list", "--json", "--ledger", alert_books)
    document = done.json()
    assert done.code == 0
    assert [one["signature"] for one in document["alerts"]] == ["b", "a"]
    assert document["alerts"][1]["per_hour_usd"] == "2"
    assert {one["error"] for one in document["dead_letters"]} == {"status 500"}
    shown = run("alerts", "list", "--ledger", alert_books).out
    assert "about a (team=search)" in shown
    assert "not delivered through ops: alert 1, status 500" in shown
    assert "\x1b[31m" not in shown
    assert "\u202e" not in shown


def test_list_without_any(run: Run, tmp_path: Path) -> None:
    path = written(tmp_path / "empty.db")
    assert run("alerts", "list", "--ledger", path).out == "no alerts\n"


def test_show(run: Run, alert_books: str) -> None:
    document = run("alerts", "show", "1", "--json", "--ledger", alert_books).json()
    assert (document["id"], document["evidence"], document["action"]) == (1, ["90 calls"], "stop it")
    assert [(one["sink"], one["state"]) for one in document["notices"]] == [("ops", "dead")]
    shown = run("alerts", "show", "1", "--ledger", alert_books).out
    assert shown.startswith("warning, open: about a (team=search)\n")
    assert "an hour" in shown
    assert run("alerts", "show", "77", "--ledger", alert_books).code == 2
