"""The Admin API's cost report: cents, to the last digit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audit.importers.reading import claims, lines, one, read
from thriftgate.audit.importers.admin_cost import AdminCost

COST = AdminCost()
ROW: dict[str, object] = {"amount": "123.45", "currency": "USD", "cost_type": "tokens", "token_type": "output_tokens"}


def report(*rows: object) -> str:
    day = {"starting_at": "2026-11-02T00:00:00Z", "ending_at": "2026-11-03T00:00:00Z", "results": rows}
    return lines({"data": [day], "has_more": False})


@pytest.mark.parametrize(
    ("amount", "pico"),
    [
        ("123.45", 1_234_500_000_000),  # $1.2345, not $123.45
        ("0.1", 1_000_000_000),
        ("123456789012.3456789012", 1_234_567_890_123_456_789_012),  # a float has no such digits
        ("-3", -30_000_000_000),
        ("0", 0),
        (12.5, 125_000_000_000),
    ],
)
def test_amounts_are_cents(tmp_path: Path, amount: object, pico: int) -> None:
    assert one(COST, tmp_path / "r", report(ROW | {"amount": amount})).bill_pico == pico


@pytest.mark.parametrize(
    ("terms", "bucket"),
    [
        ({"token_type": "uncached_input_tokens"}, "input"),
        ({"token_type": "cache_read_input_tokens"}, "read"),
        ({"token_type": "cache_creation.ephemeral_5m_input_tokens"}, "write_5m"),
        ({"token_type": "cache_creation.ephemeral_1h_input_tokens"}, "write_1h"),
        ({"cost_type": "web_search", "token_type": None}, "web_search"),
        ({"cost_type": "code_execution", "token_type": None}, "code_execution"),
        ({"cost_type": None, "token_type": None}, ""),
    ],
)
def test_what_a_charge_is_for(tmp_path: Path, terms: dict[str, object], bucket: str) -> None:
    found = one(COST, tmp_path / "r", report(ROW | terms))
    assert (found.token_type, found.prompt_tokens, found.output, found.calls) == (bucket, 0, 0, 0)


def test_terms(tmp_path: Path) -> None:
    terms = {"model": "claude-sonnet-5", "service_tier": "batch", "inference_geo": "us", "context_window": "0-200k"}
    found = one(COST, tmp_path / "r", report(ROW | terms | {"workspace_id": "w"}))
    assert (found.model, found.mode, found.geo, found.context_window) == ("claude-sonnet-5", "batch", "us", "0-200k")
    assert (found.workspace, found.at_us, found.span_us) == ("w", 1_793_577_600_000_000, 86_400_000_000)


def test_money_is_never_left_out(tmp_path: Path) -> None:
    records, issues = read(COST, tmp_path / "r", report(ROW, ROW | {"service_tier": "flex"}, ROW | {"model": "a-new-name"}))
    assert sum(record.bill_pico or 0 for record in records) == 3 * 1_234_500_000_000
    assert not issues


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"currency": "EUR"}, "other_currency"),
        ({"amount": None}, "malformed"),
        ({"amount": "NaN"}, "malformed"),
        ({"amount": "1e999999"}, "malformed"),
        ({"amount": "$5"}, "malformed"),
        ({"amount": True}, "malformed"),
        ({"rbac_group_id": "g"}, "overlapping_rows"),
    ],
)
def test_no_records(tmp_path: Path, change: dict[str, object], expected: str) -> None:
    records, issues = read(COST, tmp_path / "r", report(ROW | change, ROW))
    assert len(records) == 1
    assert issues == {expected: 1}


def test_sniffing() -> None:
    assert claims(report(ROW)) == claims(report(ROW | {"token_type": "uncached_input_tokens"})) == ["admin-cost"]
    users = {"data": [{"actor": {"user_id": "u"}, "amount": "1", "list_amount": "1", "currency": "USD"}]}
    assert claims(lines(users)) == ["admin-cost"]
