"""What `thriftgate route tasks` prints."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.cli.entries import entry_of
from thriftgate.cli.route_tasks import print_tasks, report_on_tasks
from thriftgate.core.errors import ConfigError, InputError
from thriftgate.core.usage import Tokens, Usage
from thriftgate.ledger.entries import balanced
from thriftgate.ledger.sql import SqlLedger


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Books with a task that was routed, one that was not, a call from before there were tasks, and a second call."""
    routed = {"asked_model": "claude-opus-5-5", "model": "claude-haiku-5-5", "task": "tickets", "latency_ms": 800}
    entries = [
        entry_of(id="a", **routed, postings=balanced(2 * 10**9, 4 * 10**8, {"route.rules": 16 * 10**8})),
        entry_of(id="b", **routed, postings=balanced(2 * 10**9, 6 * 10**8, {"route.rules": 14 * 10**8})),
        entry_of(id="c", task="fp:0123456789ab", usage=Usage(Tokens(output=1_234)), postings=balanced(9, 9, {})),
        entry_of(id="d", postings=balanced(8, 8, {})),
        entry_of(id="e", parent="a", endpoint="proof", postings=balanced(0, 10**12, {"proof.calls": -(10**12)})),
    ]

    async def write() -> None:
        ledger = SqlLedger.open(tmp_path / "books.db")
        for entry in entries:
            await ledger.settle(entry)
        await ledger.close()

    asyncio.run(write())
    return str(tmp_path / "books.db")


def test_the_dearest_first(path: str) -> None:
    first, *rest = report_on_tasks(path, None, None)["tasks"]
    assert first == {
        "task": "tickets",
        "asked": "claude-opus-5-5",
        "served": "claude-haiku-5-5",
        "calls": 2,
        "baseline_usd": "0.004",
        "paid_usd": "0.001",
        "output_tokens": 100,
        "latency_ms": 800,
    }
    assert [(one["task"], one["paid_usd"]) for one in rest] == [
        ("fp:0123456789ab", "0.000000000009"),
        ("", "0.000000000008"),
    ]


def test_spans(path: str) -> None:
    assert report_on_tasks(path, "2027-01-01", None) == {"tasks": []}
    with pytest.raises(InputError, match="must lie before"):
        report_on_tasks(path, "2027-01-01", "2026-01-01")


def test_missing_books(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no ledger"):
        report_on_tasks(str(tmp_path / "none.db"), None, None)


def test_for_people(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_tasks(report_on_tasks(path, None, None))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["tickets", "claude-opus-5-5", "claude-haiku-5-5", "2", "$0.0040", "$0.0010"]
    assert lines[2].split()[0] == "fp:0123456789ab", "whole, to be copied into the settings"
    assert lines[3].startswith("(not told)")
    assert "claude-haiku-5-5" not in lines[3]
