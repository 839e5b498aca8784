"""`thriftgate calc`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from thriftgate.pricing.load import load_book

MONTH = ("calc", "--requests", "1000000", "--in", "8000", "--out", "500", "--at", "2026-11-21")
SONNET = ("--model", "claude-sonnet-4-6")
LEVERS = ("--cached", "0.8", "--batch", "0.3", "--route", "0.4", "--to", "claude-haiku-5-5", "--out-saved", "0.2")


def test_the_document(run: Run) -> None:
    done = run(*MONTH, *SONNET, *LEVERS, "--json")
    assert (done.code, done.err) == (0, "")
    found = done.json()
    assert set(found) == {
        *("requests", "before_usd", "after_usd", "saved_usd", "saved_percent", "low_usd", "high_usd"),
        *("steps", "by_model", "price_book", "assumptions"),
    }
    # Worked out in tests/audit/test_calc.py; 31,500 − 7,833.2192 = 23,666.7808, 75.1326 % of 31,500.
    assert (found["requests"], found["before_usd"], found["after_usd"]) == (1_000_000, "31500", "7833.2192")
    assert (found["saved_usd"], found["saved_percent"]) == ("23666.7808", 75.1326)
    assert [step["step"] for step in found["steps"]] == ["caching", "routing", "batch", "output"]
    assert [step["saved_usd"] for step in found["steps"]] == ["15072", "6286.448", "1521.2328", "787.1"]
    assert found["steps"][2] == {
        "step": "batch",
        "text": "30 % of all tokens at batch prices; answers come within a day",
        "cost_usd": "8620.3192",
        "saved_usd": "1521.2328",
        "saved_percent": 4.8293,
        "low_usd": "8420.22032",
        "high_usd": "9889.62",
    }
    assert Decimal(found["low_usd"]) < Decimal(found["after_usd"]) < Decimal(found["high_usd"])
    assert found["by_model"] == [
        {"model": "claude-sonnet-4-6", "requests": 600_000, "cost_usd": "7613.28"},
        {"model": "claude-haiku-5-5", "requests": 400_000, "cost_usd": "219.9392"},
    ]
    assert found["price_book"] == load_book().id
    assert all(sentence.endswith(".") for sentence in found["assumptions"])


@pytest.mark.parametrize(
    ("flags", "after"),
    [
        (SONNET, "31500"),
        ((*SONNET, "--cached", "0.8", "--hit", "0.5"), "25260"),  # 3,200 M × 0.30 + 3,200 M × 3.75 + 4,800 + 7,500
        ((*SONNET, "--cached", "0.8", "--uses-per-write", "4"), "19740"),  # 4,800 M × 0.30 + 1,600 M × 3.75 + 12,300
        ((*SONNET, "--cached", ".8", "--ttl", "1h"), "17868"),  # 5,760 M × 0.30 + 640 M × 6 + 12,300
        ((*SONNET, "--geo", "us"), "34650"),  # 31,500 × 1.1
        (("--model", "claude-opus-5-5", "--fast"), "84000"),  # 8,000 M × 8 + 500 M × 40
        (("--mix", "claude-opus-5-5=0.2, claude-sonnet-5-5=0.8"), "25200"),  # 0.2 × 42,000 + 0.8 × 21,000
        (("--model", "claude-haiku-4-5", "--batch", "1"), "5250"),  # (8,000 M × 1 + 500 M × 5) / 2
    ],
)
def test_flags(run: Run, flags: tuple[str, ...], after: str) -> None:
    assert run(*MONTH, *flags, "--json").json()["after_usd"] == after


def test_today_is_the_day_without_one(run: Run) -> None:
    done = run(*MONTH[:-2], *SONNET, "--json")
    assert done.code == 0
    assert done.json()["assumptions"][0].startswith("Prices of 20")


def test_nothing_of_nothing(run: Run) -> None:
    found = run("calc", "--requests", "1", "--in", "0", "--out", "0", *SONNET, "--batch", "1", "--json").json()
    assert (found["before_usd"], found["saved_usd"], found["saved_percent"]) == ("0", "0", 0.0)


def test_for_people(run: Run) -> None:
    done = run(*MONTH, *SONNET, *LEVERS)
    assert (done.code, done.err) == (0, "")
    rows = {line.split("  ")[0]: " ".join(line.split()) for line in done.out.splitlines()}
    assert rows["today"] == "today $31,500.00"
    assert rows["caching"] == "caching $16,428.00 $15,072.00 47.8 %"
    assert rows["routing"] == "routing $10,141.55 $6,286.45 20.0 % $10,097.74 to $10,185.36"
    assert rows["in all"].startswith("in all $7,833.22 $23,666.78 75.1 %")
    assert "caching: 80 % of each prompt kept for 5 minutes, 90 % of its uses read" in done.out
    assert rows["claude-haiku-5-5"] == "claude-haiku-5-5 400,000 $219.94"


def test_no_bounds_where_all_is_known(run: Run) -> None:
    out = run(*MONTH, *SONNET, "--cached", "0.8").out
    assert "low to high" not in out
    assert "by model" not in out


def test_own_prices(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "thriftgate.toml"
    file.write_text('[[prices.models]]\nid = "ours"\nusd_per_mtok = { input = "0.60", output = "2.40" }\n', encoding="utf-8")
    found = run(*MONTH, "--model", "ours", "--config", str(file), "--json").json()
    assert found["before_usd"] == "6000"  # 8,000 M × 0.60 + 500 M × 2.40
    assert any("ours is not in the model table" in sentence for sentence in found["assumptions"])


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        ((), 2, "write either --model claude-sonnet-4-6 or --mix"),
        ((*SONNET, "--mix", "claude-opus-5-5=1"), 2, "write either --model"),
        (("--mix", "claude-opus-5-5"), 2, "--mix: 'claude-opus-5-5' is no model with its share"),
        (("--mix", "claude-opus-5-5=half"), 2, "--mix: 'half' is no number"),
        (("--mix", "claude-opus-5-5=0.5,claude-haiku-5-5=0.4"), 2, "add up to 0.9"),
        ((*SONNET, "--cached", "80%"), 2, "--cached: '80%' is no number; write it like 0.8 for 80 %"),
        ((*SONNET, "--cached", "nan"), 2, "--cached: 'nan' is no number"),
        ((*SONNET, "--batch", "1e999999999"), 2, "--batch: '1e999999999' is no number"),
        ((*SONNET, "--batch", "-0.5"), 2, "--batch: -0.5 is no share"),
        ((*SONNET, "--batch", "."), 2, "--batch: '.' is no number"),
        ((*SONNET, "--hit", "0.5"), 2, "need --cached"),
        ((*SONNET, "--ttl", "1h"), 2, "need --cached"),
        ((*SONNET, "--cached", "0.5", "--ttl", "2h"), 2, "2h"),
        ((*SONNET, "--cached", "0.5", "--hit", "0.5", "--uses-per-write", "3"), 2, "leave one out"),
        ((*SONNET, "--cached", "0.5", "--uses-per-write", "0.5"), 2, "--uses-per-write: 0.5 is less than the write itself"),
        ((*SONNET, "--batch", "0.5", "--fast"), 2, "--batch and --fast cannot be combined"),
        ((*SONNET, "--at", "soon"), 2, "--at: 'soon' is no moment"),
        ((*SONNET, "--requests", "-1"), 2, "--requests: -1 cannot be"),
        (("--model", "claude-sonet-4-6"), 1, "did you mean claude-sonnet-4-6"),
    ],
)
def test_bad_input(run: Run, flags: tuple[str, ...], code: int, words: str) -> None:
    pairs = zip(MONTH[1::2], MONTH[2::2], strict=True)
    others = [word for pair in pairs if pair[0] not in flags for word in pair]
    done = run("calc", *others, *flags, "--json")
    assert (done.code, done.out) == (code, "")
    assert words in " ".join(done.err.split())
