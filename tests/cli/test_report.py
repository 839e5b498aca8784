"""`thriftgate report`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.conftest import MODEL, Books, Run
from thriftgate.answers.report import report_document
from thriftgate.ledger.entries import Group, Report
from thriftgate.ledger.sql_savings import Conversation, OwnCost
from thriftgate.quality.savings import savings_of


def test_the_books_add_up(run: Run, books: Books) -> None:
    done = run("report", "--ledger", books.path, "--json")
    assert (done.code, done.err) == (0, "")
    found = done.json()
    baseline, paid, saved = (Decimal(found[f"{name}_usd"]) for name in ("baseline", "paid", "saved"))
    assert found["calls"] == 4
    assert baseline - paid == saved == Decimal(found["gross_usd"]) == Decimal(found["net_usd"]) > 0
    assert {lever: Decimal(usd) for lever, usd in found["levers"].items()} == {"cache.breakpoints": saved}
    for name in ("by_model", "by_key", "by_outcome"):
        for member in ("calls", "baseline_usd", "paid_usd", "saved_usd"):
            assert sum(Decimal(group[member]) for group in found[name]) == Decimal(found[member])
    assert [group["model"] for group in found["by_model"]] == [MODEL]
    assert {group["outcome"]: group["calls"] for group in found["by_outcome"]} == {"answered": 3, "refused": 1}
    assert len(found["by_key"]) == 2
    assert (found["holdout"], found["estimated_calls"], found["open_holds"]) == ({}, 0, 0)
    assert (found["since"], found["until"]) == (None, None)


def test_for_people(run: Run, books: Books) -> None:
    done = run("report", "--ledger", books.path)
    assert done.code == 0
    for words in ("all calls", "by model", "by key", "by outcome", "by lever", "cache.breakpoints", MODEL, "$"):
        assert words in done.out


@pytest.mark.parametrize(
    ("arguments", "calls"),
    [
        (("--since", "2026-11-21"), 4),
        (("--since", "2026-11-22"), 0),
        (("--until", "2026-11-21"), 0),
        (("--until", "2026-11-22"), 4),
        (("--since", "2026-11-21T12:00:10Z"), 3),
        (("--until", "2026-11-21T12:00:10Z"), 1),
        (("--since", "2026-11-21T14:00:10+02:00", "--until", "2026-11-21T13:00:30+01:00"), 2),
    ],
)
def test_spans_hold_their_start_and_not_their_end(run: Run, books: Books, arguments: tuple[str, ...], calls: int) -> None:
    assert run("report", "--ledger", books.path, "--json", *arguments).json()["calls"] == calls


def test_a_span_is_named(run: Run, books: Books) -> None:
    found = run("report", "--ledger", books.path, "--json", "--since", "2026-11-21", "--until", "2026-11-30").json()
    assert (found["since"], found["until"]) == ("2026-11-21T00:00:00.000Z", "2026-11-30T00:00:00.000Z")


def test_an_empty_span_for_people(run: Run, books: Books) -> None:
    done = run("report", "--ledger", books.path, "--since", "2027-01-01")
    assert done.code == 0
    assert "by lever" not in done.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since", "yesterday"), "--since: 'yesterday' is no moment"),
        (("--until", "2026-13-01"), "--until: '2026-13-01' is no moment"),
        (("--since", "2026-11-21T12:00:00"), "add Z for UTC"),
        (("--since", "2026-11-21", "--until", "2026-11-21"), "must lie before"),
    ],
)
def test_bad_dates(run: Run, books: Books, arguments: tuple[str, ...], words: str) -> None:
    done = run("report", "--ledger", books.path, *arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err


def test_a_missing_ledger_is_not_made(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    done = run("report", "--ledger", str(path), "--json")
    assert (done.code, done.out) == (2, "")
    assert "there is no ledger at" in done.err
    assert not path.exists()


def test_remarks_go_to_stderr(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = (Group("a", 3, 0, 0),)
    found = Report(3, 2, 1, 0, 0, {}, groups, groups, groups)
    monkeypatch.setattr("thriftgate.cli.report.ask_books", lambda *_: (found, savings_of(found, [], [])))
    done = run("report")
    assert "2 of the calls broke off" in done.err
    assert "1 calls are open" in done.err


def test_net_is_gross_where_nothing_of_ours_cost() -> None:
    found = Report(1, 0, 0, 5, 2, {"cache.breakpoints": 3}, (), (), ())
    document = report_document(found, savings_of(found, [], []))
    assert document["gross_usd"] == document["net_usd"] == document["saved_usd"] == "0.000000000003"


def test_net_is_what_is_left_of_gross(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Report(2, 0, 0, 5 * 10**9, 2 * 10**9, {"cache.breakpoints": 4 * 10**9, "proof.calls": -(10**9)}, (), (), ())
    saved = savings_of(found, [OwnCost("proof", 1, 10**9)], [])
    document = report_document(found, saved)
    assert (document["gross_usd"], document["net_usd"], document["saved_usd"]) == ("0.004", "0.003", "0.003")
    monkeypatch.setattr("thriftgate.cli.report.ask_books", lambda *_: (found, saved))
    assert "$0.001000 of what was paid went to thriftgate's own calls" in run("report").err


def test_the_hold_out_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Report(2, 0, 0, 5, 2, {}, (), (), ())
    drawn = [Conversation(str(at), "" if at % 2 else "holdout", 0.5, 1, 10, 20 if at % 2 else 10) for at in range(200)]
    held = report_document(found, savings_of(found, [], drawn))["holdout"]
    assert held["conversations"] == {"treated": 100, "holdout": 100}
    assert held["saving"] == pytest.approx(0.0, abs=0.02)
    assert held["low"] < 0 < held["high"]
    assert held["baseline_shift"]["low"] > 0, "the books say that treated conversations would have cost twice as much"
    few = report_document(found, savings_of(found, [], drawn[:9]))["holdout"]
    assert (few["low"], few["high"], few["baseline_shift"], few["calls_shift"]) == (None, None, None, None)
