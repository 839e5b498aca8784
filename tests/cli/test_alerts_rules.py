"""`thriftgate alerts rules`: what is watched for, and what it says now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.alert_books import alert_books
from tests.cli.conftest import Run

__all__ = ["alert_books"]


def test_rules(run: Run, alert_books: str, tmp_path: Path) -> None:
    config = tmp_path / "thriftgate.toml"
    config.write_text('[[alerts.rules]]\nname = "fixed"\nabove = 0.001\n')
    more = tmp_path / "more.toml"
    more.write_text('[[rules]]\nname = "month"\nkind = "forecast"\nabove = 100\n')
    where = ("--ledger", alert_books, "--config", str(config))
    document: dict[str, Any] = run("alerts", "rules", "--put", str(more), "--by", "ada", "--json", *where).json()
    fixed, month = document["rules"]
    assert (fixed["name"], fixed["source"], fixed["now"][0]["met"]) == ("fixed", "settings", True)
    assert fixed["now"][0]["value"] == "0.0026"
    assert (month["source"], month["made_by"]) == ("run time", "ada")
    assert month["now"][0]["lacks"].startswith("less than three days of history")
    shown = run("alerts", "rules", *where).out
    assert "met" in shown
    assert "little for a forecast" in shown
    assert run("alerts", "rules", "--remove", "fixed", *where).code == 2
    assert run("alerts", "rules", "--remove", "month", *where).code == 0
    assert len(run("alerts", "rules", "--json", *where).json()["rules"]) == 1


@pytest.mark.parametrize(
    "text", ["[[rules]]\nname = ", "name = 1", '[[rules]]\nname = "a"\ncolour = 1', '[[rules]]\nname = "a"']
)
def test_rules_that_cannot_be(run: Run, alert_books: str, tmp_path: Path, text: str) -> None:
    more = tmp_path / "more.toml"
    more.write_text(text)
    assert run("alerts", "rules", "--put", str(more), "--ledger", alert_books).code == 2
    assert run("alerts", "rules", "--put", str(tmp_path / "none.toml"), "--ledger", alert_books).code == 2


def test_no_rules(run: Run, alert_books: str) -> None:
    assert run("alerts", "rules", "--ledger", alert_books).out.startswith("no rules: [[alerts.rules]]")
