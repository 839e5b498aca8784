"""Figures for people, and names that mean ill."""

from __future__ import annotations

import pytest

from thriftgate.core.alerting.metrics import METRICS
from thriftgate.core.alerting.words import figure, moment, money, plain, span


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("spend", 12_345_678_900_000, "$12.35"), ("spend", 1_230_000_000, "$0.0012"), ("saved", -2e12, "-$2.00"),
        ("cache_share", 0.1234, "12.3 %"), ("latency_p95", 950, "950 ms"), ("latency_p95", 12_340, "12.3 s"),
        ("calls", 12_345, "12,345"),
    ],
)  # fmt: skip
def test_figures(name: str, value: float, text: str) -> None:
    assert figure(METRICS[name], value) == text


def test_spans_and_moments() -> None:
    assert [span(one * 60_000_000) for one in (1, 15, 60, 90, 1440, 10_080)] == [
        "1 min", "15 min", "1 h", "1.5 h", "24 h", "7 days",
    ]  # fmt: skip
    assert span(30_000_000) == "30 s"
    assert moment(1_795_262_400_000_000) == "2026-11-21 12:00 UTC"
    assert money(0) == "$0.0000"


def test_names_are_shown_on_one_line_and_do_nothing() -> None:
    assert plain("a\r\nBcc: x@y\x1b[2J\u202eevil\x00") == "a  Bcc: x@y [2J evil "
    assert plain("x" * 30, 10) == "x" * 9 + "…"
