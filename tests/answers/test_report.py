"""The report as a document; `tests/cli/test_report.py` prints it."""

from __future__ import annotations

from thriftgate.answers.report import remarks_document, report_document, savings_document
from thriftgate.ledger.entries import Group, Remarks, Report
from thriftgate.ledger.sql_savings import Conversation, OwnCost
from thriftgate.quality.savings import savings_of

FOUND = Report(2, 1, 0, 5 * 10**9, 2 * 10**9, {"a": 4 * 10**9, "b": -(10**9)}, (Group("m", 2, 5, 2),), (), ())


def test_what_thriftgate_spent_stands_beside_the_report() -> None:
    told = savings_document(FOUND, savings_of(FOUND, [OwnCost("proof", 1, 10**9)], []))
    assert (told["gross_usd"], told["own_usd"], told["net_usd"]) == ("0.004", "0.001", "0.003")
    assert told["own"] == [{"endpoint": "proof", "calls": 1, "paid_usd": "0.001"}]
    assert told["by_model"] == [
        {"model": "m", "calls": 2, "baseline_usd": "0.000000000005", "paid_usd": "0.000000000002",
         "saved_usd": "0.000000000003"}
    ]  # fmt: skip


def test_spans_and_hold_outs() -> None:
    drawn = [Conversation(str(at), "" if at % 2 else "holdout", 0.5, 1, 10, 20 if at % 2 else 10) for at in range(200)]
    told = report_document(FOUND, savings_of(FOUND, [], drawn), 0, 86_400_000_000)
    assert (told["since"], told["until"]) == ("1970-01-01T00:00:00.000Z", "1970-01-02T00:00:00.000Z")
    assert told["holdout"]["conversations"] == {"treated": 100, "holdout": 100}
    assert told["trial"] == {}


def test_remarks() -> None:
    assert remarks_document(Remarks(0, False, True)) == {"kept_from": None, "whole_hours": False, "others": True}
