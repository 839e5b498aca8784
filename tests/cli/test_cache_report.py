"""`thriftgate cache report`: how prompts were cached, what was missed, and what it cost."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.cli.conftest import MODEL, Books, Run
from tests.cli.entries import OPENED_US, entry_of
from tests.core.test_misses import body
from tests.fixtures import call_of, engine_on, read_all, simulator
from thriftgate.answers.cache import ADVICE, saved_by_caching
from thriftgate.core.misses import Cause, Miss
from thriftgate.core.usage import Tokens, Usage
from thriftgate.ledger.entries import Entry, PricedAlike
from thriftgate.ledger.sql import SqlLedger
from thriftgate.pricing.load import load_book
from thriftgate.simulator import SimClock

BOOK = load_book()
DAY = OPENED_US // 86_400_000_000


def written(path: Path, *entries: Entry) -> str:
    async def write() -> None:
        ledger = SqlLedger.open(path)
        for entry in entries:
            await ledger.settle(entry)
        await ledger.close()

    asyncio.run(write())
    return str(path)


@pytest.fixture
def missed(tmp_path: Path) -> str:
    """A cold call, one that read, one that came too late, one of another model and key that changed a tool."""
    plain = Usage(Tokens(input=100, write_5m=1_000))
    return written(
        tmp_path / "books.db",
        entry_of(id="a", usage=plain, miss=Miss("cold", 1_100, 9_000, "first")),
        entry_of(id="b"),
        entry_of(id="c", usage=plain, miss=Miss("expired", 1_000, 4_800_000_000, "late", True, gap_s=400.0)),
        entry_of(
            id="d",
            opened_us=OPENED_US + 86_400_000_000,
            model="claude-haiku-5-5",
            served_model="claude-haiku-5-5",
            key="key_b",
            usage=Usage(Tokens(write_1h=2_000)),
            miss=Miss("prefix_changed", 2_000, 1_200_000_000, "tools[0]", True, 0, 4_000.0, "0a1b2c3d"),
        ),
    )


def test_all_that_was_missed(run: Run, missed: str) -> None:
    done = run("cache", "report", "--ledger", missed, "--json")
    assert (done.code, done.err) == (0, "")
    found = done.json()
    assert (found["calls"], found["prompt_tokens"], found["read_tokens"]) == (4, 5_300, 1_000)
    assert (found["write_5m_tokens"], found["write_1h_tokens"], found["plain_tokens"]) == (2_000, 2_000, 300)
    assert found["hit_share"] == round(1_000 / 5_300, 4)
    assert found["missed_usd"] == "0.006"
    assert found["avoidable_usd"] == "0.006"
    assert [(one["cause"], one["calls"], one["tokens"], one["cost_usd"]) for one in found["misses"]] == [
        ("expired", 1, 1_000, "0.0048"),
        ("prefix_changed", 1, 2_000, "0.0012"),
        ("cold", 1, 1_100, "0.000000009"),
    ]
    assert [one["avoidable"] for one in found["misses"]] == [True, True, False]
    assert [(one["model"], one["missed_usd"]) for one in found["by_model"]] == [
        ("claude-opus-5-5", "0.0048"),
        ("claude-haiku-5-5", "0.0012"),
    ]
    assert [(one["key"], one["calls"]) for one in found["by_key"]] == [("key_0123456789ab", 3), ("key_b", 1)]
    # Opus 5.5: $4 plain, $5 written for 5m, $0.20 read; Haiku 5.5 in the book: hour writes cost twice the input
    haiku = next(row.rates for row in BOOK.rows if row.model == "claude-haiku-5-5" and row.mode == "standard")
    saved = 1_000 * 3_800_000 - 2_000 * 1_000_000 - 2_000 * (haiku.write_1h - haiku.input) // 10**6
    assert Decimal(found["saved_usd"]) == Decimal(saved) / 10**12


def test_a_span_of_time(run: Run, missed: str) -> None:
    found = run("cache", "report", "--ledger", missed, "--json", "--since", "2026-11-22").json()
    assert (found["calls"], found["since"], found["until"]) == (1, "2026-11-22T00:00:00.000Z", None)
    found = run("cache", "report", "--ledger", missed, "--json", "--until", "2026-11-22").json()
    assert [one["cause"] for one in found["misses"]] == ["expired", "cold"]


def test_tables_for_people(run: Run, missed: str) -> None:
    done = run("cache", "report", "--ledger", missed)
    assert done.code == 0
    for words in ("all calls", "by model", "by key", "18.9 %", "expired", "saved by caching", "$0.006000"):
        assert words in done.out
    assert f"expired: {ADVICE['expired']}" in done.out
    assert ADVICE["cold"] not in done.out


def test_empty_books(run: Run, tmp_path: Path) -> None:
    path = written(tmp_path / "books.db")
    found = run("cache", "report", "--ledger", path, "--json").json()
    assert (found["calls"], found["hit_share"], found["misses"], found["saved_usd"]) == (0, None, [], "0")
    assert run("cache", "report", "--ledger", path).code == 0


def test_the_books_of_real_calls(run: Run, books: Books) -> None:
    found = run("cache", "report", "--ledger", books.path, "--json").json()
    assert found["calls"] == 3
    assert [(one["cause"], one["calls"]) for one in found["misses"]] == [("cold", 1)]
    assert (found["missed_usd"], found["avoidable_usd"]) == ("0", "0")
    assert (
        found["read_tokens"] + found["write_5m_tokens"] + found["write_1h_tokens"] + found["plain_tokens"]
        == (found["prompt_tokens"])
    )
    assert [one["model"] for one in found["by_model"]] == [MODEL]
    # every lever that acted was one on caching, and no client marked: what they saved is what caching saved
    assert found["saved_usd"] == run("report", "--ledger", books.path, "--json").json()["saved_usd"]


def test_what_explain_and_report_say_of_a_provoked_miss(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "books.db")

    async def calls() -> list[str]:
        app = simulator()
        assert isinstance(app.config.clock, SimClock)
        async with engine_on(app, policy={"levers": []}, ledger={"path": path}) as engine:
            for wait_s in (0, 360):
                app.config.clock.advance(wait_s)
                await read_all(await engine.messages(call_of(body(2))))
            return [entry.id for entry in await engine.ledger.entries()]

    _, late = asyncio.run(calls())
    miss = run("explain", late, "--ledger", path, "--json").json()["miss"]
    assert (miss["cause"], miss["gap_s"], miss["read_tokens"], miss["avoidable"]) == ("expired", 360, 0, True)
    found = run("cache", "report", "--ledger", path, "--json").json()
    assert {one["cause"]: one["cost_usd"] for one in found["misses"]}["expired"] == miss["cost_usd"]


def test_bad_usage(run: Run, missed: str, tmp_path: Path) -> None:
    assert run("cache", "report", "--ledger", str(tmp_path / "none.db")).code == 2
    assert run("cache", "report", "--ledger", missed, "--since", "yesterday-ish").code == 2


@pytest.mark.parametrize(
    ("members", "saved"),
    [
        ({"tokens": Tokens(read=10**6)}, (3_800_000_000_000, 0)),
        ({"tokens": Tokens(write_5m=10**6)}, (-1_000_000_000_000, 0)),
        ({"tokens": Tokens(write_1h=10**6)}, (-4_000_000_000_000, 0)),
        ({"tokens": Tokens(input=10**6, output=10**6)}, (0, 0)),
        ({"tokens": Tokens(read=10**6), "model": "nobody"}, (0, 10**6)),
    ],
)
def test_what_caching_saved_by_hand(members: dict[str, Any], saved: tuple[int, int]) -> None:
    base: dict[str, Any] = {"model": MODEL, "mode": "standard", "geo": "global", "day": DAY, "above_tokens": 0}
    assert saved_by_caching([PricedAlike(**base | members)], BOOK) == saved


def test_a_long_prompt_is_priced_at_its_step() -> None:
    base: dict[str, Any] = {"model": "claude-haiku-5-5", "mode": "standard", "geo": "global", "day": DAY}
    below, above = (
        saved_by_caching([PricedAlike(**base, above_tokens=step, tokens=Tokens(read=10**6))], BOOK)[0]
        for step in (0, 100_000)
    )
    assert above == 5 * below


def test_there_is_advice_for_every_cause() -> None:
    assert set(ADVICE) == set(get_args(Cause))
