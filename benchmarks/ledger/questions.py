"""Every question that a page or a report puts to a month of calls, and how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from msgspec import Struct

from benchmarks.ledger.books import MONTH_US, START_US
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.rollup_spans import DAY_US
from thriftgate.ledger.sql_cells import Only
from thriftgate.ledger.sql_reports import cache_report, report
from thriftgate.ledger.sql_savings import own_costs
from thriftgate.ledger.sql_spend import Asked, cache, latency, misses, remarks, savings, spend

MONTH = Asked(START_US, START_US + MONTH_US)
_RAGGED = (START_US + 1_234_567_890, START_US + MONTH_US - 9_876_543_210)
_PRICE_STEPS = (100_000, 200_000)


class Timed(Struct, frozen=True):
    """How long a question takes (milliseconds): on the clock, and of CPU, which other work on the machine changes little.
    `page` says that a page of the dashboard puts it."""

    name: str
    page: bool
    wall_ms_p50: float
    wall_ms_p99: float
    cpu_ms_p50: float


Question = Callable[[Connection], object]


def questions() -> dict[str, tuple[bool, Question]]:
    """By name, and whether it is the dashboard's."""
    ask: dict[str, tuple[bool, Question]] = {"spend": (True, partial(spend, asked=MONTH))}
    for by in ("key", "model", "team", "task", "tag", "tier", "outcome"):
        ask[f"spend by {by}"] = (True, partial(spend, asked=Asked(*_month(), by=by)))
    days = {zone: Asked(*_month(), step="day", zone=zone) for zone in ("UTC", "Europe/Berlin", "America/New_York")}
    ask |= {f"spend by day, {zone}": (True, partial(spend, asked=asked)) for zone, asked in days.items()}
    two_days = Asked(START_US + 20 * DAY_US, START_US + 22 * DAY_US, step="hour")
    one_key = Asked(*_month(), step="day", only=Only(key="key_000000000010"))
    half = Asked(*_month(), step="day", zone="Asia/Kolkata")
    ask |= {
        "spend by hour, two days": (True, partial(spend, asked=two_days)),
        "spend of one key by day": (True, partial(spend, asked=one_key)),
        "savings by lever and day": (True, partial(savings, asked=days["UTC"])),
        "misses by cause and day": (True, partial(misses, asked=days["UTC"])),
        "cache by model": (True, partial(cache, asked=Asked(*_month(), by="model"))),
        "latency by model": (True, partial(latency, asked=Asked(*_month(), by="model"))),
        "remarks": (True, partial(remarks, asked=MONTH)),
        "report": (True, partial(report, span=_month())),
        "cache report": (True, lambda connection: cache_report(connection, _PRICE_STEPS, _month())),
        "own costs": (True, partial(own_costs, span=_month())),
        "report, ragged ends": (False, partial(report, span=_RAGGED)),
        "spend by day, Asia/Kolkata": (False, partial(spend, asked=half)),
        "spend by hour, the month": (False, partial(spend, asked=Asked(*_month(), step="hour"))),
    }
    return ask


def _month() -> tuple[int, int]:
    return MONTH.since_us, MONTH.until_us


def timed(connection: Connection, rounds: int) -> list[Timed]:
    """Each so many times; the first is not counted: it reads the file."""
    found = []
    for name, (page, question) in questions().items():
        question(connection)
        walls, cpus = [], []
        for _ in range(rounds):
            wall, cpu = time.perf_counter(), time.thread_time()
            question(connection)
            cpus.append((time.thread_time() - cpu) * 1e3)
            walls.append((time.perf_counter() - wall) * 1e3)
        found.append(Timed(name, page, _quantile(walls, 0.5), _quantile(walls, 0.99), _quantile(cpus, 0.5)))
    return found


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
