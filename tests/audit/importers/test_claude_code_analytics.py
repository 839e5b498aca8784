"""Claude Code's analytics report: a day of a user by model; subscriptions are not billed by the token."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audit.importers.reading import claims, lines, one, read
from thriftgate.audit.importers.claude_code_analytics import ClaudeCodeAnalytics

ANALYTICS = ClaudeCodeAnalytics()
TOKENS: dict[str, object] = {"input": 100, "output": 35, "cache_read": 10, "cache_creation": 5}
LINE: dict[str, object] = {
    "model": "claude-sonnet-5",
    "tokens": TOKENS,
    "estimated_cost": {"currency": "USD", "amount": 1025},
}
PERSON: dict[str, object] = {
    "date": "2026-11-02T00:00:00Z",
    "actor": {"type": "user_actor", "email_address": "ann@example.com"},
    "customer_type": "api",
    "model_breakdown": [LINE],
}


def page(*people: object) -> str:
    return lines({"data": people, "has_more": False, "next_page": None})


def test_a_day_of_a_user(tmp_path: Path) -> None:
    found = one(ANALYTICS, tmp_path / "r", page(PERSON))
    assert (found.input, found.read, found.write_unsplit, found.output) == (100, 10, 5, 35)
    assert (found.write_5m, found.write_1h, found.prompt_tokens) == (0, 0, 115)
    assert (found.at_us, found.span_us, found.calls) == (1_793_577_600_000_000, 86_400_000_000, 0)
    assert (found.user, found.key, found.model) == ("ann@example.com", "", "claude-sonnet-5")


@pytest.mark.parametrize(("amount", "pico"), [(1025, 10_250_000_000_000), ("7", 70_000_000_000), (0, 0), (None, None)])
def test_estimates_are_cents(tmp_path: Path, amount: object, pico: int | None) -> None:
    told = LINE | {"estimated_cost": {"currency": "USD", "amount": amount}}
    assert one(ANALYTICS, tmp_path / "r", page(PERSON | {"model_breakdown": [told]})).reported_pico == pico


def test_a_key_in_place_of_a_user(tmp_path: Path) -> None:
    actor = {"type": "api_actor", "api_key_name": "ci"}
    found = one(ANALYTICS, tmp_path / "r", page(PERSON | {"actor": actor}))
    assert (found.user, found.key) == ("ci", "ci")


def test_subscriptions_are_not_billed(tmp_path: Path) -> None:
    seat = PERSON | {"customer_type": "subscription", "model_breakdown": [LINE, LINE]}
    records, issues = read(ANALYTICS, tmp_path / "r", page(seat, PERSON))
    assert [record.position for record in records] == [3]
    assert issues == {"not_billed": 2}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"model_breakdown": []}, "no_usage"),
        ({"model_breakdown": [LINE | {"tokens": None}]}, "no_usage"),
        ({"model_breakdown": [LINE | {"model": None}]}, "no_model"),
        ({"model_breakdown": [LINE | {"tokens": TOKENS | {"input": -1}}]}, "malformed"),
        ({"model_breakdown": [LINE | {"estimated_cost": {"amount": "NaN"}}]}, "malformed"),
        ({"model_breakdown": [LINE | {"estimated_cost": {"amount": 1, "currency": "EUR"}}]}, "other_currency"),
        ({"model_breakdown": {}}, "malformed"),
        ({"date": "soon"}, "malformed"),
        ({"date": None}, "malformed"),
        ({"actor": []}, "malformed"),
    ],
)
def test_no_records(tmp_path: Path, change: dict[str, object], expected: str) -> None:
    records, issues = read(ANALYTICS, tmp_path / "r", page(PERSON | change, PERSON))
    assert len(records) == 1
    assert issues == {expected: 1}


def test_pages_lists_and_lines(tmp_path: Path) -> None:
    for text in (page(PERSON, PERSON), lines(PERSON, PERSON), lines([PERSON, PERSON]), page(PERSON) + page(PERSON)):
        records, issues = read(ANALYTICS, tmp_path / "r", text)
        assert [record.position for record in records] == [1, 2]
        assert not issues
        assert claims(text) == ["claude-code-analytics"]


def test_what_is_no_page(tmp_path: Path) -> None:
    assert read(ANALYTICS, tmp_path / "r", lines({"error": "x"}, "7", "{"))[1] == {"not_a_call": 1, "malformed": 2}
