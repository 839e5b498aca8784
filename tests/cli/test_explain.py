"""`thriftgate explain`."""

from __future__ import annotations

import asyncio
import re
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.conftest import Books, Run
from tests.cli.entries import MODEL, OPENED_US, entry_of
from thriftgate.core.levers import LEVERS
from thriftgate.core.misses import Miss
from thriftgate.ledger.entries import Hold
from thriftgate.ledger.sql import SqlLedger


@pytest.mark.parametrize("number", [0, 1, 2])
def test_an_answered_call(run: Run, books: Books, number: int) -> None:
    done = run("explain", books.ids[number], "--ledger", books.path, "--json")
    assert (done.code, done.err) == (0, "")
    found = done.json()
    assert found["id"] == books.ids[number]
    assert [line["lever"] for line in found["plan"]] == ["cache.stabilise", *(lever.id for lever in LEVERS)]
    assert [line["lever"] for line in found["plan"] if line["decision"] != "skipped"] == ["cache.breakpoints"]
    assert all(line["reason"] and Decimal(line["forecast_usd"]) is not None for line in found["plan"])
    assert sum(Decimal(line["usd"]) for line in found["lines"]) == Decimal(found["cost_usd"])
    assert sum(Decimal(one["amount_usd"]) for one in found["postings"]) == Decimal(found["postings_sum_usd"]) == 0
    assert Decimal(found["baseline_usd"]) - Decimal(found["cost_usd"]) == Decimal(found["saved_usd"])
    assert Decimal(found["forecast_usd"]) > 0
    assert (found["miss"].get("cause"), found["remarks"], found["outcome"]) == (None if number else "cold", [], "answered")
    assert (found["usage"]["read_tokens"] > 0) == (number > 0)
    assert found["stream"] == (number == 2)
    assert found["opened"] == f"2026-11-21T12:00:{number}0.000Z"


def test_a_refused_call(run: Run, books: Books) -> None:
    found = run("explain", books.ids[3], "--ledger", books.path, "--json").json()
    assert (found["outcome"], found["cost_usd"], found["lines"], found["status"]) == ("refused", "0", [], 400)
    assert [line["lever"] for line in found["plan"] if line["decision"] == "refused"] == ["count.guard"]
    assert "could cost up to" in found["note"]


@pytest.mark.parametrize("number", [1, 3])
def test_for_people(run: Run, books: Books, number: int) -> None:
    done = run("explain", books.ids[number], "--ledger", books.path)
    assert done.code == 0
    for words in (books.ids[number], "cache.breakpoints", "forecast", "postings", "baseline"):
        assert words in done.out
    assert ("bill" in done.out) == (number == 1)
    off = next(line for line in done.out.splitlines() if line.startswith("off in the policy: "))
    assert off.removeprefix("off in the policy: ").split(", ") == [
        "cache.stabilise",
        *(lever.id for lever in LEVERS if not lever.safe),
    ]
    assert done.out.count("off in the policy") == 1
    assert ("could cost up to" in done.err) == (number == 3)


def test_an_unknown_id_names_others(run: Run, books: Books) -> None:
    done = run("explain", books.ids[1][:-1] + "x", "--ledger", books.path, "--json")
    assert (done.code, done.out) == (1, "")
    assert "there is no call" in done.err
    assert books.ids[1] in done.err


def test_empty_books(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    asyncio.run(_write(path))
    done = run("explain", "tg_x", "--ledger", str(path))
    assert done.code == 1
    assert "it is empty" in done.err


def test_an_open_call(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    asyncio.run(_write(path, Hold("tg_open", OPENED_US, "key", MODEL, 5, 3)))
    done = run("explain", "tg_open", "--ledger", str(path))
    assert done.code == 1
    assert "not settled" in done.err


def test_a_miss_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = entry_of(miss=Miss("expired", 1_000, 3_800_000_000, "last used 360 s before"))
    monkeypatch.setattr("thriftgate.cli.explain.ask_books", lambda *_: entry)
    assert (
        "cache miss, expired: last used 360 s before (1,000 tokens, $0.003800 above reading them)"
        in run("explain", entry.id).err
    )


def test_another_model_served(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = entry_of(served_model="claude-sonnet-5-5", attempts=2)
    monkeypatch.setattr("thriftgate.cli.explain.ask_books", lambda *_: entry)
    done = run("explain", entry.id)
    assert "served by claude-sonnet-5-5" in done.out
    assert "2 attempts" in done.out


def test_another_model_was_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = entry_of(asked_model="claude-fable-5", task="tickets", conversation="0123456789abcdef", propensity=0.95)
    monkeypatch.setattr("thriftgate.cli.explain.ask_books", lambda *_: entry)
    done = run("explain", entry.id)
    assert f"{MODEL} instead of claude-fable-5" in done.out
    assert "tickets" in done.out
    assert "treated, of conversation 0123456789abcdef" in done.out
    found = run("explain", entry.id, "--json").json()
    assert (found["asked_model"], found["task"], found["arm"], found["propensity"]) == (
        "claude-fable-5",
        "tickets",
        "",
        0.95,
    )


def test_whom_a_call_of_ours_was_made_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = entry_of(parent="tg_1")
    monkeypatch.setattr("thriftgate.cli.explain.ask_books", lambda *_: entry)
    assert re.search(r"made for +tg_1\b", run("explain", entry.id).out)
    assert "experiment" not in run("explain", entry.id).out


@pytest.mark.parametrize("arguments", [(), ("a", "b"), ("a", "--ledger", "none.db")])
def test_bad_usage(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("explain", *arguments).code == 2


async def _write(path: Path, *holds: Hold) -> None:
    ledger = SqlLedger.open(path)
    for hold in holds:
        await ledger.hold(hold)
    await ledger.close()
