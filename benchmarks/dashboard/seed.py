"""Books of any size, made up from a seed: what teams of a company might ask in so many days. Prices are the book's own."""

from __future__ import annotations

import asyncio
import math
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from thriftgate.core.control.whose import Whose
from thriftgate.core.cost import pico_at
from thriftgate.core.misses import Cause, Miss
from thriftgate.core.plan import Decision
from thriftgate.core.prices import PriceBook, Rates, Terms
from thriftgate.core.usage import Tokens, Usage
from thriftgate.ledger.entries import Entry, balanced
from thriftgate.ledger.rows import ENTRY_COLUMNS, POSTING_COLUMNS, entry_row, posting_rows
from thriftgate.ledger.sql import SqlLedger
from thriftgate.pricing.load import load_book

DAY_US = 86_400_000_000
CHUNK = 5_000

_CAUSES: tuple[tuple[Cause, bool], ...] = (
    ("expired", True), ("expired", True), ("prefix_changed", True), ("model_changed", True), ("concurrency", True),
    ("below_minimum", False), ("evicted", False), ("cold", False), ("cold", False),
)  # fmt: skip


class Kind(NamedTuple):
    """One kind of call: who makes it, how long its prompts and answers are, how well it is cached, how often it comes."""

    team: str
    key: str
    task: str
    model: str
    prompt: int
    output: int
    hit: float
    share: int
    batch: bool = False
    asked: str = ""


KINDS = (
    Kind("support", "key_support_prod", "reply to ticket", "claude-sonnet-5-5", 9_000, 350, 0.86, 30),
    Kind("support", "key_support_prod", "triage", "claude-haiku-5-5", 2_600, 20, 0.7, 26, asked="claude-sonnet-5-5"),
    Kind("platform", "key_coding_agents", "code agent", "claude-opus-5-5", 62_000, 700, 0.93, 14),
    Kind("platform", "key_ci", "review change", "claude-opus-5-5", 21_000, 900, 0.55, 4),
    Kind("data", "key_nightly", "classify documents", "claude-haiku-5-5", 3_400, 12, 0.4, 14, batch=True),
    Kind("data", "key_nightly", "extract tables", "claude-sonnet-5-5", 7_800, 420, 0.35, 6, batch=True),
    Kind("research", "key_notebooks", "", "claude-opus-4-8", 14_000, 1_100, 0.2, 3),
    Kind("", "key_sandbox", "", "claude-haiku-5-5", 900, 160, 0.0, 3),
)


def calls(count: int, until_us: int, *, days: int = 60, seed: int = 8) -> Iterator[Entry]:
    """So many calls in the days before a moment, in order of time."""
    draw = random.Random(seed)
    book = load_book()
    shares = [kind.share for kind in KINDS]
    start_us = until_us - days * DAY_US
    for number in range(count):
        at_us = start_us + int((number + draw.random()) / count * days * DAY_US)
        yield _call(f"tg_{at_us:014x}5eed0000{number & 0xFFFF:04x}", at_us, draw.choices(KINDS, shares)[0], draw, book)


