"""The Console's usage export."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audit.importers.reading import claims, one, read
from thriftgate.audit.importers.console_usage import ConsoleUsage

USAGE = ConsoleUsage()
ROW = {
    "usage_date_utc": "2026-11-02",
    "model_version": "claude-sonnet-5",
    "api_key": "north",
    "workspace": "Default",
    "usage_type": "standard",
    "context_window": "≤ 200k",
    "usage_input_tokens_no_cache": "1200",
    "usage_input_tokens_cache_write_5m": "900",
    "usage_input_tokens_cache_write_1h": "50",
    "usage_input_tokens_cache_read": "41000",
    "usage_output_tokens": "210",
    "web_search_count": "3",
    "inference_geo": "not_available",
    "speed": "",
}


def table(*rows: dict[str, str]) -> str:
    return "".join(",".join(cells) + "\r\n" for cells in (rows[0], *(row.values() for row in rows)))


def test_a_row(tmp_path: Path) -> None:
    found = one(USAGE, tmp_path / "r", table(ROW))
    assert (found.input, found.write_5m, found.write_1h, found.read, found.output) == (1200, 900, 50, 41000, 210)
    assert (found.prompt_tokens, found.web_searches, found.calls) == (43150, 3, 0)
    assert (found.model, found.key, found.workspace, found.geo) == ("claude-sonnet-5", "north", "Default", "not_available")
    assert (found.context_window, found.mode, found.span_us) == ("0-200k", "standard", 86_400_000_000)


def test_columns_of_2025_and_of_later_years(tmp_path: Path) -> None:
    old = {name: cell for name, cell in ROW.items() if name not in {"context_window", "inference_geo", "speed"}}
    assert one(USAGE, tmp_path / "r", table(old)).context_window == ""
    turned = dict(reversed((ROW | {"usage_of_tomorrow": "7"}).items()))
    assert one(USAGE, tmp_path / "r", table(turned)).read == 41000
    assert claims(table(old)) == claims(table(turned)) == ["console-usage"]


@pytest.mark.parametrize(
    ("kind", "speed", "mode"), [("batch", "", "batch"), ("message", "", "standard"), ("standard", "fast", "fast")]
)
def test_modes(tmp_path: Path, kind: str, speed: str, mode: str) -> None:
    assert one(USAGE, tmp_path / "r", table(ROW | {"usage_type": kind, "speed": speed})).mode == mode


def test_writes_of_untold_life(tmp_path: Path) -> None:
    unsplit = {name.removesuffix("_5m"): cell for name, cell in ROW.items() if not name.endswith("_1h")}
    found = one(USAGE, tmp_path / "r", table(unsplit))
    assert (found.write_unsplit, found.write_5m, found.write_1h) == (900, 0, 0)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"usage_output_tokens": "-1"}, "malformed"),
        ({"usage_output_tokens": "many"}, "malformed"),
        ({"usage_output_tokens": "9" * 30}, "malformed"),
        ({"usage_date_utc": "Total"}, "malformed"),
        ({"model_version": ""}, "no_model"),
        ({"usage_type": "flex"}, "unknown_tier"),
        (
            {name: "" for name in ROW if name.startswith("usage_i") or name in {"usage_output_tokens", "web_search_count"}},
            "no_usage",
        ),
    ],
)
def test_no_records(tmp_path: Path, change: dict[str, str], expected: str) -> None:
    records, issues = read(USAGE, tmp_path / "r", table(ROW | change, ROW))
    assert len(records) == 1
    assert issues == {expected: 1}
