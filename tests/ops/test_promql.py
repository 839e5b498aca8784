"""The reader of queries that holds the dashboard and the rules to the page: it must notice what is wrong."""

from __future__ import annotations

import pytest

from tests.ops.promql import BadQuery, check

EXPOSED = {"calls_total": {"outcome"}, "took_bucket": {"le", "model"}, "up": set[str]()}


@pytest.mark.parametrize(
    ("query", "metrics"),
    [
        ("calls_total", ["calls_total"]),
        (
            'sum(rate(calls_total{outcome=~"a|b",job="x"}[5m])) / sum(rate(calls_total[$__range])) > 0.05',
            ["calls_total"] * 2,
        ),
        ("histogram_quantile(0.95, sum by (le, model) (rate(took_bucket[$__rate_interval])))", ["took_bucket"]),
        ("sum(rate(calls_total[1d] offset 1h)) by (outcome) and on (instance) up == 0", ["calls_total", "up"]),
        ("1 - up", ["up"]),
    ],
)
def test_good(query: str, metrics: list[str]) -> None:
    assert check(query, EXPOSED) == metrics


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("calls", "calls is not exposed"),
        ('calls_total{model="x"}', "no label model"),
        ("sum by (model) (calls_total)", "no metric here has the label model"),
        ("sum(calls_total", r"\( is not closed"),
        ("sum(calls_total))", "closes nothing"),
        ("rat(calls_total[5m])", "no function rat"),
        ("rate(calls_total[5 minutes])", "no duration"),
        ("calls_total{outcome}", "no matcher"),
        ('calls_total{outcome=="x"}', "no matcher"),
        ("1 + 1", "names no metric"),
        ("calls_total ! up", "cannot be read"),
    ],
)
def test_bad(query: str, words: str) -> None:
    with pytest.raises(BadQuery, match=words):
        check(query, EXPOSED)
