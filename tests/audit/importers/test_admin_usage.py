"""The Admin API's usage report."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audit.importers.reading import claims, lines, one, read
from thriftgate.audit.importers.admin_usage import AdminUsage

USAGE = AdminUsage()
ROW: dict[str, object] = {
    "uncached_input_tokens": 1500,
    "cache_read_input_tokens": 200,
    "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
    "output_tokens": 510,
    "server_tool_use": {"web_search_requests": 10},
    "model": "claude-sonnet-5",
}
EMPTY = lines({"data": [{"starting_at": "2026-11-02T00:00:00Z", "ending_at": "2026-11-03T00:00:00Z", "results": []}]})


def report(*rows: object, end: str = "2026-11-03T00:00:00Z") -> str:
    return lines({"data": [{"starting_at": "2026-11-02T00:00:00Z", "ending_at": end, "results": rows}], "has_more": False})


def test_the_buckets_are_disjoint(tmp_path: Path) -> None:
    found = one(USAGE, tmp_path / "r", report(ROW))
    assert (found.input, found.write_5m, found.write_1h, found.read, found.output) == (1500, 500, 1000, 200, 510)
    assert (found.web_searches, found.calls, found.prompt_tokens) == (10, 0, 3200)


@pytest.mark.parametrize(
    ("end", "seconds"), [("2026-11-02T00:01:00Z", 60), ("2026-11-02T01:00:00Z", 3600), ("2026-11-03T00:00:00Z", 86400)]
)
def test_bucket_widths(tmp_path: Path, end: str, seconds: int) -> None:
    found = one(USAGE, tmp_path / "r", report(ROW, end=end))
    assert (found.at_us, found.span_us) == (1_793_577_600_000_000, seconds * 1_000_000)


@pytest.mark.parametrize(
    ("terms", "mode"),
    [
        ({"service_tier": "batch"}, "batch"),
        ({"service_tier": "standard", "speed": "fast"}, "fast"),
        ({"service_tier": "priority"}, "standard"),
        ({"service_tier": None, "speed": None}, "standard"),
    ],
)
def test_modes(tmp_path: Path, terms: dict[str, object], mode: str) -> None:
    assert one(USAGE, tmp_path / "r", report(ROW | terms)).mode == mode


def test_dimensions(tmp_path: Path) -> None:
    named = {
        "api_key_id": "apikey_1",
        "workspace_id": "w",
        "inference_geo": "us",
        "context_window": "200k-1M",
        "product": "chat",
    }
    found = one(USAGE, tmp_path / "r", report(ROW | named | {"requests": 7, "account_id": "u"}))
    assert (found.key, found.workspace, found.geo, found.context_window) == ("apikey_1", "w", "us", "200k-1M")
    assert (found.project, found.calls, found.user) == ("chat", 7, "u")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"model": None}, "no_model"),
        ({"service_tier": "flex_discount"}, "unknown_tier"),
        ({"output_tokens": -1}, "malformed"),
        ({"output_tokens": 1.5}, "malformed"),
        ({"requests": -1}, "malformed"),
        ({"cache_creation": []}, "malformed"),
    ],
)
def test_no_records(tmp_path: Path, change: dict[str, object], expected: str) -> None:
    records, issues = read(USAGE, tmp_path / "r", report(ROW | change, ROW))
    assert len(records) == 1
    assert issues == {expected: 1}


def test_a_row_of_nothing_is_no_usage(tmp_path: Path) -> None:
    assert read(USAGE, tmp_path / "r", report({"model": None, "output_tokens": 0})) == ([], {"no_usage": 1})
    searches = {"server_tool_use": {"web_search_requests": 3}, "model": "claude-sonnet-5"}
    assert one(USAGE, tmp_path / "r", report(searches)).web_searches == 3


def test_sniffing() -> None:
    assert claims(report(ROW)) == ["admin-usage"]
    assert claims(EMPTY, "usage_2026_11.json") == ["admin-usage"]
    assert claims(EMPTY, "cost_report.json") == ["admin-cost"]
    assert not claims(lines({"data": [{"id": "1", "usage": {}}]}))
    assert not claims(lines({"data": []}))
