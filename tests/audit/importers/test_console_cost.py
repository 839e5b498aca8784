"""The Console's cost export: dollars, display names, its own words for token types."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audit.importers.reading import claims, one, read
from thriftgate.audit.importers.console_cost import ConsoleCost

COST = ConsoleCost()
ROW = {
    "usage_date_utc": "2026-11-02",
    "model": "Claude Sonnet 4.5",
    "workspace": "Default",
    "api_key": "north",
    "usage_type": "message",
    "context_window": "> 200k",
    "token_type": "output",
    "cost_usd": "18.71",
    "list_price_usd": "20.00",
    "cost_type": "token",
    "inference_geo": "global",
    "speed": "",
    "api_key_id": "apikey_1",
}


def table(*rows: dict[str, str]) -> str:
    return "".join(",".join(cells) + "\n" for cells in (rows[0], *(row.values() for row in rows)))


def test_a_row(tmp_path: Path) -> None:
    found = one(COST, tmp_path / "r", table(ROW))
    assert (found.bill_pico, found.token_type, found.model) == (18_710_000_000_000, "output", "Claude Sonnet 4.5")
    assert (found.reported_pico, found.prompt_tokens, found.calls) == (None, 0, 0)
    assert (found.key, found.workspace, found.geo, found.context_window) == ("north", "Default", "global", "200k-1M")
    assert claims(table(ROW)) == ["console-cost"]


@pytest.mark.parametrize(
    ("change", "bucket"),
    [
        ({"token_type": "input_no_cache"}, "input"),
        ({"token_type": "input_cache_read"}, "read"),
        ({"token_type": "input_cache_write"}, "write_unsplit"),
        ({"token_type": "input_cache_write_5m"}, "write_5m"),
        ({"token_type": "input_cache_write_1h"}, "write_1h"),
        ({"token_type": "", "cost_type": "web_search"}, "web_search"),
        ({"token_type": "", "cost_type": "", "usage_type": "code_execution"}, "code_execution"),
        ({"token_type": "something_new"}, "something_new"),
    ],
)
def test_what_a_charge_is_for(tmp_path: Path, change: dict[str, str], bucket: str) -> None:
    assert one(COST, tmp_path / "r", table(ROW | change)).token_type == bucket


@pytest.mark.parametrize(
    ("kind", "speed", "mode"), [("batch", "", "batch"), ("message", "fast", "fast"), ("new", "", "standard")]
)
def test_modes(tmp_path: Path, kind: str, speed: str, mode: str) -> None:
    assert one(COST, tmp_path / "r", table(ROW | {"usage_type": kind, "speed": speed})).mode == mode


@pytest.mark.parametrize(
    ("cost", "pico"),
    [
        ("0.00", 0),
        ("$1.25", 1_250_000_000_000),
        ("0.000000000001", 1),
        ("-0.50", -500_000_000_000),
        ("3E-2", 30_000_000_000),
    ],
)
def test_amounts_are_dollars(tmp_path: Path, cost: str, pico: int) -> None:
    assert one(COST, tmp_path / "r", table(ROW | {"cost_usd": cost})).bill_pico == pico


@pytest.mark.parametrize("cost", ["", "free", "NaN", "1e99999"])
def test_no_amounts(tmp_path: Path, cost: str) -> None:
    records, issues = read(COST, tmp_path / "r", table(ROW | {"cost_usd": cost}, ROW))
    assert len(records) == 1
    assert issues == {"malformed": 1}


def test_columns_of_2024(tmp_path: Path) -> None:
    old = {
        name: cell
        for name, cell in ROW.items()
        if name in {"usage_date_utc", "model", "token_type", "cost_usd", "api_key_id"}
    }
    found = one(COST, tmp_path / "r", table(old))
    assert (found.bill_pico, found.token_type, found.key, found.mode) == (
        18_710_000_000_000,
        "output",
        "apikey_1",
        "standard",
    )
