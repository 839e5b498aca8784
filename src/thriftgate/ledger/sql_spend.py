"""Questions about spending, put to the roll-ups through `SqlLedger.ask`.

Each takes a span in microseconds since 1970, which a call belongs to by the moment it came in, and answers exactly: whole
hours and days from the roll-ups, ragged ends from the entries. Where the entries are no longer there, a ragged end begins
at its hour; `remarks` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from thriftgate.core.control.whose import tier_of
from thriftgate.core.errors import InputError
from thriftgate.core.misses import Cause
from thriftgate.core.usage import Tokens
from thriftgate.ledger.connection import Connection
from thriftgate.ledger.entries import SAVED, Remarks
from thriftgate.ledger.rollup_columns import (
    BOUNDS_MS,
    CLASSES,
    LEVER_PART,
    MISS,
    MISS_NAME,
    MISS_PART,
    OTHER,
    PART_COLUMNS,
    TOKENS,
    WAYS,
)
from thriftgate.ledger.rollup_spans import DAY_US, Step
from thriftgate.ledger.sql_cells import EVERY, Only, Source, Sums, Totals, add_up, chosen, is_rounded, kept_from

By = Literal[
    "", "key", "user", "team", "org", "model", "tier", "task", "tag", "provider", "upstream", "endpoint", "mode", "outcome"
]


class Asked(Struct, frozen=True):
    """What a question is about: a span, apart by a name and by hours (of UTC), days (of a time zone) or not at all."""

    since_us: int = 0
    until_us: int = 2**62
    by: By = ""
    step: Step = "total"
    zone: str = "UTC"
    only: Only = EVERY


class SpendCell(Struct, frozen=True):
    """What some calls cost and would have cost (pico-USD). `own_calls` are thriftgate's own, which nobody asked for."""

    start_us: int
    name: str
    calls: int
    errors: int
    estimated: int
    baseline_pico: int
    paid_pico: int
    own_calls: int
    own_pico: int
    tokens: Tokens
    web_searches: int

    @property
    def saved_pico(self) -> int:
        """Net of what thriftgate's own calls cost."""
        return self.baseline_pico - self.paid_pico


class SavingCell(Struct, frozen=True):
    """What one lever saved on some calls (pico-USD)."""

    start_us: int
    name: str
    lever: str
    calls: int
    saved_pico: int


class MissCell(Struct, frozen=True):
    """What the cache did not serve of some calls, for one cause: tokens, and pico-USD above reading them."""

    start_us: int
    name: str
    cause: Cause
    calls: int
    tokens: int
    pico: int
    avoidable_pico: int


class CacheCell(Struct, frozen=True):
    """Prompt tokens of calls with usage, by how they were billed; `miss_pico` leaves cold misses out."""

    start_us: int
    name: str
    calls: int
    read: int
    write_5m: int
    write_1h: int
    plain: int
    miss_pico: int

    @property
    def prompt(self) -> int:
        """All of them."""
        return self.read + self.write_5m + self.write_1h + self.plain


class Times(Struct, frozen=True):
    """How long some calls took (milliseconds). The quantiles are read off classes that double in width: they are within
    their class, and straight between its ends."""

    calls: int
    mean_ms: int
    p50_ms: int
    p95_ms: int


class LatencyCell(Struct, frozen=True):
    """Times to the whole answer and to its first byte, of calls that had one."""

    start_us: int
    name: str
    whole: Times
    first_byte: Times


def spend(connection: Connection, asked: Asked) -> Sequence[SpendCell]:
    """What was spent and saved; in order of time, the dearest first."""
    found = [
        SpendCell(
            start_us=start,
            name=name,
            calls=one["calls"],
            errors=one["errors"],
            estimated=one["estimated"],
            baseline_pico=one.money("baseline"),
            paid_pico=one.money("paid"),
            own_calls=one["own_calls"],
            own_pico=one.money("own_paid"),
            tokens=Tokens(*(one[token] for token in TOKENS)),
            web_searches=one["web_searches"],
        )
        for start, (name,), one in _answers(connection, asked, SPEND)
    ]
    return sorted(found, key=lambda cell: (cell.start_us, -cell.paid_pico, -cell.calls, cell.name))


def savings(connection: Connection, asked: Asked) -> Sequence[SavingCell]:
    """What each lever saved; in order of time, the best first. Added up they are `SpendCell.saved_pico`."""
    found = [
        SavingCell(start, name, part.removeprefix(SAVED), one["calls"], one.money("pico"))
        for start, (name, part), one in _answers(connection, asked, LEVERS)
    ]
    return sorted(found, key=lambda cell: (cell.start_us, -cell.saved_pico, cell.name, cell.lever))


def misses(connection: Connection, asked: Asked) -> Sequence[MissCell]:
    """What was missed, by cause; in order of time, the dearest first."""
    found = [
        MissCell(start, name, _cause(part), one["calls"], one["tokens"], one.money("pico"), one.money("avoidable"))
        for start, (name, part), one in _answers(connection, asked, MISSES)
    ]
    return sorted(found, key=lambda cell: (cell.start_us, -cell.pico, cell.name, cell.cause))


