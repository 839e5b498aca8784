"""The report of one translation."""

from __future__ import annotations

import pytest

from thriftgate.core.errors import InputError
from thriftgate.wire.openai.losses import Report, Row


def test_what_is_lost_is_told_once_in_order() -> None:
    report = Report()
    report.lose("seed")
    report.lose("temperature", "not taken")
    report.lose("seed", "again")
    assert report.told() == "seed; temperature (not taken)"
    assert report.fields == ("seed", "temperature")


def test_a_header_can_hold_it_whatever_a_client_wrote() -> None:
    report = Report()
    report.lose("naïve\r\nx: y" + "z" * 500)
    for number in range(200):
        report.lose(f"field_{number}")
    told = report.told()
    assert told.startswith("na?ve??x: y")
    assert told.isascii()
    assert told.isprintable()
    assert len(told) <= 1000
    assert told.endswith("...")


def test_rows_judge() -> None:
    report = Report()
    report.judge(Row("n", "refused", "one answer a call", (1,)), 1)
    report.judge(Row("seed", "reported", "cannot"), 7)
    assert report.fields == ("seed",)
    with pytest.raises(InputError, match=r"^n: one answer a call$"):
        report.judge(Row("n", "refused", "one answer a call", (1,)), 2)


def test_a_caller_that_wants_all_or_nothing() -> None:
    report = Report()
    report.refuse()
    report.lose("seed")
    with pytest.raises(InputError, match="seed"):
        report.refuse()