def _call(name: str, at_us: int, kind: Kind, draw: random.Random, book: PriceBook) -> Entry:
    prompt = max(60, int(kind.prompt * math.exp(draw.gauss(0, 0.35))))
    output = max(1, int(kind.output * math.exp(draw.gauss(0, 0.6))))
    day = at_us // DAY_US
    hit = draw.random() < kind.hit
    read = int(prompt * draw.uniform(0.8, 0.97)) if hit else 0
    written = int((prompt - read) * 0.8) if kind.hit else 0
    hour = written if draw.random() < 0.2 else 0
    tokens = Tokens(prompt - read - written, written - hour, hour, read, output)
    mode = "batch" if kind.batch and draw.random() < 0.9 else "standard"
    rates = book.rates(Terms(kind.model, day, mode), prompt)  # type: ignore[arg-type]
    paid = pico_at(tokens, rates)
    saved = _saved(kind, tokens, day, (mode, paid), book)
    latency = int(400 + output * 14 * draw.uniform(0.7, 1.6))
    failed = draw.random() < 0.012
    return Entry(
        id=name,
        opened_us=at_us,
        settled_us=at_us + latency * 1000,
        key=kind.key,
        model=kind.model,
        endpoint="anthropic.messages",
        outcome="failed" if failed else "answered",
        resolution="void" if failed else "post",
        usage_source="none" if failed else "exact",
        usage=Usage() if failed else Usage(tokens),
        postings=balanced(0, 0, {}) if failed else balanced(paid + sum(saved.values()), paid, saved),
        served_model=kind.model,
        provider="anthropic",
        mode=mode,
        stream=draw.random() < 0.5,
        status=529 if failed else 200,
        price_book=book.id,
        forecast_pico=int(paid * draw.uniform(0.85, 1.2)),
        decisions=tuple(Decision(lever, "applied", "as seeded", pico) for lever, pico in saved.items()),
        attempts=1,
        ttfb_ms=int(latency * 0.3),
        latency_ms=latency,
        read_expected_tokens=read,
        miss=None if hit or failed else _miss(prompt, rates, draw),
        sent_us=at_us,
        asked_model=kind.asked,
        task=kind.task,
        whose=Whose(team=kind.team, tags=("prod",) if kind.team == "support" else ()),
        upstream="main",
    )


def _saved(kind: Kind, tokens: Tokens, day: int, paid: tuple[str, int], book: PriceBook) -> dict[str, int]:
    """What each lever saved: the batch its half, the cache what reading costs less, the router the dearer model's price."""
    saved = {}
    mode, cost = paid
    standard = pico_at(tokens, book.rates(Terms(kind.model, day), tokens.prompt))
    if mode == "batch":
        saved["batch.defer"] = standard - cost
    plain = pico_at(tokens.uncached(), book.rates(Terms(kind.model, day), tokens.prompt))
    if tokens.read and plain > standard:
        saved["cache.breakpoints"] = (plain - standard) * 3 // 10  # the client's own marks did the rest
    if kind.asked:
        dearer = pico_at(tokens, book.rates(Terms(kind.asked, day), tokens.prompt))
        saved["route.rules"] = dearer - standard
    return saved


def _miss(prompt: int, rates: Rates, draw: random.Random) -> Miss:
    cause, avoidable = draw.choice(_CAUSES)
    tokens = int(prompt * 0.8)
    pico = pico_at(Tokens(input=tokens), rates) - pico_at(Tokens(read=tokens), rates)
    return Miss(cause, tokens, pico, "as seeded", avoidable, gap_s=draw.uniform(10, 4_000))


def seed(path: Path, count: int, until_us: int, *, days: int = 60) -> None:
    """Write a ledger of so many calls. Not durable while it is written; opening it afterwards makes its roll-ups."""
    asyncio.run(_made(path))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma synchronous = off")
    chunk: list[Entry] = []
    for entry in calls(count, until_us, days=days):
        chunk.append(entry)
        if len(chunk) == CHUNK:
            _write(connection, chunk)
            chunk = []
    _write(connection, chunk)
    connection.execute("insert or replace into meta (name, value) values ('rollups', 'to be made')")
    connection.close()


async def _made(path: Path) -> None:
    """The schema."""
    await SqlLedger.open(path).close()


def _write(connection: sqlite3.Connection, entries: list[Entry]) -> None:
    connection.execute("begin")
    connection.executemany(_insert("entries", ENTRY_COLUMNS), map(entry_row, entries))
    connection.executemany(_insert("postings", POSTING_COLUMNS), [row for entry in entries for row in posting_rows(entry)])
    connection.execute("commit")


def _insert(table: str, columns: tuple[str, ...]) -> str:
    return f"insert into {table} ({', '.join(columns)}) values ({', '.join('?' * len(columns))})"
