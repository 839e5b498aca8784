"""`thriftgate alerts ack`, `silence` and `unsilence`."""

from __future__ import annotations

from tests.cli.alert_books import alert_books
from tests.cli.conftest import Run

__all__ = ["alert_books"]


def test_acknowledge(run: Run, alert_books: str) -> None:
    document = run("alerts", "ack", "1", "--by", "ada", "--json", "--ledger", alert_books).json()
    assert (document["state"], document["acknowledged_by"]) == ("acknowledged", "ada")
    assert run("alerts", "ack", "1", "--by", "bob", "--ledger", alert_books).out == "alert 1 is acknowledged by bob\n"
    assert run("alerts", "ack", "77", "--ledger", alert_books).code == 2


def test_silence_and_unsilence(run: Run, alert_books: str) -> None:
    made = run(
        "alerts",
        "silence",
        "team=search",
        "--why",
        "we know",
        "--for",
        "2h",
        "--by",
        "ada",
        "--json",
        "--ledger",
        alert_books,
    )
    assert made.json()["matchers"] == ["team=search"]
    listed = run("alerts", "list", "--json", "--ledger", alert_books).json()
    assert [one["state"] for one in listed["alerts"]] == ["open", "silenced"]
    assert [(one["by"], one["why"]) for one in listed["silences"]] == [("ada", "we know")]
    assert "(ada: we know)" in run("alerts", "list", "--ledger", alert_books).out
    assert "until" in run("alerts", "show", "1", "--ledger", alert_books).out
    assert run("alerts", "unsilence", "1", "--ledger", alert_books).out == "silence 1 is ended\n"
    assert run("alerts", "unsilence", "1", "--ledger", alert_books).code == 2
    assert run("alerts", "silence", "colour=red", "--why", "x", "--ledger", alert_books).code == 2
    assert run("alerts", "silence", "team=a", "--for", "soon", "--why", "x", "--ledger", alert_books).code == 2
    said = run("alerts", "silence", "team=a", "--why", "x", "--by", "ada", "--ledger", alert_books).out
    assert said.startswith("silence 2 until ")
