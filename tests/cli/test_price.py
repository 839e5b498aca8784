"""`thriftgate price`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from thriftgate.pricing.load import load_book


def test_an_exact_decimal_string(run: Run) -> None:
    done = run(
        *("price", "--model", "claude-opus-5-5", "--input", "2000", "--write-5m", "10000", "--read", "50000"),
        *("--output", "1000", "--web-searches", "1", "--at", "2026-11-20", "--json"),
    )
    assert (done.code, done.err) == (0, "")
    found = done.json()
    assert found["cost_usd"] == "0.098"  # 2,000 × $4 + 10,000 × $5 + 50,000 × $0.20 + 1,000 × $20 a million, and a search
    assert {"kind": "read", "model": "claude-opus-5-5", "tokens": 50_000, "usd_per_mtok": "0.2", "usd": "0.01"} in found[
        "lines"
    ]
    assert found["price_book"] == load_book().id


@pytest.mark.parametrize(
    ("flags", "usd"),
    [
        (("--input", "1000000"), "2"),
        (("--write-1h", "1000000"), "4"),
        (("--input", "1000000", "--batch"), "1"),
        (("--input", "1000000", "--geo", "us"), "2.2"),
        (("--read", "1000000", "--at", "2026-10-06"), "0.2"),
        (("--read", "1000000", "--at", "2026-10-07T00:00:00Z"), "0.1"),
        ((), "0"),
    ],
)
def test_flags(run: Run, flags: tuple[str, ...], usd: str) -> None:
    assert run("price", "--model", "claude-sonnet-5-5", "--json", *flags).json()["cost_usd"] == usd


def test_for_people(run: Run) -> None:
    done = run("price", "--model", "claude-opus-5-5", "--output", "1234567", "--fast")
    assert done.code == 0
    assert "1,234,567" in done.out
    assert "$49.38268" in done.out


def test_own_prices(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "thriftgate.toml"
    file.write_text('[[prices.models]]\nid = "ours"\nusd_per_mtok = { input = "0.60", output = "2.40" }\n', encoding="utf-8")
    found = run("price", "--model", "ours", "--output", "1000", "--config", str(file), "--json").json()
    assert found["cost_usd"] == "0.0024"


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--model", "claude-opus-5-5", "--at", "soon"), 2, "'soon' is no date"),
        (("--model", "claude-opus-5-5", "--input", "-1"), 2, "must not be negative"),
        (("--model", "claude-opus-5-5", "--input", "many"), 2, "many"),
        (("--model", "claude-opus-5-5", "--batch", "--fast"), 2, "cannot be combined"),
        ((), 2, "--model"),
        (("--model", "gpt-x"), 1, "no price for model 'gpt-x'"),
        (("--model", "claude-haiku-5-5", "--input", "1", "--fast"), 1, "has no fast price"),
    ],
)
def test_bad_input(run: Run, flags: tuple[str, ...], code: int, words: str) -> None:
    done = run("price", *flags, "--json")
    assert (done.code, done.out) == (code, "")
    assert words in " ".join(done.err.split())
