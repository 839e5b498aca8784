"""`thriftgate report --by task`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.conftest import Books, Run
from tests.cli.entries import entry_of
from tests.fixtures import books as opened
from thriftgate.ledger.entries import balanced
from thriftgate.quality.proof import MEMORY
from thriftgate.quality.watch import Tally


def fill(path: Path, kept: bytes = b"") -> str:
    async def work() -> None:
        async with opened(path) as ledger:
            for at in range(4):
                postings = balanced(10**10, 4 * 10**9, {"route.learned": 6 * 10**9})
                await ledger.settle(entry_of(id=f"a{at}", task="tickets", latency_ms=1_000 * (at + 1), postings=postings))
            failed = {"outcome": "failed", "usage_source": "none", "resolution": "void", "postings": balanced(0, 0, {})}
            await ledger.settle(entry_of(id="b", task="tickets", **failed))
            await ledger.settle(entry_of(id="c", task="", latency_ms=10))
            if kept:
                await ledger.keep(MEMORY, kept)

    asyncio.run(work())
    return str(path)


def proof_of(*tallies: dict[str, Tally]) -> bytes:
    """What the proof keeps, with these verdicts of so many artefacts."""
    watches = {
        str(at): msgspec.msgpack.encode({"tallies": one, "detectors": {}, "mix": b""}) for at, one in enumerate(tallies)
    }
    kept: dict[str, Any] = {"day": 0, "spent_pico": 0, "watches": watches, "suspended": {}, "pinned": {}}
    return msgspec.msgpack.encode(kept)


def test_side_by_side(run: Run, tmp_path: Path) -> None:
    kept = proof_of({"tickets": Tally(60, 3, 1, 6), "": Tally(99, 9, 9, 9)}, {"tickets": Tally(20, 10, 0, 0)})
    done = run("report", "--by", "task", "--json", "--ledger", fill(tmp_path / "b.db", kept))
    assert (done.code, done.err) == (0, "")
    document = done.json()
    assert (document["since"], document["until"]) == (None, None)
    tickets, untold = document["by_task"]
    assert tickets == {
        "task": "tickets",
        "calls": 5,
        "baseline_usd": "0.04",
        "paid_usd": "0.016",
        "saved_usd": "0.024",
        "usd_per_call": "0.0032",
        "tried": 5,
        "answered": 4,
        "success": 0.8,
        "latency_ms_p50": 2_000,
        "latency_ms_p95": 4_000,
        "audits": 100,
        "agreement": 0.8,
        "worse": 0.06,
    }
    assert (untold["task"], untold["audits"], untold["agreement"], untold["worse"]) == ("", 0, None, None)


def test_for_people(run: Run, tmp_path: Path) -> None:
    done = run("report", "--by", "task", "--ledger", fill(tmp_path / "b.db", proof_of({"tickets": Tally(9, 1)})))
    assert done.code == 0
    for words in ("tickets", "(not told)", "80.0 %", "90.0 %", "2.0 / 4.0 s", "60.0 %"):
        assert words in done.out


def test_a_span(run: Run, tmp_path: Path) -> None:
    path = fill(tmp_path / "b.db")
    found = run("report", "--by", "task", "--json", "--ledger", path, "--since", "2026-11-22").json()
    assert (found["since"], found["until"], found["by_task"]) == ("2026-11-22T00:00:00.000Z", None, [])


def test_audits_that_cannot_be_read(run: Run, tmp_path: Path) -> None:
    done = run("report", "--by", "task", "--json", "--ledger", fill(tmp_path / "b.db", b"\xc1"))
    assert "what audits have found cannot be read" in done.err
    assert done.json()["by_task"][0]["audits"] == 0


def test_it_adds_up_to_the_report(run: Run, books: Books) -> None:
    whole, tasks = (run("report", "--ledger", books.path, "--json", *by).json() for by in ((), ("--by", "task")))
    assert sum(one["calls"] for one in tasks["by_task"]) == whole["calls"]
    assert sum(float(one["paid_usd"]) for one in tasks["by_task"]) == pytest.approx(float(whole["paid_usd"]))


def test_only_tasks(run: Run, books: Books) -> None:
    assert run("report", "--by", "weather", "--ledger", books.path).code == 2