def cache(connection: Connection, asked: Asked) -> Sequence[CacheCell]:
    """How prompts were cached; in order of time, the longest first. Calls without usage are left out."""
    found = [
        CacheCell(start, name, one["used"], one["read"], one["write_5m"], one["write_1h"], one["input"], one.money("missed"))
        for start, (name,), one in _answers(connection, asked, CACHE)
        if one["used"]
    ]
    return sorted(found, key=lambda cell: (cell.start_us, -cell.prompt, cell.name))


def latency(connection: Connection, asked: Asked) -> Sequence[LatencyCell]:
    """How long calls took; in order of time and name."""
    found = [
        LatencyCell(start, name, _times(one, "latency"), _times(one, "ttfb"))
        for start, (name,), one in _answers(connection, asked, LATENCY)
    ]
    return sorted(found, key=lambda cell: (cell.start_us, cell.name))


def remarks(connection: Connection, asked: Asked) -> Remarks:
    """What is to be said with the answer to such a question."""
    days = asked.since_us // DAY_US, min(asked.until_us // DAY_US, 2**31)
    others = connection.execute(_OTHERS, days).fetchone() is not None
    span = asked.since_us, asked.until_us
    return Remarks(kept_from(connection), is_rounded(connection, span, asked.step, asked.zone), others)


_OTHERS = f"""
select 1 from rollup_dims d where '{OTHER}' in (d.task, d.tag, d.model, d.key, d.user_id)
and exists (select 1 from rollup_cells c where c.hours = 24 and c.slot between ? and ? and c.dims = d.id) limit 1
"""


def _split(*names: str) -> list[str]:
    return [f"{name}_{half}" for name in names for half in ("high", "low")]


SPEND = chosen("calls", "errors", "estimated", "own_calls", *_split("baseline", "paid", "own_paid"), *TOKENS, "web_searches")
CACHE = chosen("calls", "used", *TOKENS[:4], *_split("missed"))
LATENCY = chosen("calls", "latency_ms", "ttfb_ms", *(f"{kind}_{at}" for kind in ("latency", "ttfb") for at in CLASSES))
_PART = {name: f"c.{name}" for name in PART_COLUMNS}
LEVERS = Source(
    "rollup_parts",
    _PART,
    LEVER_PART,
    ("c.part",),
    ("part.account",),
    "join postings part on part.entry = e.id and part.account >= 'saved:' and part.account < 'saved;'",
    "c.part >= 'saved:' and c.part < 'saved;'",
)
MISSES = Source(
    "rollup_parts",
    _PART,
    MISS_PART,
    ("c.part",),
    (MISS_NAME,),
    cells_where="c.part >= 'miss:' and c.part < 'miss;'",
    entries_where="e.miss <> ''",
)


def _answers(connection: Connection, asked: Asked, source: Source) -> Iterable[tuple[int, tuple[str, ...], Sums]]:
    """Start, name (and part), sums."""
    if source.parts and asked.by in WAYS:
        raise InputError(f"what levers saved and what was missed is not told apart by {asked.by}")
    column = {"user": "user_id", "tier": "model"}.get(asked.by, asked.by)
    span = asked.since_us, asked.until_us
    found = add_up(connection, source, span, [column] if column else [], step=asked.step, zone=asked.zone, only=asked.only)
    if asked.by == "tier":
        found = _renamed(found, tier_of)
    return ((start, names if column else ("", *names), sums) for (start, names), sums in found.items())


def _renamed(found: Totals, rename: Callable[[str], str]) -> Totals:
    """The same, with names that become one added up."""
    merged: Totals = {}
    for (start, (name, *rest)), sums in found.items():
        had = merged.setdefault((start, (rename(name), *rest)), Sums(dict.fromkeys(sums, 0)))
        for column, value in sums.items():
            had[column] += value
    return merged


def _cause(part: str) -> Cause:
    cause: Cause = msgspec.convert(part.removeprefix(MISS), Cause)
    return cause


def _times(sums: Sums, kind: str) -> Times:
    classes = [sums[f"{kind}_{at}"] for at in CLASSES]
    calls = sum(classes)
    return Times(
        calls, round(sums[f"{kind}_ms"] / calls) if calls else 0, quantile_ms(classes, 0.5), quantile_ms(classes, 0.95)
    )


def quantile_ms(classes: Sequence[int], share: float) -> int:
    """Read off counts by class of latency, straight within a class; the last has no end: twice its beginning."""
    rank, below = share * sum(classes), 0
    for count, low, high in zip(classes, (0, *BOUNDS_MS), (*BOUNDS_MS, 2 * BOUNDS_MS[-1]), strict=True):
        if count and below + count >= rank:
            return round(low + (high - low) * (rank - below) / count)
        below += count
    return 0
